"""The pyramid levels of the last checkpoint as pictures, read image by image and without torch.

>>> level_facts(run)
(420, [1, 4, 16, 64, 256])
>>> level_strip(run, image=3).size  # above: each level alone, brought to one contrast; below: the sum so far
(810, 324)
"""

from typing import Any

import numpy as np
from jaxtyping import Float, UInt8
from PIL import Image
from safetensors import SafetensorError, safe_open

from lgm_core.base.errors import DamagedFile
from lgm_core.base.regular_files import require_regular
from lgm_core.methods.lgm.natural_colour import CORRELATION_ROOT
from lgm_core.runs.damage import named_step
from lgm_core.runs.store import RunFolder

_PREFIX = "synthetic.level_"
_GAP = 2  # pixels between pictures
_ROOT = np.array(CORRELATION_ROOT)
_COLOUR = _ROOT / np.linalg.norm(_ROOT, axis=0).max()


def level_facts(run: RunFolder) -> tuple[int, list[int]]:
    """The step that the checkpoint goes on with, and its levels' sides in pixels; (0, []) where there are none."""
    try:
        require_regular(run.checkpoint)
        with safe_open(run.checkpoint, framework="numpy") as file:
            return named_step(file.metadata() or {}) or 0, _sides(file)
    except (DamagedFile, OSError, SafetensorError):
        return 0, []


def level_strip(run: RunFolder, image: int, side: int = 160) -> Image.Image:
    """One column per level, coarse to fine: the level alone, and the sum of all up to it as the run sums them.

    Raises `IndexError` where the checkpoint has no such image.
    """
    config = run.config()
    decorrelated, full = config.synthetic.decorrelate_colour, config.synthetic.resolution
    with safe_open(run.checkpoint, framework="numpy") as file:
        levels = [_one(file, name, image) for name in sorted(_names(file))]
    if not levels:
        raise IndexError("this run has no pyramid")
    strip = Image.new("RGB", (len(levels) * (side + _GAP) - _GAP, 2 * (side + _GAP)))
    total = np.zeros((3, 1, 1), dtype=np.float32)
    for place, level in enumerate(levels):
        size = level.shape[-1] if config.pyramid.cascade else full  # else each level goes straight to full size
        total = _resize(total, size) + _resize(level, size)
        contrast = 1 / max(float(np.quantile(np.abs(level), 0.98)), 1e-6)
        alone = Image.fromarray(_rgb(level * contrast, decorrelated)).resize((side, side), Image.Resampling.NEAREST)
        strip.paste(alone, (place * (side + _GAP), 0))
        so_far = Image.fromarray(_rgb(_grown(total, full), decorrelated))
        strip.paste(so_far.resize((side, side), Image.Resampling.BILINEAR), (place * (side + _GAP), side + _GAP))
    return strip


def _names(file: Any) -> list[str]:
    return [name for name in file.keys() if name.startswith(_PREFIX)]  # noqa: SIM118 (not a dict)


def _sides(file: Any) -> list[int]:
    return sorted(int(name.removeprefix(_PREFIX)) for name in _names(file))


def _one(file: Any, name: str, image: int) -> Float[np.ndarray, "3 r r"]:
    values = file.get_slice(name)
    if not 0 <= image < values.get_shape()[0]:
        raise IndexError(f"there is no image {image}")
    return np.asarray(values[image : image + 1])[0].astype(np.float32)


def _rgb(values: Float[np.ndarray, "3 r r"], decorrelated: bool) -> UInt8[np.ndarray, "r r 3"]:
    mixed = np.einsum("dc,cyx->yxd", _COLOUR, values) if decorrelated else values.transpose(1, 2, 0)
    return (255 / (1 + np.exp(-2 * np.clip(mixed, -20, 20)))).round().astype(np.uint8)


def _grown(values: Float[np.ndarray, "3 r r"], full: int) -> Float[np.ndarray, "3 s s"]:
    """Up-sampled to full size through the sides of a cascade's missing finer levels; unchanged at full size."""
    while values.shape[-1] < full:
        values = _resize(values, min(2 * values.shape[-1], full))
    return values


def _resize(values: Float[np.ndarray, "3 r r"], side: int) -> Float[np.ndarray, "3 s s"]:
    channels = [
        Image.fromarray(channel.astype(np.float32)).resize((side, side), Image.Resampling.BILINEAR)
        for channel in values
    ]
    return np.stack([np.asarray(channel) for channel in channels])
