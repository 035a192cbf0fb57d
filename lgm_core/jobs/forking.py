"""A run that takes over from another at a step, with other settings: from its checkpoint, or from a picture of it.

At the checkpoint's own step everything goes on, momentum included. At an earlier frame, the new run starts from the
images in the frame's atlas, with all levels of the pyramid present, and from what the method's details recorded at that
frame, such as RCIG's labels and temperature.

>>> made = prepare_fork(run, 250, {"lgm": {"learning_rate": 0.003}}, places())
>>> made.config().source, made.config().fork_step
('demo-lgm-mobilenet_v2-s0', 251)
"""

import shutil
from collections.abc import Mapping
from typing import Any

import numpy as np
from jaxtyping import Float32, UInt8
from PIL import Image
from safetensors import safe_open
from safetensors.numpy import save

from lgm_core.base.errors import ConfigError, UserError
from lgm_core.base.files import replacing
from lgm_core.base.names import load
from lgm_core.base.places import Places
from lgm_core.base.seals import UNSEALED, require_whole, seal
from lgm_core.config import RunConfig, named_in_full
from lgm_core.evaluation.protocol import setting_of
from lgm_core.methods.catalog import method_of, own_settings
from lgm_core.presets import change
from lgm_core.runs.damage import named_step
from lgm_core.runs.frames import open_frame, tiles_of
from lgm_core.runs.start import start, with_further
from lgm_core.runs.store import RunFolder

# settings that the images themselves depend on: a fork cannot change them
_FIXED = ("kind", "dataset", "images_per_class")


def prepare_fork(run: RunFolder, step: int, changes: Mapping[str, Any], here: Places) -> RunFolder:
    """The folder of the new run, ready to be worked on; the same fork again is the same run.

    `step`: one with a frame, or the checkpoint's, counted from 0. Raises `UserError` where there is neither,
    `ConfigError` for wrong changes.
    """
    if step < 0:
        raise UserError(
            f"before its first step the run {run.id!r} has nothing to take over; start it again under a new --name"
        )
    before, wanted = run.config(), _wanted(run, changes)
    checkpointed = _checkpoint_step(run)
    exact = checkpointed in (step, step + 1) and _shape(wanted) == _shape(named_in_full(before))
    if exact and (why := run.why_not_resumed()):
        raise UserError(f"{why}. A fork from an earlier frame takes only the images, with today's settings")
    if exact and checkpointed is not None:
        made = start(change(wanted, {"fork_step": checkpointed}), here)
        if not made.checkpoint.exists():
            with replacing(made.checkpoint, durable=True) as new:
                shutil.copyfile(run.checkpoint, new)
        return made
    pictures = frame_pictures(run, step, wanted)
    made = start(change(wanted, {"fork_step": step + 1}, own_settings(wanted).from_picture()), here)
    if not made.start.exists():
        with replacing(made.start, durable=True) as new:
            new.write_bytes(save({"images": pictures, **_along(run, step, wanted)}, metadata=UNSEALED))
            seal(new)
    return made


def prepare_forks(run: RunFolder, step: int, changes: Mapping[str, Any], here: Places) -> list[RunFolder]:
    """The fork; where it is an earlier one that was judged otherwise, also a run that judges it so. Raises as above."""
    return with_further(prepare_fork(run, step, changes, here), _wanted(run, changes), here)


def _wanted(run: RunFolder, changes: Mapping[str, Any]) -> RunConfig:
    """The settings of a fork, but for the step that it begins at."""
    before = run.config()
    if before.kind != "distill":
        raise UserError(f"only a distillation can be forked; {run.id!r} is of the kind {before.kind}")
    wanted = change(before, {"name": "", "study": ""}, dict(changes), {"source": run.id})
    for name in _FIXED:
        if getattr(wanted, name) != getattr(before, name):
            raise ConfigError(f"a fork keeps {name} = {getattr(before, name)!r}; start a new run to change it")
    return wanted


def frame_pictures(run: RunFolder, step: int, config: RunConfig) -> UInt8[np.ndarray, "n 3 r r"]:
    """The synthetic images of a frame, cut out of its atlas and brought to the side of the method's images."""
    frames = {frame["step"]: frame for frame in run.frame_list()}
    if step not in frames:
        near = min(frames, key=lambda other: abs(other - step), default=None)
        raise UserError(
            f"the run {run.id!r} has no frame of step {step + 1}"
            + (f"; the nearest is that of step {near + 1}" if near is not None else ", or any other yet")
        )
    frame, side = frames[step], own_settings(config).side
    count = frame["count"] if "count" in frame else _count(run, config)
    atlas = open_frame(run.frames, frame)
    pictures = []
    for tile in tiles_of(atlas, frame, count):
        tile = tile.resize((side, side), Image.Resampling.BICUBIC) if frame["side"] != side else tile
        pictures.append(np.asarray(tile).transpose(2, 0, 1))
    return np.ascontiguousarray(np.stack(pictures))


def _along(run: RunFolder, step: int, config: RunConfig) -> dict[str, Float32[np.ndarray, "..."]]:
    """What was learned besides a frame's images, read from the method's details; only if both runs have one method."""
    row = method_of(config)
    if not row.along or run.config().method != config.method:
        return {}
    line: dict[str, Any] = next((line for line in run.details() if line["step"] == step), {})
    return load(row.along)(line, own_settings(config))


def _shape(config: RunConfig) -> list[Any]:
    """The settings that a checkpoint's tensors depend on: if one is changed, only the picture can be taken over."""
    return [config.method, *(setting_of(config, name) for name in method_of(config).checkpoint_of)]


def _count(run: RunFolder, config: RunConfig) -> int:
    """The number of images in a run's checkpoint, for frames that do not say it. Raises `UserError` without one."""
    if not run.checkpoint.exists():
        raise UserError(f"the run {run.id!r} has no checkpoint yet; wait for it to write one")
    require_whole(run.checkpoint)
    with safe_open(run.checkpoint, framework="numpy") as file:
        names = [name for name in file.keys() if name.startswith("synthetic.")]  # noqa: SIM118 (not a dict)
        shape = file.get_slice(names[0]).get_shape() if names else []
    if not shape:
        raise UserError(f"the checkpoint of the run {run.id!r} holds no images; fork a frame that tells how many")
    return shape[0]


def _checkpoint_step(run: RunFolder) -> int | None:
    if not run.checkpoint.exists():
        return None
    return named_step(require_whole(run.checkpoint))
