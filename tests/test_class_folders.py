"""A plain folder of class folders: split by a seed, the same everywhere, and said wherever the data set is named."""

import logging
import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from lgm_core.base.errors import UserError
from lgm_core.cli.main import main
from lgm_core.datasets.catalog import find_row, split_words
from lgm_core.datasets.open import open_dataset
from lgm_core.engine import work
from lgm_core.reports.card import card
from lgm_core.runs.start import start
from tests.app import open_page
from tests.trees import image, split_folders

SPLIT = "20 % of each class are kept for testing, chosen by seed 0"


@pytest.fixture
def pets(tmp_path: Path) -> Path:
    """Ten cats, three dogs."""
    for name, count in (("cats", 10), ("dogs", 3)):
        for i in range(count):
            image(tmp_path / "pets" / name / f"{name}_{i}.jpg", i, size=(40, 32))
    return tmp_path / "pets"


def files(images) -> set[str]:
    return set(images.files)


def test_each_class_is_split_alike_the_same_everywhere_and_apart_from_other_classes(pets, tmp_path):
    train, test = open_dataset(f"folder:{pets}", [])
    assert train.classes == test.classes == ("cats", "dogs")
    assert train.labels.bincount().tolist() == [8, 2] and test.labels.bincount().tolist() == [2, 1]
    assert not files(train) & files(test)
    assert files(test) == {"cats/cats_2.jpg", "cats/cats_6.jpg", "dogs/dogs_0.jpg"}  # the same for ever
    assert train.name == "folder:pets/train:80-percent-seed-0" and SPLIT in split_words(find_row(f"folder:{pets}"))
    shutil.copytree(pets, tmp_path / "elsewhere" / "pets")
    again = open_dataset(f"folder:{tmp_path}/elsewhere/pets", [])
    assert [images.fingerprint for images in again] == [train.fingerprint, test.fingerprint]
    for i in range(5):
        image(pets / "birds" / f"{i}.jpg", i)
    more, _ = open_dataset(f"folder:{pets}", [])
    assert {file for file in files(more) if not file.startswith("birds")} == files(train)


def test_a_folder_with_a_split_of_its_own_keeps_it(tmp_path):
    split_folders(tmp_path / "mine", ("cats", "dogs"))
    train, test = open_dataset(f"folder:{tmp_path}/mine", [])
    assert (train.name, len(train), len(test)) == ("folder:mine/train", 4, 4)
    assert split_words(find_row(f"folder:{tmp_path}/mine")) == split_words(find_row("scenes")) == ""


def test_images_of_one_class_alone_are_not_learned(pets, here, small_run):
    shutil.rmtree(pets / "dogs")
    run = start(replace(small_run, dataset=f"folder:{pets}"), here)
    with pytest.raises(UserError, match="has one class, cats, but .* needs two classes or more"):
        work(run, here)
    assert run.status().state == "failed" and run.metrics() == []


def test_what_cannot_be_split_is_named(pets, tmp_path):
    for i in range(2):
        (pets / "dogs" / f"dogs_{i}.jpg").unlink()
    with pytest.raises(UserError, match="pets/dogs has one image, but a split needs two. Remedy: "):
        open_dataset(f"folder:{pets}", [])
    (pets / "dogs" / "dogs_2.jpg").unlink()
    with pytest.raises(UserError, match="pets/dogs has no images"):
        open_dataset(f"folder:{pets}", [])
    (tmp_path / "bare").mkdir()
    with pytest.raises(UserError, match="bare is incomplete: it has neither train and test folders nor class folders"):
        open_dataset(f"folder:{tmp_path}/bare", [])


def test_an_unreadable_image_is_named(pets):
    train, _ = open_dataset(f"folder:{pets}", [])
    (pets / train.files[0]).write_bytes(b"no image")
    with pytest.raises(UserError, match=f"{train.files[0]} is corrupt or not an image"):
        train.picture(0)


def test_the_split_is_said_in_the_log_by_show_and_in_the_card(pets, small_run, here, capsys, monkeypatch, caplog):
    caplog.set_level(logging.INFO, "lgm")
    monkeypatch.setenv("LGM_CACHE", str(here.cache))
    run = start(replace(small_run, dataset=f"folder:{pets}", name="pets", steps=18, evaluate_on=()), here)
    assert work(run, here) == "finished"
    words = f"folder:{pets}: 5 training and 3 test images"  # three of each class at most
    assert main(["show", "pets"]) == 0
    for told in (run.log_tail(100), card(run), " ".join(capsys.readouterr().out.split())):
        assert words in told and SPLIT in told
    few = "data.train_per_class is 3; 1 of 2 classes have fewer images (the smallest 2), and are used whole"
    assert few in run.log_tail(100)
    shutil.rmtree(pets / "dogs")
    for i in range(4):
        image(pets / "dogs" / f"{i}.jpg", i)
    run.checkpoint.unlink()
    work(run, here)
    assert any("the images have changed since" in note for note in run.status().notes)


def test_launch_says_how_a_folder_is_split(pets, here, monkeypatch):
    for name, value in (("LGM_CACHE", str(here.cache)), ("LGM_WEIGHTS", ""), ("LGM_DATASETS", "")):
        monkeypatch.setenv(name, value)
    test = open_page("launch", dataset=f"folder:{pets}", preset="preview")
    assert not test.exception
    assert any(SPLIT in caption.value.replace("\\", "") for caption in test.caption)
