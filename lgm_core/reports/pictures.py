"""The images of a run as pictures, read without torch: the result, or the newest frame while there is none.

>>> [picture.size for picture in pictures(run, side=128)]  # one per synthetic or chosen image, class-major
[(128, 128), ...]
"""

import base64
import io
from collections.abc import Iterator
from functools import partial
from itertools import islice
from typing import Any

import numpy as np
from PIL import Image
from safetensors import safe_open

from lgm_core.base.errors import result_or_why
from lgm_core.reports.confusion import titles_of
from lgm_core.runs.frames import open_frame
from lgm_core.runs.store import RunFolder


def labels(run: RunFolder) -> list[int]:
    """The class of each image of the run; by the config's order while there is no result."""
    if known := run.own_labels()[0]:
        return known
    if run.has_images():
        with safe_open(run.synthetic, framework="numpy") as file:
            return [int(label) for label in file.get_tensor("labels")]
    names, frames = class_names(run), run.frame_list()
    if not frames or run.config().kind == "evaluate":
        return []
    per_class = run.config().images_per_class
    count = len(names) * per_class or frames[-1]["columns"] * frames[-1]["rows"]
    return [index // per_class for index in range(count)]


def class_names(run: RunFolder) -> list[str]:
    """Names of the classes, as a report or the map of this run tells them; [] where neither is there yet."""
    if known := run.own_labels()[1]:
        return known
    own = run.config().dataset
    for report in run.eval_reports():
        if report.get("dataset", own) == own:  # networks may be tested on other data
            return titles_of(report)
    return [str(name) for name in run.map().get("classes", [])]


def pictures(run: RunFolder, side: int = 0, limit: int = 100_000) -> Iterator[Image.Image]:
    """The first `limit` images; `side`: pixels, 0 for their own size. Nothing while there is not even a frame."""
    found = _results(run) if run.has_images() else _tiles(run)
    for picture in islice(found, limit):
        yield picture.resize((side, side), Image.Resampling.LANCZOS) if side and picture.width != side else picture


def frame(run: RunFolder, line: dict[str, Any], width: int = 0) -> Image.Image:
    """All images of a step, as a line of `frame_list` names it; `width`: at most so many pixels.

    Raises `DamagedFile` where the picture is not there or cannot be read.
    """
    picture = open_frame(run.frames, line)
    if width and picture.width > width:
        return picture.resize((width, round(picture.height * width / picture.width)), Image.Resampling.LANCZOS)
    return picture


def as_uri(picture: Image.Image, quality: int = 82) -> str:
    """A picture as a data URI, for pages that must stand alone."""
    return f"data:image/webp;base64,{base64.b64encode(as_bytes(picture, 'WEBP', quality=quality)).decode()}"


def as_bytes(picture: Image.Image, kind: str, **options: Any) -> bytes:
    """A picture as the bytes of a file."""
    buffer = io.BytesIO()
    picture.save(buffer, format=kind, **options)
    return buffer.getvalue()


def _results(run: RunFolder) -> Iterator[Image.Image]:
    with safe_open(run.synthetic, framework="numpy") as file:
        images = file.get_slice("images")
        for index in range(images.get_shape()[0]):
            pixels = (images[index : index + 1][0] * 255).round().clip(0, 255).astype(np.uint8)
            yield Image.fromarray(np.ascontiguousarray(pixels.transpose(1, 2, 0)))


def _tiles(run: RunFolder) -> Iterator[Image.Image]:
    lines = run.frame_list()
    if not lines:
        return
    atlas, _ = result_or_why(partial(frame, run, lines[-1]))
    if atlas is None:
        return
    columns, side = lines[-1]["columns"], lines[-1]["side"]
    for index in range(len(labels(run))):
        y, x = divmod(index, columns)
        yield atlas.crop((x * side, y * side, (x + 1) * side, (y + 1) * side))
