"""Data sets that installed packages carry: for a first look, with no download.

`scenes`  patches of the sixteen photographs in scikit-image's wheel: a class per photograph, with train and test
          patches from disjoint parts of it
`details` smaller patches, twice as many: one of them shows little of its class
`digits`  scikit-learn's 1797 handwritten digits of 8 x 8 pixels

>>> train, test = read_scenes(find_row("scenes"))
>>> len(train), train.picture(0).mode
(512, 'RGB')
"""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from importlib.util import find_spec
from pathlib import Path
from random import Random
from typing import Any, final

import numpy as np
import torch
from PIL import Image

from lgm_core.base.errors import Unavailable
from lgm_core.base.interfaces import ImageSet
from lgm_core.datasets.catalog import DatasetRow
from lgm_core.datasets.image_set import ArrayImages

PHOTOGRAPHS = {  # class: file in scikit-image's wheel; these are never downloaded
    "astronaut": "astronaut.png",
    "brick": "brick.png",
    "camera": "camera.png",
    "cell": "cell.png",
    "chelsea": "chelsea.png",
    "coffee": "coffee.png",
    "coins": "coins.png",
    "grass": "grass.png",
    "gravel": "gravel.png",
    "hubble": "hubble_deep_field.jpg",
    "ihc": "ihc.png",
    "moon": "moon.png",
    "motorcycle": "motorcycle_left.png",
    "page": "page.png",
    "retina": "retina.jpg",
    "rocket": "rocket.jpg",
}
PARTS = {"train": (0.0, 0.58), "test": (0.60, 1.0)}  # shares of the long side; the gap keeps the parts apart


@dataclass(frozen=True, kw_only=True)
class Patches:
    """How many are cut from each photograph, and their side, as a fraction of the photograph's short side."""

    train: int
    test: int
    smallest: float
    largest: float


SCENES = Patches(train=32, test=16, smallest=0.35, largest=0.60)
DETAILS = Patches(train=64, test=32, smallest=0.16, largest=0.30)


@final
class PatchImages(ImageSet):
    """Square patches of photographs, cut when asked for. `boxes`: (left, top, side) in pixels, one for each patch."""

    def __init__(
        self, *, name: str, files: Sequence[Path], boxes: Sequence[tuple[int, int, int]], labels: Sequence[int]
    ) -> None:
        self.name = name
        self.files = tuple(files)
        self.boxes = tuple(boxes)
        self.labels = torch.tensor(labels, dtype=torch.int64)
        self.classes = tuple(PHOTOGRAPHS)
        self.groups = None
        self.group_names = ()
        # the photographs never change, so their boxes say what the patches are
        self.fingerprint = hashlib.sha256(f"{name} {self.boxes} {list(labels)}".encode()).hexdigest()

    def picture(self, index: int) -> Image.Image:
        left, top, side = self.boxes[index]
        return _photograph(self.files[int(self.labels[index])]).crop((left, top, left + side, top + side))

    def origin(self, index: int) -> str:
        return f"{self.name}/{index}"


def read_scenes(row: DatasetRow, folder: Path | None = None) -> tuple[PatchImages, PatchImages]:
    """Train (512) and test (256) patches of sixteen classes; the same on every machine. `folder` is not used."""
    return _read_patches(row.name, SCENES)


def read_details(row: DatasetRow, folder: Path | None = None) -> tuple[PatchImages, PatchImages]:
    """Train (1024) and test (512) small patches of sixteen classes; `folder` is not used."""
    return _read_patches(row.name, DETAILS)


def _read_patches(name: str, patches: Patches) -> tuple[PatchImages, PatchImages]:
    carried = _folder_of("skimage")
    files = [carried / "data" / file for file in PHOTOGRAPHS.values()]
    missing = [str(file) for file in files if not file.exists()]
    if missing:
        raise Unavailable(f"scikit-image carries no {', '.join(missing)}; install scikit-image >= 0.25 from a wheel")
    splits = []
    for split, count in (("train", patches.train), ("test", patches.test)):
        boxes = [box for file in files for box in _boxes(name, file, split, count, patches)]
        labels = [label for label in range(len(files)) for _ in range(count)]
        splits.append(PatchImages(name=f"{name}/{split}", files=files, boxes=boxes, labels=labels))
    return splits[0], splits[1]


def read_digits(row: DatasetRow, folder: Path | None = None) -> tuple[ArrayImages, ArrayImages]:
    """Train and test digits, 8 px. The last fifth of each class is the test: other writers. `folder` is not used."""
    from sklearn.datasets import load_digits  # takes a second, and only this function needs it

    digits: Any = load_digits()
    pixels, labels = np.asarray(digits["images"]), np.asarray(digits["target"])
    images = np.round(pixels * (255 / 16)).astype(np.uint8)  # 0 .. 16 in the source
    last_fifth = np.zeros(len(labels), dtype=bool)
    for label in range(10):
        members = np.flatnonzero(labels == label)
        last_fifth[members[len(members) - len(members) // 5 :]] = True
    classes = [str(label) for label in range(10)]
    splits = [
        ArrayImages(name=f"{row.name}/{split}", shards=[images[chosen]], labels=labels[chosen], classes=classes)
        for split, chosen in (("train", ~last_fifth), ("test", last_fifth))
    ]
    return splits[0], splits[1]


def _boxes(name: str, file: Path, split: str, count: int, patches: Patches) -> list[tuple[int, int, int]]:
    """Patches within this split's part of the photograph, which is cut across its long side."""
    with Image.open(file) as image:
        width, height = image.size
    long, short = max(width, height), min(width, height)
    start, stop = (round(long * end) for end in PARTS[split])
    narrowest = min(round(long * end) - round(long * begin) for begin, end in PARTS.values())
    random = Random(f"{name} {file.name} {split}")  # a stream that Python keeps from version to version
    boxes = []
    for _ in range(count):
        side = random.randint(round(patches.smallest * short), min(round(patches.largest * short), narrowest))
        along, across = random.randint(start, stop - side), random.randint(0, short - side)
        boxes.append((along, across, side) if width >= height else (across, along, side))
    return boxes


@lru_cache(maxsize=len(PHOTOGRAPHS))
def _photograph(file: Path) -> Image.Image:
    with Image.open(file) as image:
        return image.convert("RGB")


def _folder_of(package: str) -> Path:
    found = find_spec(package)
    if found is None or found.origin is None:
        raise Unavailable(f"the package {package} is not installed; install what requirements.txt lists")
    return Path(found.origin).parent
