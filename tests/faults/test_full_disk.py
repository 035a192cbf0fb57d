"""A disk without room for a memory-mapped file is an error before the work, not a signal in the middle of it."""

import errno
import os
import sys
from pathlib import Path

import numpy as np
import pytest

from lgm_core.backbones.bank_files import create_bank
from lgm_core.base.errors import disk_words
from lgm_core.datasets import fitted
from lgm_core.datasets.fitted import fitted_pixels
from lgm_core.datasets.image_set import ArrayImages

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="reserves room on Linux alone")


@pytest.fixture
def images() -> ArrayImages:
    pixels = np.zeros((600, 40, 40, 3), np.uint8)
    return ArrayImages(name="grey", shards=[pixels], labels=[0] * 600, classes=["a"])


def test_fitted_pixels_have_their_room_before_an_image_is_opened(images: ArrayImages, tmp_path: Path, monkeypatch):
    seen, fit = [], fitted.fit_pixels

    def looked(*arguments):
        (new,) = tmp_path.glob(".*.new")
        seen.append(new.stat().st_blocks * 512)
        return fit(*arguments)

    monkeypatch.setattr(fitted, "fit_pixels", looked)
    assert fitted_pixels(images, 32, tmp_path).shape == (600, 3, 32, 32)
    assert seen[0] >= 600 * 3 * 32 * 32


def test_without_room_it_is_a_sentence_and_nothing_is_left(images: ArrayImages, tmp_path: Path, monkeypatch):
    def full(*_: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "posix_fallocate", full)
    monkeypatch.setattr(fitted, "fit_pixels", lambda *_: pytest.fail("an image was opened"))
    for write in (lambda: fitted_pixels(images, 32, tmp_path), lambda: create_bank(tmp_path / "part", (10, 1, 9))):
        with pytest.raises(OSError, match="No space left") as refused:
            write()
        assert str(tmp_path) in disk_words(refused.value) and "the disk is full" in disk_words(refused.value)
    assert [path.name for path in tmp_path.iterdir()] == ["part"]
