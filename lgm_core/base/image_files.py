"""Image files from anywhere, opened with care: known formats, regular files, so many pixels at most; turned upright.

>>> with open_image(Path("photo.jpg")) as image:
...     image.load()
>>> with open_image(Path("scan.png")) as image:
...     ...
Unusable: has 20000 x 20000 pixels, and 80 million are the limit; scale it down
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from io import BytesIO
from pathlib import Path

from PIL import Image

FORMATS = ("JPEG", "PNG", "BMP", "WEBP", "GIF", "PPM", "TIFF")  # each is decoded by Pillow's own code or a codec of it
MOST_PIXELS = 80_000_000  # 240 MB as RGB; below the size from which Pillow itself warns


class Unusable(ValueError):
    """Why a file cannot be used as an image, in words that go on from its name: "is no image (...)"."""


@contextmanager
def open_image(file: Path | BytesIO, formats: Sequence[str] = FORMATS) -> Iterator[Image.Image]:
    """An image file whose pixels are not decoded yet, as `PIL.Image.open`. Raises `Unusable` for whatever goes wrong,
    here or while the pixels are read in the `with` block.

    The content decides on the format, not the suffix; one that is not in `formats`, such as EPS, for which Pillow would
    start another program, is no image.
    """
    if isinstance(file, Path) and not file.is_file():
        raise Unusable("is not a regular file" if file.exists() else "is listed but missing")
    try:
        with Image.open(file, formats=list(formats)) as image:
            _require_few(image.size)
            yield image
    except Unusable:
        raise
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise Unusable(f"has far more pixels than the limit of {MOST_PIXELS // 10**6} million") from error
    except Exception as error:  # a decoder that meets garbage raises whatever it likes
        raise Unusable(f"is corrupt or not an image ({error or type(error).__name__})") from error


def orientation(image: Image.Image) -> int:
    """How the camera was held, as EXIF numbers it: 1 is upright, 5 to 8 are quarter turns. Unreadable EXIF says 1."""
    try:
        found = image.getexif().get(0x0112, 1)
    except Exception:  # the picture itself may be whole
        return 1
    return found if found in range(1, 9) else 1


def upright(image: Image.Image) -> Image.Image:
    """The image turned as its orientation says."""
    way = _WAYS.get(orientation(image))
    return image if way is None else image.transpose(way)


_T = Image.Transpose
_WAYS = {
    2: _T.FLIP_LEFT_RIGHT, 3: _T.ROTATE_180, 4: _T.FLIP_TOP_BOTTOM, 5: _T.TRANSPOSE, 6: _T.ROTATE_270,
    7: _T.TRANSVERSE, 8: _T.ROTATE_90,
}  # fmt: skip


def _require_few(size: tuple[int, int]) -> None:
    if size[0] * size[1] > MOST_PIXELS:
        limit = f"the limit is {MOST_PIXELS // 10**6} million"
        raise Unusable(f"has {size[0]} x {size[1]} pixels, and {limit}; scale it down")
