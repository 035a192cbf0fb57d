"""Split folders of class folders: ROOT/train/<class>/*.jpg and ROOT/val/<class>/*.jpg.

>>> train, test = read_split_folders(find_row("imagenette"), Path("/data/imagenette"))
>>> train.classes[:2]
('tench', 'English springer')
"""

import os
from collections.abc import Sequence
from pathlib import Path

from lgm_core.datasets.catalog import DatasetRow
from lgm_core.datasets.image_set import FileImages
from lgm_core.datasets.listings import incomplete, listed_split
from lgm_core.datasets.wordnet import class_names, imagenet_wnids

SUFFIXES = (".jpg", ".jpeg", ".png", ".bmp", ".webp", ".gif", ".ppm", ".tif", ".tiff")
TEST_SPLITS = ("val", "test", "valid", "validation")  # the first that exists is used


def read_split_folders(row: DatasetRow, folder: Path) -> tuple[FileImages, FileImages]:
    """Train and test images; the classes are the folders in `train`, in alphabetical order.

    Raises `UserError` that names the folder: a split is missing, a class has no image, a class is in one split only.
    """
    train, test = _splits(row, folder)
    classes = subfolders(train)
    if not classes:
        raise incomplete(row, folder, f"{train} has no class folders (wanted: {train}/<class>/*.jpg)")
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
