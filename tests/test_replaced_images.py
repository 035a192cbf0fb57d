"""An image that is replaced by another one of the same size and name: nothing that was made of the old one is used."""

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from lgm_core.analysis.thumbnails import Thumbnails
from lgm_core.base.places import Places
from lgm_core.datasets.fitted import fitted_pixels
from lgm_core.datasets.open import open_dataset
from lgm_core.datasets.whitened import open_whitened
from lgm_core.engine import start, work
from lgm_core.presets import change, preset
from tests.one_thread import one_thread  # noqa: F401 (a fixture)


def picture(path: Path, seed: int) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.random.default_rng(seed).integers(0, 256, (8, 8, 3), dtype=np.uint8)).save(path)


@pytest.fixture
def spots(tmp_path: Path) -> Path:
    """Two classes of 15 pictures, each a file of as many bytes."""
    for split, count in (("train", 12), ("val", 3)):
        for i in range(2 * count):
            picture(tmp_path / "spots" / split / "ab"[i % 2] / f"{i:02}.bmp", i)
    return tmp_path / "spots"


def replace_one(folder: Path) -> None:
    path = folder / "train" / "a" / "00.bmp"
    before = path.stat().st_size
    picture(path, 99)
    assert path.stat().st_size == before


def opened(folder: Path) -> tuple:
    return open_dataset(f"folder:{folder}", [])


def test_fitted_pixels_and_what_was_learned_from_them_are_computed_again(spots: Path, tmp_path: Path, caplog):
    def real():
        return open_whitened(*opened(spots), side=4, channels=3, kind="zca", cache=tmp_path / "cache")

    before, again = real(), real()
    assert torch.equal(before.train.values(torch.arange(24)), again.train.values(torch.arange(24))) and not caplog.text
    replace_one(spots)
    after = real()
    assert "is of images that have changed since; recomputing it" in caplog.text
    changed = (before.train.pixels != after.train.pixels).flatten(1).any(1)
    assert changed.tolist() == [True] + 23 * [False] and torch.equal(before.test.pixels, after.test.pixels)
    fresh = open_whitened(*opened(spots), side=4, channels=3, kind="zca", cache=tmp_path / "other")
    assert torch.equal(after.train.values(torch.arange(24)), fresh.train.values(torch.arange(24)))


def test_fitted_pixels_of_before_this_was_noted_are_taken_as_they_are(spots: Path, tmp_path: Path):
    train, _ = opened(spots)
    fitted_pixels(train, 4, tmp_path / "cache")
    (seal,) = (tmp_path / "cache").glob("*.json")
    seal.write_text(seal.read_text().replace('"content"', '"unknown"'))
    (kept,) = (tmp_path / "cache").glob("*.npy")
    made = kept.stat().st_ino
    fitted_pixels(train, 4, tmp_path / "cache")
    assert kept.stat().st_ino == made


def test_thumbnails_are_drawn_again(spots: Path, tmp_path: Path):
    def drawn() -> bytes:
        thumbnails = Thumbnails(opened(spots)[0], "spots", "train", tmp_path / "thumbs")
        thumbnails.begin()
        assert not thumbnails.is_drawing(wait=60.0)
        return (thumbnails.index_file.parent / "0000.webp").read_bytes()

    before = drawn()
    assert drawn() == before
    replace_one(spots)
    after = drawn()
    assert after != before and drawn() == after


@pytest.mark.parametrize("trained_here", [1, 0])
def test_teachers_and_experts_are_trained_again(trained_here: int, spots: Path, here: Places, quick_network: str):
    """By the images alone: raw targets have no measured length and centre that would tell."""
    teacher = "conv:batch" if trained_here else quick_network
    config = preset(
        "mkdt_preview", dataset=f"folder:{spots}", name="one", steps=1, images_per_class=1, label_fraction=(0.5,),
        device={"threads": 1, "device": "cpu"}, scratch={"resolution": 8, "width": 4}, live={"times": 0},
        pretrain={"teacher": teacher, "teacher_steps": 2, "seeds": 1, "steps": 3, "learning_rate": 0.1,
                  "scale": "raw"},
        mkdt={"experts": 1, "student_steps": 2, "batch": 5, "expert_batch": 12, "rate": 0.1, "target_rate": 1.0},
    )  # fmt: skip

    def kept(name: str) -> list[int]:
        run = start(change(config, {"name": name}), here)
        assert work(run, here) == "finished", run.log_tail()
        teachers = here.cache.glob("teachers/*.safetensors")
        return [len([*found]) for found in (teachers, (here.cache / "trajectories").iterdir())]

    assert kept("one") == kept("two") == [trained_here, 1]
    replace_one(spots)
    assert kept("three") == [2 * trained_here, 2]
