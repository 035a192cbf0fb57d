"""Pictures of the synthetic set while a run goes: at which steps, and all images of a step as one atlas.

>>> save_atlas(np.zeros((10, 256, 256, 3), dtype=np.uint8), Path("frames/000500.webp"))
{'columns': 5, 'rows': 2, 'side': 256}
"""

import math
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import UInt8
from PIL import Image

from lgm_core.base.errors import DamagedFile, result_or_why
from lgm_core.base.files import append_line, replacing
from lgm_core.base.image_files import Unusable, open_image

_LONGEST_SIDE = 2048  # pixels
COARSE = 8  # pixels of an image's side, seen so coarsely that noise has no contrast
SHOWS = 1 / 3  # of the last frame's contrast: here something is seen


def frame_steps(steps: int, frames: int) -> set[int]:
    """Which steps get a frame: dense early, sparse late (quadratic), the first and the last among them."""
    last = steps - 1
    return {round(last * (k / (frames - 1)) ** 2) for k in range(frames)}


def add_frame(pictures: UInt8[np.ndarray, "n r r 3"], step: int, index: Path) -> None:
    """Write the atlas of a step beside `index`, the file that lists the frames, and append its line there.

    The set before the first step is that of step -1.
    """
    index.parent.mkdir(exist_ok=True)
    name = f"{step:06d}.webp" if step >= 0 else "start.webp"
    facts = save_atlas(pictures, index.parent / name)
    append_line(index, {"step": step, "file": name, "count": len(pictures), **facts})


def save_atlas(pictures: UInt8[np.ndarray, "n r r 3"], path: Path) -> dict[str, int]:
    """Write N pictures row by row, as one WebP; returns columns, rows and the side of a tile in pixels.

    The picture is on the disk when this returns.
    """
    n, side = pictures.shape[:2]
    columns = min(n, 5) if n <= 25 else math.ceil(math.sqrt(n))
    rows = math.ceil(n / columns)
    tile = min(side, _LONGEST_SIDE // columns)
    atlas = np.zeros((rows * tile, columns * tile, 3), dtype=np.uint8)
    for index, picture in enumerate(pictures):
        y, x = divmod(index, columns)
        if tile != side:
            picture = np.asarray(Image.fromarray(picture).resize((tile, tile), Image.Resampling.BOX))
        atlas[y * tile : (y + 1) * tile, x * tile : (x + 1) * tile] = picture
    with replacing(path, durable=True) as new:
        Image.fromarray(atlas).save(new, format="WEBP", quality=82, method=1)
    return {"columns": columns, "rows": rows, "side": tile}


def open_frame(frames: Path, line: Mapping[str, Any]) -> Image.Image:
    """All images of a step as RGB, as a line of the index in the folder `frames` names it.

    Raises `DamagedFile` where the picture is not there, is a link, or is no WebP that can be read.
    """
    file = frames / line["file"]
    try:
        if file.is_symlink() or frames.is_symlink():
            raise Unusable("is a link, which may lead out of the run")
        with open_image(file, ("WEBP",)) as picture:
            return picture.convert("RGB")
    except Unusable as error:
        raise DamagedFile(f"{frames.parent.name}: the picture frames/{file.name} {error}") from None


def tiles_of(atlas: Image.Image, frame: Mapping[str, Any], count: int) -> Iterator[Image.Image]:
    """The first `count` pictures of an atlas; `frame` tells its columns, and the side of a tile in pixels."""
    side = frame["side"]
    for index in range(count):
        row, column = divmod(index, frame["columns"])
        yield atlas.crop((column * side, row * side, (column + 1) * side, (row + 1) * side))


def first_shown(frames: Path, lines: Sequence[Mapping[str, Any]]) -> Mapping[str, Any]:
    """The first frame on which something is seen, of `lines` of the index in the folder `frames`, one or more.

    The very first are grey noise: the rule is that of one image in the player (`pages/parts/player/zoom.js`), over all
    images of the set. The first one where none shows anything.
    """
    least = SHOWS * _contrast(frames, lines[-1])
    return next((line for line in lines if (seen := _contrast(frames, line)) > 0 and seen >= least), lines[0])


def _contrast(frames: Path, line: Mapping[str, Any]) -> float:
    """Standard deviation of the coarse pixels of an image, mean over images; 0 for a frame that cannot be read."""
    atlas, _ = result_or_why(lambda: open_frame(frames, line))
    if atlas is None:
        return 0.0
    rows, columns = line["rows"], line["columns"]
    small = np.asarray(atlas.resize((columns * COARSE, rows * COARSE), Image.Resampling.BOX), np.float32)
    return float(small.reshape(rows, COARSE, columns, COARSE, 3).std(axis=(1, 3, 4)).mean())
