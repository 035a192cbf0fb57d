"""Tiny ImageNet: train/<wnid>/images/*.JPEG, and a flat val/images with val_annotations.txt.

>>> train, test = read_tiny_imagenet(find_row("tiny_imagenet"), Path("/data/tiny_imagenet/tiny-imagenet-200"))
>>> len(train), len(test)
(100000, 10000)
"""

from pathlib import Path

from lgm_core.datasets.catalog import DatasetRow
from lgm_core.datasets.folders import image_files
from lgm_core.datasets.image_set import FileImages
from lgm_core.datasets.listings import incomplete, listed_split, table
from lgm_core.datasets.wordnet import class_names


def read_tiny_imagenet(row: DatasetRow, folder: Path) -> tuple[FileImages, FileImages]:
    """Train, and val as test (the official test split has no labels). Labels follow the sorted wnids."""
    wnids = sorted(fields[0] for fields in table(folder / "wnids.txt", columns=1, row=row))
    number = {wnid: label for label, wnid in enumerate(wnids)}
    train = []
    for wnid in wnids:
        images = folder / "train" / wnid / "images"
        if not images.is_dir():
            raise incomplete(row, folder, f"the class folder {images} is missing")
        train += [(f"train/{wnid}/images/{file}", number[wnid]) for file in image_files(images)]
    test = []
    for file, wnid, *_ in table(folder / "val" / "val_annotations.txt", columns=6, row=row):
        if wnid not in number:
            raise incomplete(row, folder, f"val_annotations.txt gives {file} the class {wnid}, not in wnids.txt")
        test.append((f"val/images/{file}", number[wnid]))
    return _images(row, folder, "train", train, wnids), _images(row, folder, "test", test, wnids)


def _images(row: DatasetRow, folder: Path, split: str, pairs: list[tuple[str, int]], wnids: list[str]) -> FileImages:
    files, labels = [file for file, _ in pairs], [label for _, label in pairs]
    return listed_split(row, folder, split, files, labels, wnids, classes=class_names(wnids))
