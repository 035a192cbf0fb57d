"""A full disk is a sentence, and whoever makes room goes on.

Without room for a memory-mapped file it is an error before the work, not a signal in the middle of it.
"""

import errno
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from lgm_core.backbones.bank_files import create_bank
from lgm_core.base.errors import disk_words
from lgm_core.base.files import append_line, replacing
from lgm_core.datasets import fitted
from lgm_core.datasets.fitted import fitted_pixels
from lgm_core.datasets.image_set import ArrayImages
from tests.faults import full_disk

ROOT = Path(__file__).parents[2]
SLOW = pytest.mark.slow
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


def test_a_refused_write_names_its_file(tmp_path: Path):
    """`/dev/full` refuses what is written to it, and the system does not say where."""

    def written_anew() -> None:
        with replacing(tmp_path / "a.json") as new:
            new.symlink_to("/dev/full")
            new.write_text("{}")

    (tmp_path / "a.jsonl").symlink_to("/dev/full")
    for name, write in (("a.json", written_anew), ("a.jsonl", lambda: append_line(tmp_path / "a.jsonl", {"step": 1}))):
        with pytest.raises(OSError, match="No space left") as refused:
            write()
        assert f"the disk is full ({tmp_path / name})" in disk_words(refused.value)
    assert [path.name for path in tmp_path.iterdir()] == ["a.jsonl"]


@pytest.mark.skipif(not full_disk.may_mount(), reason=full_disk.WITHOUT)
@pytest.mark.parametrize("kind", full_disk.KINDS)
@SLOW
def test_a_disk_that_stays_full_is_told_by_all_and_with_room_the_same_command_goes_on(kind: str, tmp_path: Path):
    options = ["--kinds", kind, "--shares", "0.1", "0.3", "0.6", "--folder", str(tmp_path)]
    done = subprocess.run(
        [sys.executable, "-m", "tests.faults.full_disk", *options],
        cwd=ROOT, env=os.environ | {"OMP_NUM_THREADS": "1"}, capture_output=True, text=True, timeout=600,
    )  # fmt: skip
    assert done.returncode == 0 and done.stdout.endswith("0 failures\n"), done.stdout + done.stderr[-2000:]
