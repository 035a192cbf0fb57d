"""Spawrious O2O-Hard: spawrious224/{0,1}/<location>/<breed>/*.png.

Each breed is seen in training almost always at one location, and tested at the home of another breed. The table and the
counts are those of `spawrious/torch.py` in github.com/aengusl/spawrious (arXiv 2303.05470, section 4). Which files make
up a count is left to the order of the directory there; here it is the alphabetical order.

>>> train, test = read_spawrious(find_row("spawrious"), Path("/data/spawrious/spawrious224"))
>>> len(train), train.classes
(25344, ('bulldog', 'corgi', 'dachshund', 'labrador'))
"""

from collections.abc import Iterable
from pathlib import Path

from lgm_core.datasets.catalog import DatasetRow
from lgm_core.datasets.folders import image_files
from lgm_core.datasets.image_set import FileImages
from lgm_core.datasets.listings import incomplete, listed_split

BREEDS = ("bulldog", "corgi", "dachshund", "labrador")
LOCATIONS = ("beach", "desert", "jungle", "mountain", "snow")
TRAIN_AT = {"bulldog": "jungle", "dachshund": "mountain", "labrador": "snow", "corgi": "desert"}
TEST_AT = {"bulldog": "mountain", "dachshund": "snow", "labrador": "desert", "corgi": "jungle"}
ELSEWHERE = "beach"  # where the few training images that break the correlation are, for all breeds
PER_FOLDER = 3168
TYPICAL = {"0": int(0.97 * PER_FOLDER), "1": int(0.87 * PER_FOLDER)}  # images at TRAIN_AT, by environment


def read_spawrious(row: DatasetRow, folder: Path) -> tuple[FileImages, FileImages]:
    """Train (both environments) and test images, grouped by breed x location; a split lacks most of the 20 groups."""
    train = [
        (environment, place, breed, count)
        for environment, typical in TYPICAL.items()
        for breed in BREEDS
        for place, count in ((TRAIN_AT[breed], typical), (ELSEWHERE, PER_FOLDER - typical))
    ]
    test = [(environment, TEST_AT[breed], breed, None) for environment in TYPICAL for breed in BREEDS]  # all
    return _read(row, folder, "train", train), _read(row, folder, "test", test)


def _read(row: DatasetRow, folder: Path, split: str, parts: Iterable[tuple[str, str, str, int | None]]) -> FileImages:
    files, labels, groups = [], [], []
    for environment, place, breed, count in parts:
        source = folder / environment / place / breed
        found = image_files(source)[:count] if source.is_dir() else []
        if not found:
            raise incomplete(row, folder, f"the {split} folder {source} is missing or has no images")
        files += [f"{environment}/{place}/{breed}/{file}" for file in found]
        labels += [BREEDS.index(breed)] * len(found)
        groups += [BREEDS.index(breed) * len(LOCATIONS) + LOCATIONS.index(place)] * len(found)
    names = [f"{breed} in {place}" for breed in BREEDS for place in LOCATIONS]
    return listed_split(row, folder, split, files, labels, BREEDS, classes=BREEDS, groups=groups, group_names=names)
