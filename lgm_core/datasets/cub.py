"""Caltech-UCSD Birds 200-2011: four text lists and a folder of images. No image file is looked at.

>>> train, test = read_cub(find_row("cub2011"), Path("/data/cub2011/CUB_200_2011"))
>>> train.classes[0]
'Black footed Albatross'
"""

from pathlib import Path

from lgm_core.datasets.catalog import DatasetRow
from lgm_core.datasets.image_set import FileImages
from lgm_core.datasets.listings import incomplete, listed_split, table


def read_cub(row: DatasetRow, folder: Path) -> tuple[FileImages, FileImages]:
    """Train and test images by `train_test_split.txt`. Raises `UserError` naming the list that lacks something."""
    files = dict(table(folder / "images.txt", columns=2, row=row))
    label_of = dict(table(folder / "image_class_labels.txt", columns=2, row=row))
    in_train = dict(table(folder / "train_test_split.txt", columns=2, row=row))
    birds = [name for _, name in table(folder / "classes.txt", columns=2, row=row)]
    for name, listed in (("image_class_labels.txt", label_of), ("train_test_split.txt", in_train)):
        if files.keys() - listed.keys():
            raise incomplete(row, folder, f"{name} does not list the image {min(files.keys() - listed.keys())}")
    titles, splits = [bird.split(".", 1)[-1].replace("_", " ") for bird in birds], []
    for split, flag in (("train", "1"), ("test", "0")):
        chosen = [image for image in files if in_train[image] == flag]
        labels = [_label(row, folder, label_of[image], len(birds)) for image in chosen]
        names = [files[image] for image in chosen]
        splits.append(listed_split(row, folder, split, names, labels, birds, classes=titles, below="images"))
    return splits[0], splits[1]


def _label(row: DatasetRow, folder: Path, number: str, classes: int) -> int:
    if not number.isdigit() or not 1 <= int(number) <= classes:
        raise incomplete(row, folder, f"image_class_labels.txt has the class {number!r}, not one of 1 .. {classes}")
    return int(number) - 1
