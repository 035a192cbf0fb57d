"""A run that takes over from another at a step, with other settings: from its checkpoint, or from a picture of it.

At the checkpoint's own step everything goes on, momentum included. At an earlier frame only the images are known, from
the frame's atlas, and the new run learns on from them, all levels of the pyramid present; of RCIG also the labels and
the temperature, where the run's details have them image by image.

>>> made = prepare_fork(run, 250, {"lgm": {"learning_rate": 0.003}}, places())
>>> made.config().source, made.config().fork_step
('demo-lgm-mobilenet_v2-s0', 251)
"""

import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float32, UInt8
from PIL import Image
from safetensors import safe_open
from safetensors.numpy import save_file

from lgm_core.base.errors import ConfigError, UserError
from lgm_core.base.files import move_into_place
from lgm_core.base.places import Places
from lgm_core.config import RunConfig
from lgm_core.presets import change
from lgm_core.runs.start import start
from lgm_core.runs.store import RunFolder

# what a checkpoint's tensors belong to: with any of these changed, only the picture can be taken over
_SHAPE = ("synthetic", "method", "backbone")
_RCIG_SHAPE = ("resolution", "width", "depth", "transform", "pool")
# what the images themselves belong to: these cannot be changed
_FIXED = ("kind", "dataset", "images_per_class")


def prepare_fork(run: RunFolder, step: int, changes: Mapping[str, Any], here: Places) -> RunFolder:
    """The folder of the new run, ready to be worked on; the same fork again is the same run.

    `step`: one with a frame, or the checkpoint's. Raises `UserError` where there is neither, `ConfigError` for wrong
    changes.
    """
    before = run.config()
    if before.kind != "distill":
        raise UserError(f"only a distillation can be forked; {run.id!r} is of the kind {before.kind}")
    wanted = change(before, {"name": "", "study": ""}, dict(changes), {"source": run.id})
    for name in _FIXED:
        if getattr(wanted, name) != getattr(before, name):
            raise ConfigError(f"a fork keeps {name} = {getattr(before, name)!r}; start a new run to change it")
    checkpointed = _checkpoint_step(run)
    exact = checkpointed in (step, step + 1) and _shape(wanted) == _shape(before)
    if exact and (why := run.why_not_resumed()):
        raise UserError(f"{why}. A fork from an earlier frame takes over the pictures alone, with today's settings")
    if exact and checkpointed is not None:
        made = start(change(wanted, {"fork_step": checkpointed}), here)
        if not made.checkpoint.exists():
            _place(made.checkpoint, lambda new: shutil.copyfile(run.checkpoint, new))
        return made
    pictures = frame_pictures(run, step, wanted)
    made = start(change(wanted, {"fork_step": step + 1, "pyramid": {"start": wanted.synthetic.resolution}}), here)
    if not made.start.exists():
        _place(made.start, lambda new: save_file({"images": pictures, **_learned(run, step, wanted)}, new))
    return made


def frame_pictures(run: RunFolder, step: int, config: RunConfig) -> UInt8[np.ndarray, "n 3 r r"]:
    """The synthetic images of a frame, cut out of its atlas and brought to `config.synthetic.resolution`."""
    frames = {frame["step"]: frame for frame in run.frame_list()}
    if step not in frames:
        near = min(frames, key=lambda other: abs(other - step), default=None)
        raise UserError(
            f"the run {run.id!r} has no frame of step {step}"
            + (f"; the nearest is that of step {near}" if near is not None else " and none at all yet")
        )
    frame, side = frames[step], config.rcig.resolution if config.method == "rcig" else config.synthetic.resolution
    count = frame["count"] if "count" in frame else _count(run, config)
    with Image.open(run.frames / frame["file"]) as file:
        atlas = file.convert("RGB")
    pictures = []
    for index in range(count):
        row, column = divmod(index, frame["columns"])
        left, top = column * frame["side"], row * frame["side"]
        tile = atlas.crop((left, top, left + frame["side"], top + frame["side"]))
        tile = tile.resize((side, side), Image.Resampling.BICUBIC) if frame["side"] != side else tile
        pictures.append(np.asarray(tile).transpose(2, 0, 1))
    return np.ascontiguousarray(np.stack(pictures))


def _learned(run: RunFolder, step: int, config: RunConfig) -> dict[str, Float32[np.ndarray, "..."]]:
    """Labels [M, C] and log temperature as they were published at a frame, where both methods learn them."""
    if config.method != "rcig" or run.config().method != "rcig":
        return {}
    line: dict[str, Any] = next((line for line in run.details() if line["step"] == step), {})
    found, temperature = {}, line.get("temperature")
    if temperature:
        found["log_temperature"] = np.asarray(np.log(temperature), dtype=np.float32)
    rows = line.get("labels", []) if line.get("label_rows") == "images" and config.rcig.learn_labels else []
    if rows and all(value is not None for row in rows for value in row):
        found["targets"] = np.array(rows, dtype=np.float32)
    return found


def _shape(config: RunConfig) -> list[Any]:
    own = [getattr(config.rcig, name) for name in _RCIG_SHAPE] if config.method == "rcig" else []
    return [getattr(config, name) for name in _SHAPE] + own


def _count(run: RunFolder, config: RunConfig) -> int:
    """How many images a run has, where its frames do not say so: what its checkpoint holds."""
    if not run.checkpoint.exists():
        raise UserError(f"the run {run.id!r} has no checkpoint yet; wait for it to write one")
    with safe_open(run.checkpoint, framework="numpy") as file:
        name = next(name for name in file.keys() if name.startswith("synthetic."))  # noqa: SIM118 (not a dict)
        return file.get_slice(name).get_shape()[0]


def _checkpoint_step(run: RunFolder) -> int | None:
    if not run.checkpoint.exists():
        return None
    with safe_open(run.checkpoint, framework="numpy") as file:
        return int(file.metadata()["next_step"])


def _place(path: Path, write: Any) -> None:
    new = path.with_name(f".{path.name}.new")
    write(new)
    move_into_place(new, path)
