"""An encoded image becomes RGB, whatever it is stored as; what cannot be shown is named, with the remedy.

>>> decoded(Path("photo.jpg"), "photo.jpg", "replace the file", None)[0].mode
'RGB'
"""

from io import BytesIO
from pathlib import Path

import numpy as np
from PIL import Image

from lgm_core.base.errors import UserError
from lgm_core.base.image_files import Unusable, open_image, orientation, upright


def decoded(file: Path | BytesIO, name: str, remedy: str, short: int | None) -> tuple[Image.Image, tuple[int, int]]:
    """An encoded image as RGB, upright, and its size in the file, likewise. A large JPEG is decoded at 1/2, 1/4 or 1/8
    of its size, as long as its short side keeps `short` pixels; None for the full size. Raises `UserError` with name
    and remedy.
    """
    try:
        with open_image(file) as image:
            size = image.size
            if short is not None:
                image.draft(None, resized(size, short))  # type: ignore[arg-type]  # None: keep the colour mode
            image.load()  # Pillow itself turns a TIFF, here
            width, height = size
            return in_colour(upright(image)), (height, width) if orientation(image) > 4 else size
    except Unusable as error:
        raise UserError(f"the image {name} {error}. It cannot be used: {remedy}") from None


def resized(size: tuple[int, int], short: int) -> tuple[int, int]:
    """Width and height after the short side has become `short`; the long side rounds down, as in torchvision."""
    width, height = size
    return (short, int(short * height / width)) if width <= height else (int(short * width / height), short)


def in_colour(image: Image.Image) -> Image.Image:
    """The image as RGB. Raises `Unusable` for numbers whose range is not known."""
    if image.mode == "RGB":
        image.load()
        return image
    if image.mode.startswith(("I", "F")):  # convert() would cut all above 255 off, and take 1.0 for almost black
        return Image.fromarray(_bytes_of(np.asarray(image), image.mode)).convert("RGB")
    # a palette with transparency cannot go to RGB directly without a warning
    return (image.convert("RGBA") if image.mode == "P" else image).convert("RGB")


def _bytes_of(values: np.ndarray, mode: str) -> np.ndarray:
    """Grey values of 16 bits, or floats in [0, 1], as bytes."""
    if mode.startswith("I;16"):
        return np.round(values * (255 / 65535)).astype(np.uint8)
    if mode == "F" and values.min() >= 0 and values.max() <= 1:
        return np.round(values * 255).astype(np.uint8)
    kind = "floats, which are taken as they are in [0, 1]," if mode == "F" else "32-bit whole numbers"
    raise Unusable(
        f"holds {kind} from {values.min():g} to {values.max():g}, so its white point is unknown; scale it to "
        "[0, 1], or save it with 8 bits"
    )
