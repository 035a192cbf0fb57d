"""Parquet shards as the model hub serves ImageNet: read image by image, in bounded memory; what is broken is named."""

import io
import json
from pathlib import Path

import numpy as np
import pyarrow
import pytest
import torch
from PIL import Image
from pyarrow import parquet

from lgm_core.base.errors import UserError
from lgm_core.base.places import Places
from lgm_core.datasets import parquet_shards
from lgm_core.datasets.catalog import find_row, split_words, status
from lgm_core.datasets.image_set import limit_per_class, load_squares
from lgm_core.datasets.open import open_dataset
from lgm_core.datasets.wordnet import imagenet_wnids

PETS = ["cat, felis", "dog"]


def encoded(value: int) -> bytes:
    """A PNG of one colour."""
    file = io.BytesIO()
    Image.new("RGB", (20, 16), (value, value, value)).save(file, "PNG")
    return file.getvalue()


def write_shards(folder: Path, split: str, labels: list[list[int]], names: list[str], group: int = 3) -> None:
    """A shard for each list of labels, in the hub's layout; the images are numbered by their grey value."""
    features = {"image": {"_type": "Image"}, "label": {"names": names, "_type": "ClassLabel"}}
    about = {b"huggingface": json.dumps({"info": {"features": features}}).encode()}
    image = pyarrow.struct([("bytes", pyarrow.binary()), ("path", pyarrow.string())])
    schema = pyarrow.schema([("image", image), ("label", pyarrow.int64())], metadata=about if names else None)
    (folder / "data").mkdir(parents=True, exist_ok=True)
    number = 0
    for place, own in enumerate(labels):
        images = [{"bytes": encoded(number + i), "path": f"{number + i}.png"} for i in range(len(own))]
        number += len(own)
        path = folder / "data" / f"{split}-{place:05d}-of-{len(labels):05d}.parquet"
        parquet.write_table(pyarrow.table({"image": images, "label": own}, schema=schema), path, row_group_size=group)


@pytest.fixture
def pets(tmp_path: Path) -> Path:
    write_shards(tmp_path / "pets", "train", [[0, 1, 0, 1, 1], [1, 0, 0, 1]], PETS)
    write_shards(tmp_path / "pets", "validation", [[1, 0]], PETS)
    write_shards(tmp_path / "pets", "test", [[-1, -1]], PETS)  # without labels, as ImageNet's
    return tmp_path / "pets"


def test_a_folder_of_shards_is_read_image_by_image(pets):
    train, test = open_dataset(f"folder:{pets}", [])
    assert train.classes == test.classes == ("cat, felis", "dog") and split_words(find_row(f"folder:{pets}")) == ""
    assert train.labels.tolist() == [0, 1, 0, 1, 1, 1, 0, 0, 1] and test.labels.tolist() == [1, 0]
    for index in (8, 0, 5, 4, 3):
        assert train.picture(index).getpixel((0, 0)) == (index,) * 3
    assert train.origin(6) == f"{pets}/data/train-00001-of-00002.parquet, row 1"
    assert load_squares(train, range(9), 16, 16)[:, 0, 0, 0].tolist() == list(range(9))
    few = limit_per_class(train, 2)
    assert [few.picture(i).getpixel((0, 0))[0] for i in range(4)] == few.indices.tolist()


def test_the_fingerprint_knows_the_data_and_not_the_place(pets, tmp_path):
    train = open_dataset(f"folder:{pets}", [])[0]
    first, content = train.fingerprint, train.content
    (tmp_path / "elsewhere").mkdir()
    moved = pets.rename(tmp_path / "elsewhere" / "pets")
    again = open_dataset(f"folder:{moved}", [])[0]
    assert again.fingerprint == first and again.content == content
    shard = moved / "data" / "train-00001-of-00002.parquet"
    whole = shard.read_bytes()
    shard.write_bytes(whole.replace(encoded(7), encoded(7)[:-20] + b"x" + encoded(7)[-19:]))
    again = open_dataset(f"folder:{moved}", [])[0]
    assert shard.read_bytes() != whole and again.fingerprint == first and again.content != content
    shard.write_bytes(whole)
    write_shards(moved, "train", [[1, 0, 0, 1, 1], [1, 0, 0, 1]], PETS)
    assert open_dataset(f"folder:{moved}", [])[0].fingerprint != first


def test_one_row_group_is_read_at_a_time_and_few_are_kept(pets, monkeypatch):
    train, _ = open_dataset(f"folder:{pets}", [])
    shards, read = train.shards, []
    original = shards._read
    monkeypatch.setattr(shards, "_read", lambda *what: read.append(what) or original(*what))
    load_squares(train, range(9), 16, 16, threads=4)
    assert sorted(read) == [(shard, "image.bytes", group) for shard in (0, 1) for group in (0, 1)]
    monkeypatch.setattr(parquet_shards, "_KEPT_BYTES", 0)
    shards._kept.clear()
    for index in (0, 8, 3):
        train.picture(index)
        assert len(shards._kept) == 1  # the newest, whatever it takes


def test_without_metadata_classes_are_numbers(tmp_path):
    for split in ("train", "validation"):
        write_shards(tmp_path / "bare", split, [[0, 1, 2]], [])
    assert open_dataset(f"folder:{tmp_path}/bare", [])[0].classes == ("0", "1", "2")


def test_imagenets_rows_read_the_hubs_layout(tmp_path):
    chosen = find_row("imagenet-cats").options["indices"]
    names = [f"name {number}" for number in range(1000)]
    labels = [*reversed(chosen), 0, 999]  # two belong to no class of the subset
    for split in ("train", "validation"):
        write_shards(tmp_path / "imagenet", split, [labels[:5], labels[5:]], names)
    here = Places(cache=tmp_path, weights=(), datasets=(tmp_path,))
    assert status(find_row("imagenet-cats"), here) == "ready"
    train, test = open_dataset("imagenet-cats", [tmp_path])
    assert train.classes[:3] == ("tabby", "tiger cat", "Persian cat") and len(train) == len(test) == 10
    assert train.labels.tolist() == list(range(9, -1, -1)) and train.name == "imagenet-cats/train"
    assert train.picture(3).getpixel((0, 0)) == (3, 3, 3)
    with pytest.raises(UserError, match="no train image for the class"):
        open_dataset("imagenet-1k", [tmp_path])
    write_shards(tmp_path / "imagenet", "train", [labels[:5], labels[5:]], PETS)
    with pytest.raises(UserError, match="have 2 classes, not the 1000 of ImageNet"):
        open_dataset("imagenet-cats", [tmp_path])
    assert len(imagenet_wnids()) == 1000


@pytest.mark.parametrize(
    ("broken", "says"),
    [
        ("lost", "1 of 2 shards are missing from .*, such as train-00000-of-00002.parquet"),
        ("cut", "train-00000-of-00002.parquet is corrupt"),
        ("columns", "has the columns picture, not image and label"),
        ("no test", "there are no test images .*data/validation-"),
        ("only unlabelled", "images without a label cannot be used"),
        ("labels", "no train image for the class dog"),
    ],
)
def test_what_is_broken_is_named_with_its_remedy(broken, says, pets):
    first = pets / "data" / "train-00000-of-00002.parquet"
    validation = pets / "data" / "validation-00000-of-00001.parquet"
    match broken:
        case "lost":
            first.unlink()
        case "cut":
            first.write_bytes(first.read_bytes()[:200])
        case "columns":
            parquet.write_table(pyarrow.table({"picture": [1]}), first)
        case "no test":
            validation.unlink()
            (pets / "data" / "test-00000-of-00001.parquet").unlink()
        case "only unlabelled":
            validation.unlink()
        case "labels":
            write_shards(pets, "train", [[0, 0], [0, 0]], PETS)
    with pytest.raises(UserError, match=says) as error:
        open_dataset(f"folder:{pets}", [])
    assert "Remedy: " in str(error.value)


def test_an_unreadable_image_is_named_with_its_row(pets):
    image = [{"bytes": value, "path": ""} for value in (encoded(1), b"no image", None)]
    table = pyarrow.table({"image": image, "label": [0, 1, 1]})
    parquet.write_table(table, pets / "data" / "train-00000-of-00002.parquet")
    train, _ = open_dataset(f"folder:{pets}", [])
    assert np.asarray(train.picture(0)).max() == 1 and torch.equal(train.labels[:3], torch.tensor([0, 1, 1]))
    for index in (1, 2):
        with pytest.raises(UserError, match=rf"train-00000-of-00002.parquet, row {index} is corrupt or not an image"):
            train.picture(index)
