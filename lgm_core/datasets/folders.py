"""Folders of class folders: ROOT/train/<class>/*.jpg and ROOT/val/<class>/*.jpg, or ROOT/<class>/*.jpg alone.

>>> train, test = read_split_folders(find_row("imagenette"), Path("/data/imagenette"))
>>> train.classes[:2]
('tench', 'English springer')
"""

import hashlib
import os
from collections.abc import Sequence
from pathlib import Path

from lgm_core.datasets.catalog import SPLIT_SEED, TEST_PERCENT, TEST_SPLITS, DatasetRow, has_splits
from lgm_core.datasets.image_set import FileImages
from lgm_core.datasets.listings import incomplete, listed_split
from lgm_core.datasets.wordnet import class_names, imagenet_wnids

SUFFIXES = (".jpg", ".jpeg", ".png", ".bmp", ".webp", ".gif", ".ppm", ".tif", ".tiff")


def read_folder(row: DatasetRow, folder: Path) -> tuple[FileImages, FileImages]:
    """Train and test images of a user's own folder: with splits, or class folders alone, which are split here."""
    return read_split_folders(row, folder) if has_splits(folder) else split_class_folders(row, folder)


def split_class_folders(row: DatasetRow, folder: Path) -> tuple[FileImages, FileImages]:
    """ROOT/<class>/*.jpg: of each class, `TEST_PERCENT` are for testing (at least one image), chosen by `SPLIT_SEED`.

    Each file has a number of its own, a hash of its name, and the smallest are for testing: a class that is added
    changes nothing for the others. Raises `UserError` that names a class with fewer than two images.
    """
    classes = subfolders(folder)
    if not classes:
        raise incomplete(row, folder, "it has neither train and test folders nor class folders")
    parts: dict[str, tuple[list[str], list[int]]] = {"train": ([], []), "test": ([], [])}
    for label, name in enumerate(classes):
        found = sorted((f"{name}/{file}" for file in image_files(folder / name)), key=_lot)
        if len(found) < 2:
            has = "one image, but a split needs two" if found else "no images"
            raise incomplete(row, folder, f"the class folder {folder / name} has {has}")
        tests = max(round(len(found) * TEST_PERCENT / 100), 1)
        for split, files in (("test", found[:tests]), ("train", found[tests:])):
            parts[split][0].extend(sorted(files))
            parts[split][1].extend([label] * len(files))
    first, second = (
        listed_split(
            row, folder, f"{split}:{share}-percent-seed-{SPLIT_SEED}", *parts[split], classes,
            classes=class_names(classes),
        )
        for split, share in (("train", 100 - TEST_PERCENT), ("test", TEST_PERCENT))
    )  # fmt: skip
    return first, second


def read_split_folders(row: DatasetRow, folder: Path) -> tuple[FileImages, FileImages]:
    """Train and test images; the classes are the folders in `train`, in alphabetical order.

    Raises `UserError` that names the folder: a split is missing, a class has no image, a class is in one split only.
    """
    train, test = _splits(row, folder)
    classes = subfolders(train)
    if not classes:
        raise incomplete(row, folder, f"{train} has no class folders (expected: {train}/<class>/*.jpg)")
    unknown = sorted(set(subfolders(test)) - set(classes))
    if unknown:
        raise incomplete(row, folder, f"{test / unknown[0]} is a class that {train} does not have")
    return _read(row, train, "train", classes), _read(row, test, "test", classes)


def read_imagenet(row: DatasetRow, folder: Path) -> tuple[FileImages, FileImages]:
    """ImageNet in torchvision's layout, or the classes of it that `row.options["indices"]` lists, in that order."""
    train, test = _splits(row, folder)
    wnids = imagenet_wnids()
    chosen = [wnids[index] for index in row.options["indices"]]  # type: ignore[attr-defined]
    return _read(row, train, "train", chosen), _read(row, test, "test", chosen)


def subfolders(folder: Path) -> list[str]:
    """Names of the folders in `folder`, sorted, without hidden ones."""
    return sorted(entry.name for entry in os.scandir(folder) if entry.is_dir() and not entry.name.startswith("."))


def image_files(folder: Path) -> list[str]:
    """Names of the image files in `folder`, sorted, without hidden ones. Goes by the suffix and opens nothing."""
    return sorted(
        entry.name
        for entry in os.scandir(folder)
        if entry.name.lower().endswith(SUFFIXES) and not entry.name.startswith(".")
    )


def _lot(name: str) -> str:
    return hashlib.sha256(f"{SPLIT_SEED} {name}".encode("utf-8", "surrogateescape")).hexdigest()


def _splits(row: DatasetRow, folder: Path) -> tuple[Path, Path]:
    train = folder / "train"
    if not train.is_dir():
        raise incomplete(row, folder, f"the split {train} is missing")
    for name in TEST_SPLITS:
        if (folder / name).is_dir():
            return train, folder / name
    looked = ", ".join(f"{name}/" for name in TEST_SPLITS)
    raise incomplete(row, folder, f"there is no test split (looked for {looked} in {folder})")


def _read(row: DatasetRow, folder: Path, split: str, classes: Sequence[str]) -> FileImages:
    files, labels = [], []
    for label, name in enumerate(classes):
        if not (folder / name).is_dir():
            raise incomplete(row, folder.parent, f"the class folder {folder / name} is missing")
        found = image_files(folder / name)
        if not found:
            raise incomplete(row, folder.parent, f"the class folder {folder / name} has no images")
        files += [f"{name}/{file}" for file in found]
        labels += [label] * len(found)
    titles = class_names(classes)
    return listed_split(row, folder.parent, split, files, labels, classes, classes=titles, below=folder.name)
