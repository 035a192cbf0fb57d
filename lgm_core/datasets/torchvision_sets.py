"""Data sets that torchvision has a reader for. Labels come from its lists; no image is decoded here.

The CIFAR batches are pickles: torchvision opens them only after their MD5 sums match the official ones.

>>> train, test = read_listed(find_row("flowers102"), Path("/data/flowers102/flowers-102"))
>>> len(train), train.classes[0]
(1020, 'pink primrose')
"""

import warnings
from pathlib import Path

import numpy as np
import torchvision.datasets as official
from torchvision.datasets.utils import check_integrity

from lgm_core.base.interfaces import ImageSet
from lgm_core.datasets.catalog import DatasetRow
from lgm_core.datasets.folders import read_split_folders
from lgm_core.datasets.image_set import ArrayImages
from lgm_core.datasets.listings import incomplete, listed_split, require_all_classes, require_files

LISTS = {  # what must be there, below the folder, before torchvision is asked
    "Food101": ("images", "meta/train.json", "meta/test.json"),
    "Flowers102": ("jpg", "imagelabels.mat", "setid.mat"),
    "FGVCAircraft": (
        "data/images",
        "data/variants.txt",
        *(f"data/images_variant_{s}.txt" for s in ("trainval", "test")),
    ),
}


def read_listed(row: DatasetRow, folder: Path) -> tuple[ImageSet, ImageSet]:
    """Sets of image files with lists: Food-101, Flowers-102, Aircraft; `row.options["splits"]` names train and test."""
    require_files(row, folder, LISTS[row.torchvision])
    splits = []
    for split, theirs in zip(("train", "test"), row.options["splits"], strict=True):  # type: ignore[call-overload]
        try:
            listed = getattr(official, row.torchvision)(folder.parent, split=theirs)
        except (RuntimeError, ValueError, KeyError, OSError) as error:
            lists = ", ".join(LISTS[row.torchvision][1:])
            raise incomplete(row, folder, f"one of {lists} is corrupt ({error})") from error
        # these three classes keep their lists in the same two attributes
        files, labels = [Path(file).relative_to(folder).as_posix() for file in listed._image_files], listed._labels
        titles = [name.replace("_", " ") for name in listed.classes]
        splits.append(listed_split(row, folder, split, files, labels, listed.classes, classes=titles))
    return splits[0], splits[1]


def read_cifar(row: DatasetRow, folder: Path) -> tuple[ImageSet, ImageSet]:
    """CIFAR-10 or -100: the official python batches, or the same images as class folders (train/<class>/*.jpg)."""
    if (folder / "train").is_dir():
        return read_split_folders(row, folder)
    cifar = getattr(official, row.torchvision)
    parts = [*cifar.train_list, *cifar.test_list, (cifar.meta["filename"], cifar.meta["md5"])]
    require_files(row, folder, [name for name, _ in parts])
    for name, md5 in parts:
        if not check_integrity(folder / name, md5):
            raise incomplete(row, folder, f"{name} is corrupt (its MD5 sum is not {md5})")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the batches of 2009 were pickled in a way that numpy 2.4 deprecates
        train, test = cifar(folder.parent, train=True), cifar(folder.parent, train=False)
    return (
        _arrays(row, "train", train.data, np.asarray(train.targets), train.classes),
        _arrays(row, "test", test.data, np.asarray(test.targets), test.classes),
    )


def read_mnist(row: DatasetRow, folder: Path) -> tuple[ImageSet, ImageSet]:
    """MNIST or Fashion-MNIST: raw/*-ubyte, unpacked. Raises `UserError` naming the files of a corrupt split."""
    mnist = getattr(official, row.torchvision)
    require_files(row, folder, [f"raw/{name.removesuffix('.gz')}" for name, _ in mnist.resources])
    splits = []
    for split, prefix in (("train", "train"), ("test", "t10k")):
        try:
            read = mnist(folder.parent, train=split == "train")
        except (AssertionError, ValueError, TypeError, RuntimeError, IndexError, OSError) as error:
            raise incomplete(row, folder, f"raw/{prefix}-images or raw/{prefix}-labels is corrupt ({error})") from error
        if len(read.data) != len(read.targets):
            raise incomplete(row, folder, f"raw/{prefix}-labels has {len(read.targets)} labels, not {len(read.data)}")
        require_all_classes(row, folder, read.targets.tolist(), read.classes, split)
        splits.append(_arrays(row, split, read.data.numpy(), read.targets.numpy(), read.classes))
    return splits[0], splits[1]


def _arrays(row: DatasetRow, split: str, data: np.ndarray, labels: np.ndarray, classes: list[str]) -> ArrayImages:
    names = [name.split(" - ")[-1].replace("_", " ") for name in classes]  # "0 - zero" is MNIST's way
    return ArrayImages(name=f"{row.name}/{split}", shards=[data], labels=labels, classes=names)
