"""Real images fitted to a small square by area averaging, all of a split, kept as one memory-mapped array.

RCIG specification, section 4.4: centre crop to a square, then each pixel is the mean of the area that it covers.

>>> fitted_pixels(train, 32, places().cache / "fitted").shape
torch.Size([50000, 3, 32, 32])
"""

import logging
import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import torch
from jaxtyping import UInt8
from PIL import Image
from torch import Tensor

from lgm_core.base.disk_room import reserve_room
from lgm_core.base.download import file_sha256
from lgm_core.base.errors import DamagedFile
from lgm_core.base.files import read_json, replacing, write_json
from lgm_core.base.interfaces import ImageSet
from lgm_core.base.names import file_name

_BATCH = 256

Progress = Callable[[int, int], None]


def fitted_pixels(
    images: ImageSet, side: int, folder: Path, *, channels: int = 3, progress: Progress = lambda done, total: None
) -> UInt8[Tensor, "n k s s"]:
    """All images, uint8 in 0 .. 255; computed once, then mapped from `folder`, until an image is another one.

    `channels` 1: grey. Safe to kill, and to call from several processes at once. Raises `UserError` that names the
    file, if one cannot be read; `OSError`, before any image is opened, where the disk has no room for them.
    """
    path = folder / f"{file_name(images.name)[-60:]}-{side}px-{channels}-{images.fingerprint[:16]}.npy"
    if path.exists() and (why := _why_not(path, images)):
        logging.getLogger("lgm").warning("%s %s; recomputing it", path, why)
        path.unlink()
    if not path.exists():
        folder.mkdir(parents=True, exist_ok=True)
        with replacing(path) as new:
            pixels = np.lib.format.open_memmap(new, "w+", np.uint8, (len(images), channels, side, side))
            with new.open("r+b") as file:
                reserve_room(file, new.stat().st_size)
            for first in range(0, len(images), _BATCH):
                part = range(first, min(first + _BATCH, len(images)))
                pixels[part.start : part.stop] = fit_pixels(images, part, side, channels)
                progress(part.stop, len(images))
            pixels.flush()
            write_json(_seal(path), {"sha256": file_sha256(new), "content": images.content})
    return torch.from_numpy(np.load(path, mmap_mode="c"))


def _seal(path: Path) -> Path:
    """Where the digests of the array and of its images lie: its own format has no room for them."""
    return path.with_suffix(".json")


def _why_not(path: Path, images: ImageSet) -> str:
    """Why the array must not be used; "" where it is whole and, as far as is known, of these images."""
    try:
        found = read_json(_seal(path))
    except DamagedFile:
        found = {}
    if found.get("sha256") != file_sha256(path):
        return "is damaged or from an earlier version"
    return "is of images that have changed since" if images.differs_from(found.get("content", "")) else ""


def fit_pixels(images: ImageSet, indices: range | list[int], side: int, channels: int) -> UInt8[np.ndarray, "n k s s"]:
    """Some of the images, in the order of `indices`."""
    batch = np.empty((len(indices), channels, side, side), dtype=np.uint8)

    def fill(slot: int) -> None:
        square = _square(images.picture(indices[slot]), side)
        batch[slot] = np.asarray(square.convert("L"))[None] if channels == 1 else np.asarray(square).transpose(2, 0, 1)

    with ThreadPoolExecutor(min(8, os.cpu_count() or 1)) as pool:
        for _ in pool.map(fill, range(len(indices))):  # the loop hands on the first error
            pass
    return batch


def _square(picture: Image.Image, side: int) -> Image.Image:
    """Centre crop at whole pixels, then area averaging (up-sampling: bilinear)."""
    short = min(picture.size)
    left, top = (picture.width - short) // 2, (picture.height - short) // 2
    square = picture.crop((left, top, left + short, top + short))
    if short == side:
        return square
    return square.resize((side, side), Image.Resampling.BOX if short > side else Image.Resampling.BILINEAR)
