"""Waterbirds as WILDS packs it: metadata.csv with class, place and split of each image.

>>> train, test = read_waterbirds(find_row("waterbirds"), Path("/data/waterbirds/waterbirds_v1.0"))
>>> train.group_names
('landbird on land', 'landbird on water', 'waterbird on land', 'waterbird on water')
"""

import csv
from pathlib import Path

from lgm_core.base.regular_files import require_regular
from lgm_core.datasets.catalog import DatasetRow
from lgm_core.datasets.image_set import FileImages
from lgm_core.datasets.listings import incomplete, listed_split, require_files

BIRDS = ("landbird", "waterbird")  # y
PLACES = ("land", "water")  # place
SPLITS = {"train": "0", "test": "2"}  # 1 is the validation split, which nothing here uses
COLUMNS = ("img_filename", "y", "place", "split")


def read_waterbirds(row: DatasetRow, folder: Path) -> tuple[FileImages, FileImages]:
    """Train and test images, grouped by bird x place. Raises `UserError` naming what metadata.csv lacks."""
    require_files(row, folder, ["metadata.csv"])
    require_regular(folder / "metadata.csv")
    try:
        with (folder / "metadata.csv").open(newline="", encoding="utf-8") as file:
            lines = list(csv.DictReader(file))
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise incomplete(row, folder, f"metadata.csv cannot be read ({error})") from error
    for column in COLUMNS:
        if not lines or any(line.get(column) is None for line in lines):
            raise incomplete(row, folder, f"metadata.csv has no column {column!r}, or a line without it")
    if any(line["y"] not in "01" or line["place"] not in "01" for line in lines):
        raise incomplete(row, folder, "metadata.csv has a y or a place that is neither 0 nor 1")
    names, splits = [f"{bird} on {place}" for bird in BIRDS for place in PLACES], []
    for split, number in SPLITS.items():
        chosen = [line for line in lines if line["split"] == number]
        files, labels = [line["img_filename"] for line in chosen], [int(line["y"]) for line in chosen]
        groups = [int(line["y"]) * len(PLACES) + int(line["place"]) for line in chosen]
        splits.append(
            listed_split(row, folder, split, files, labels, BIRDS, classes=BIRDS, groups=groups, group_names=names)
        )
    return splits[0], splits[1]
