"""Each reader on a small tree in the official layout: whole, with a corrupt image, an empty class, a missing split."""

import shutil
from pathlib import Path

import numpy as np
import pytest
import torch

from lgm_core.base.errors import UserError
from lgm_core.base.places import Places
from lgm_core.datasets import spawrious
from lgm_core.datasets.catalog import find_row, status
from lgm_core.datasets.image_set import FileImages
from lgm_core.datasets.open import open_dataset
from lgm_core.datasets.wordnet import class_names, imagenet_wnids
from tests.trees import CLASSES, TREES, WNIDS, image, split_folders, text, write

FILES = sorted(set(TREES) - {"cifar10", "cifar100", "mnist", "fashion_mnist", "imagenet64"})


@pytest.mark.parametrize("name", TREES)
def test_reads_the_official_layout(name, tmp_path, monkeypatch):
    write(name, tmp_path, monkeypatch)
    row = find_row(name)
    assert status(row, Places(cache=tmp_path, weights=(), datasets=(tmp_path,))) == "ready"
    for images, split in zip(open_dataset(name, [tmp_path / "nothing", tmp_path]), ("train", "test"), strict=True):
        assert images.name == f"{name}/{split}"
        assert len(images.classes) == CLASSES.get(name, 2) == len(set(images.classes))
        assert images.labels.dtype == torch.int64
        assert set(images.labels.tolist()) == set(range(len(images.classes)))
        assert images.picture(0).mode == "RGB"
        if name in ("cifar10", "cifar100", "mnist", "fashion_mnist", "imagenet64"):
            assert images.picture(0).size == (row.side, row.side)
        assert (images.groups is not None) == row.grouped == bool(images.group_names)
        if images.groups is not None:
            assert len(images.groups) == len(images)


@pytest.mark.parametrize("name", TREES)
def test_fingerprint_does_not_know_the_place_but_knows_the_data(name, tmp_path, monkeypatch):
    write(name, tmp_path / "a", monkeypatch)
    shutil.copytree(tmp_path / "a", tmp_path / "b")
    here, there = open_dataset(name, [tmp_path / "a"]), open_dataset(name, [tmp_path / "b"])
    assert [x.fingerprint for x in here] == [x.fingerprint for x in there]
    assert here[0].fingerprint != here[1].fingerprint
    if isinstance(there[0], FileImages):
        image(Path(there[0].origin(0)), seed=9, size=(33, 44))
        assert open_dataset(name, [tmp_path / "b"])[0].fingerprint != here[0].fingerprint


@pytest.mark.parametrize("name", FILES)
@pytest.mark.parametrize("damage", ["garbage", "cut short", "gone"])
def test_a_bad_image_is_named_with_its_remedy(name, damage, tmp_path, monkeypatch):
    write(name, tmp_path, monkeypatch)
    train, _ = open_dataset(name, [tmp_path])
    path = Path(train.origin(0))
    if damage == "gone":
        path.unlink()
    else:
        path.write_bytes(b"<html>404</html>" if damage == "garbage" else path.read_bytes()[:200])
    with pytest.raises(UserError) as error:
        train.picture(0)
    assert str(path) in str(error.value)
    assert ("missing" if damage == "gone" else "corrupt") in str(error.value)
    remedy = f"fetch {name}" if find_row(name).can_be_fetched else "good copy"
    assert remedy in str(error.value)


LOST = [  # what is deleted, what the error must say
    ("imagenette", "imagenette/val", "val/, test/, valid/"),
    ("imagenette", "imagenette/train", "train is missing"),
    ("artbench", "artbench/artbench-10-imagefolder-split/test", "no test split"),
    ("imagenet-cats", "imagenet/val", "no test split"),
    ("tiny_imagenet", "tiny_imagenet/tiny-imagenet-200/val/val_annotations.txt", "val_annotations.txt is missing"),
    ("tiny_imagenet", "tiny_imagenet/tiny-imagenet-200/wnids.txt", "wnids.txt is missing"),
    ("cub2011", "cub2011/CUB_200_2011/train_test_split.txt", "train_test_split.txt is missing"),
    ("stanforddogs", "stanforddogs/test_list.mat", "test_list.mat is missing"),
    ("spawrious", "spawrious/spawrious224/1", "spawrious224/1/"),
    ("food101", "food101/food-101/meta/test.json", "meta/test.json is missing"),
    ("flowers102", "flowers102/flowers-102/setid.mat", "setid.mat is missing"),
    ("aircraft", "aircraft/fgvc-aircraft-2013b/data/images_variant_test.txt", "images_variant_test.txt is missing"),
    ("cifar10", "cifar10/cifar-10-batches-py/test_batch", "test_batch is missing"),
    ("cifar100", "cifar100/cifar-100-python/test", "test is missing"),
    ("mnist", "mnist/MNIST/raw/t10k-images-idx3-ubyte", "raw/t10k-images-idx3-ubyte is missing"),
    ("fashion_mnist", "fashion_mnist/FashionMNIST/raw/t10k-labels-idx1-ubyte", "raw/t10k-labels-idx1-ubyte is missing"),
    ("imagenet64", "imagenet64/val_data.npz", "val_data.npz missing"),
    ("imagenet64", "imagenet64/train_data_batch_7.npz", "train_data_batch_7.npz missing"),
    ("imagenette", "imagenette/train/n02102040", "n02102040"),
    ("imagenet-cats", "imagenet/train/n02123045", "n02123045 is missing"),
    ("tiny_imagenet", "tiny_imagenet/tiny-imagenet-200/train/n02102040", "n02102040/images is missing"),
    ("spawrious", "spawrious/spawrious224/0/beach/corgi", "0/beach/corgi"),
]  # fmt: skip


@pytest.mark.parametrize(("name", "lost", "says"), LOST)
def test_what_is_missing_is_named_with_its_remedy(name, lost, says, tmp_path, monkeypatch):
    write(name, tmp_path, monkeypatch)
    path = tmp_path / lost
    if path.is_dir():
        shutil.rmtree(path)
    else:
        path.unlink()
    with pytest.raises(UserError) as error:
        open_dataset(name, [tmp_path])
    assert says in str(error.value)
    assert "Remedy: " in str(error.value)


AIRCRAFT_TEST = "fgvc-aircraft-2013b/data/images_variant_test.txt"
TINY_TEST = "tiny-imagenet-200/val/val_annotations.txt"
EMPTIED = [  # a file, what replaces a piece of it, what the error must say
    ("cub2011", "CUB_200_2011/train_test_split.txt", "6 0", "6 1", "no test image for the class 002.Laysan_Albatross"),
    ("waterbirds", "waterbirds_v1.0/metadata.csv", ",2,", ",1,", "no test image for the class landbird"),
    ("tiny_imagenet", TINY_TEST, WNIDS[1], WNIDS[0], f"no test image for the class {WNIDS[1]}"),
    ("food101", "food-101/meta/train.json", '["waffles/00", "waffles/01"]', "[]", "no train image for the class waff"),
    ("aircraft", AIRCRAFT_TEST, "Tu 134", "707-320", "no test image for the class Tu 134"),
    ("cub2011", "CUB_200_2011/image_class_labels.txt", "6 2", "6 7", "the class '7'"),
    ("cub2011", "CUB_200_2011/images.txt", "1 001", "1_001", "line 1 of images.txt"),
    ("food101", "food-101/meta/train.json", "{", "", "corrupt"),
    ("waterbirds", "waterbirds_v1.0/metadata.csv", "place,", "spot,", "no column 'place'"),
    ("imagenet64", "map_clsloc.txt", " 2 ", " 3 ", "map_clsloc.txt does not number"),
]


@pytest.mark.parametrize(("name", "file", "old", "new", "says"), EMPTIED)
def test_an_empty_class_or_a_broken_list_is_named(name, file, old, new, says, tmp_path, monkeypatch):
    write(name, tmp_path, monkeypatch)
    path = tmp_path / name / file
    assert old in path.read_text()
    path.write_text(path.read_text().replace(old, new))
    with pytest.raises(UserError) as error:
        open_dataset(name, [tmp_path])
    assert says in str(error.value)
    assert "Remedy: " in str(error.value)


@pytest.mark.parametrize("name", ["cifar10", "flowers102", "mnist", "imagenet64", "stanforddogs"])
def test_a_corrupt_list_or_batch_is_named(name, tmp_path, monkeypatch):
    write(name, tmp_path, monkeypatch)
    file = {
        "cifar10": "cifar-10-batches-py/data_batch_3",
        "flowers102": "flowers-102/setid.mat",
        "mnist": "MNIST/raw/train-images-idx3-ubyte",
        "imagenet64": "train_data_batch_3.npz",
        "stanforddogs": "train_list.mat",
    }[name]
    path = tmp_path / name / file
    path.write_bytes(path.read_bytes()[:60])
    with pytest.raises(UserError, match="corrupt") as error:
        open_dataset(name, [tmp_path])
    assert path.name.split("-idx")[0] in str(error.value)


def test_an_empty_class_folder_is_named(tmp_path):
    split_folders(tmp_path / "mine", ("cats", "dogs"))
    for file in (tmp_path / "mine" / "val" / "dogs").iterdir():
        file.unlink()
    with pytest.raises(UserError, match="mine/val/dogs has no images"):
        open_dataset(f"folder:{tmp_path}/mine", [])


def test_a_class_only_in_the_test_split_is_named(tmp_path):
    split_folders(tmp_path / "mine", ("cats", "dogs"))
    image(tmp_path / "mine" / "val" / "birds" / "a.jpg")
    with pytest.raises(UserError, match="val/birds is a class that"):
        open_dataset(f"folder:{tmp_path}/mine", [])


@pytest.mark.parametrize("test_split", ["val", "test", "valid", "validation"])
def test_folder_of_class_folders(test_split, tmp_path):
    split_folders(tmp_path / "mine", ("dogs", "cats"), ("train", test_split))
    text(tmp_path / "mine" / "train" / "cats" / "README.md", ["no image"])
    (tmp_path / "mine" / "train" / ".cache").mkdir()
    image(tmp_path / "mine" / "train" / "cats" / "._cats_0.jpg")
    train, test = open_dataset(f"folder:{tmp_path}/mine", [])
    assert train.classes == ("cats", "dogs")
    assert (len(train), len(test), train.name) == (4, 4, "folder:mine/train")


@pytest.mark.parametrize("name", ["imagenette", "tiny_imagenet"])
def test_labels_follow_the_sorted_wnids_and_names_are_readable(name, tmp_path):
    TREES[name](tmp_path)
    train, _ = open_dataset(name, [tmp_path])
    assert train.classes[:2] == ("tench", "English springer")
    assert WNIDS[1] in train.origin(int((train.labels == 1).nonzero()[0]))


def test_imagenet_subset_keeps_the_order_of_its_indices(tmp_path):
    TREES["imagenet-cats"](tmp_path)
    train, test = open_dataset("imagenet-cats", [tmp_path])
    assert train.classes[:3] == ("tabby", "tiger cat", "Persian cat")
    assert len(train) == len(test) == 10  # the eleventh folder belongs to no class of the subset


def test_a_name_shared_by_two_wnids_carries_its_wnid():
    names = class_names(imagenet_wnids())
    assert len(set(names)) == len(names) == 1000
    assert "crane (n02012849)" in names


def test_spawrious_counts_are_the_official_ones():
    row = find_row("spawrious")
    assert spawrious.TYPICAL == {"0": 3072, "1": 2756}  # noqa: SIM300
    assert row.train == 4 * spawrious.PER_FOLDER * 2 == row.test
    assert not {(breed, place) for breed, place in spawrious.TRAIN_AT.items()} & set(spawrious.TEST_AT.items())


def test_spawrious_limits_each_folder(tmp_path, monkeypatch):
    TREES["spawrious"](tmp_path)
    folder = tmp_path / "spawrious" / "spawrious224" / "0" / "beach" / "corgi"
    for i in range(1, 200):
        shutil.copy(folder / "corgi_0.png", folder / f"corgi_{i}.png")
    train, _ = open_dataset("spawrious", [tmp_path])
    beach = spawrious.BREEDS.index("corgi") * len(spawrious.LOCATIONS) + spawrious.LOCATIONS.index("beach")
    assert int((train.groups == beach).sum()) == 3168 - 3072 + 1  # and the one of the other environment
    assert train.group_names[beach] == "corgi in beach"


def test_waterbirds_groups_are_bird_by_place(tmp_path):
    TREES["waterbirds"](tmp_path)
    train, test = open_dataset("waterbirds", [tmp_path])
    assert (len(train), len(test)) == (4, 4)  # the validation split is left out
    assert train.groups is not None and train.groups.tolist() == [0, 2, 1, 3]
    assert train.group_names[1] == "landbird on water"


def test_imagenet64_labels_are_put_into_the_usual_order(tmp_path):
    TREES["imagenet64"](tmp_path)
    train, test = open_dataset("imagenet64", [tmp_path])
    assert train.classes == ("tench", "English springer")
    assert train.labels[:2].tolist() == [1, 0]  # the file says 1, 2 and lists English springer first
    for index in (0, 3, 19):
        assert train.picture(index).getpixel((5, 5)) == (201 + index // 2, 1 + index // 2, 1 + index // 2)
    assert test.picture(0).getpixel((5, 5)) == (211, 11, 11)


def test_imagenet64_unpickles_nothing(tmp_path):
    TREES["imagenet64"](tmp_path)
    bad = np.empty(2, dtype=object)
    np.savez(tmp_path / "imagenet64" / "val_data.npz", data=bad, labels=bad)
    with pytest.raises(UserError, match="val_data.npz is corrupt"):
        open_dataset("imagenet64", [tmp_path])


def test_cifar10_is_found_as_folders_too(tmp_path):
    split_folders(tmp_path / "cifar10", ("airplane", "cat"), ("train", "test"))
    train, test = open_dataset("cifar10", [tmp_path])
    assert train.classes == ("airplane", "cat") and len(test) == 4
