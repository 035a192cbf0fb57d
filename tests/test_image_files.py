"""Image files from anywhere: what is no image, is too large, is no file, or lies on its side."""

import os
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, features

from lgm_core.base.errors import DamagedFile, UserError
from lgm_core.base.image_files import FORMATS, MOST_PIXELS
from lgm_core.datasets.catalog import find_row
from lgm_core.datasets.decoding import decoded
from lgm_core.datasets.folders import SUFFIXES
from lgm_core.datasets.given import count_and_digest
from lgm_core.datasets.image_set import FileImages, load_squares
from lgm_core.datasets.listings import listed_split
from lgm_core.runs.frames import open_frame

EPS = b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 8 8\n%%EndComments\nshowpage\n%%EOF\n"


def _why(file: Path | BytesIO) -> str:
    with pytest.raises(UserError) as found:
        decoded(file, "x.png", "replace it", None)
    return str(found.value)


def test_our_suffixes_are_the_formats_that_are_opened(tmp_path: Path):
    assert features.check("webp")
    for suffix in SUFFIXES:
        Image.new("RGB", (8, 8), "red").save(tmp_path / f"a{suffix}")
        assert decoded(tmp_path / f"a{suffix}", "a", "", None)[0].size == (8, 8)
    assert {Image.registered_extensions()[suffix] for suffix in SUFFIXES} == set(FORMATS)


def test_another_program_is_never_started_whatever_the_suffix(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    from PIL import EpsImagePlugin

    monkeypatch.setattr(EpsImagePlugin, "Ghostscript", lambda *_, **__: pytest.fail("Ghostscript was called"))
    (tmp_path / "x.png").write_bytes(EPS)
    for file in (tmp_path / "x.png", BytesIO(EPS)):
        assert "is corrupt or not an image (cannot identify" in _why(file)


def test_a_pipe_a_device_and_a_folder_are_no_images(tmp_path: Path):
    os.mkfifo(tmp_path / "pipe.png")
    (tmp_path / "folder.png").mkdir()
    (tmp_path / "link.png").symlink_to("/dev/zero")
    for name in ("pipe.png", "folder.png", "link.png"):
        assert "x.png is not a regular file" in _why(tmp_path / name)
    assert "is listed but missing" in _why(tmp_path / "gone.png")
    for name in ("a", "b"):
        (tmp_path / "set" / name).mkdir(parents=True)
    os.mkfifo(tmp_path / "set" / "a" / "pipe.png")
    with pytest.raises(UserError, match=r"pipe.png is a pipe, not a regular file; replace it"):
        count_and_digest(tmp_path / "set")


@pytest.mark.parametrize("side", [9000, 12000, 30000])
def test_the_limit_of_pixels_is_said(side: int, tmp_path: Path):
    """Also where Pillow would only warn (12,000 x 12,000), or refuse in other words."""
    file = tmp_path / "bomb.png"
    Image.new("1", (side, side)).save(file)
    assert side * side > MOST_PIXELS and file.stat().st_size < 200_000
    assert "80 million" in _why(file) and "limit" in _why(file)


@pytest.mark.parametrize("suffix", [".jpg", ".png", ".webp", ".tiff"])
@pytest.mark.parametrize("way", range(1, 9))
def test_the_way_the_camera_was_held_is_honoured(way: int, suffix: str, tmp_path: Path):
    """Against Pillow's own `exif_transpose`."""
    from PIL import ImageOps

    values = np.kron(np.arange(6, dtype=np.uint8).reshape(2, 3) * 40, np.ones((32, 32), np.uint8))
    exif = Image.Exif()
    exif[0x0112] = way
    Image.fromarray(values).convert("RGB").save(tmp_path / f"a{suffix}", exif=exif, quality=95)
    with Image.open(tmp_path / f"a{suffix}") as image:
        expected = np.asarray(ImageOps.exif_transpose(image))
    found, size = decoded(tmp_path / f"a{suffix}", "a", "", None)
    assert found.size == size == ((64, 96) if way > 4 else (96, 64)) and (np.asarray(found) == expected).all()
    images = FileImages(name="x", folder=tmp_path, files=[f"a{suffix}"], labels=[0], classes="c")
    corner = load_squares(images, [0], resize=16, crop=16)[0, 0, 2, 2]
    assert abs(int(corner) - int(expected[4, 4 + (16 if way <= 4 else 0), 0])) < 6


@pytest.mark.parametrize(
    "junk", [b"", b"\x89PNG\r\n\x1a\n", b"II*\0" + b"\xff" * 40, b"P6\n99999999999999999999 1\n255\n"]
)
def test_garbage_is_a_sentence(junk: bytes):
    assert "It cannot be used: replace it" in _why(BytesIO(junk))


@pytest.mark.filterwarnings("ignore:Corrupt EXIF data")
def test_unreadable_exif_costs_no_image(tmp_path: Path):
    Image.new("RGB", (8, 8)).save(tmp_path / "a.jpg", exif=b"Exif\0\0II*\0\x08\0\0\0\xff\xff" + b"\xff" * 30)
    assert decoded(tmp_path / "a.jpg", "a", "", None)[0].size == (8, 8)


def test_a_frame_is_a_webp_of_its_run_and_no_link(tmp_path: Path):
    frames = tmp_path / "run" / "frames"
    frames.mkdir(parents=True)
    Image.new("RGB", (8, 8)).save(tmp_path / "secret.webp")
    (frames / "a.webp").symlink_to(tmp_path / "secret.webp")
    Image.new("RGB", (8, 8)).save(frames / "b.webp", format="PNG")
    for name, words in (("a.webp", "is a link"), ("b.webp", "is corrupt or not an image"), ("c.webp", "is listed but")):
        with pytest.raises(DamagedFile, match=f"run: the picture frames/{name} {words}"):
            open_frame(frames, {"file": name})


@pytest.mark.parametrize("name", ["../secret.png", "/etc/passwd", "a/../../b.png", "a\0.png"])
def test_a_list_of_images_leads_nowhere_else(name: str, tmp_path: Path):
    with pytest.raises(UserError, match="its list names .* which is not a file in it"):
        listed_split(find_row("cub2011"), tmp_path, "train", [name], [0], ["a"], classes=["a"])
    listed_split(find_row("cub2011"), tmp_path, "train", ["a..b/c.png"], [0], ["a"], classes=["a"])
