"""A folder of class folders of images, taken as a set for a data set: `lgm evaluate folder:PATH` judges it.

>>> given = given_images(Path("mine"), ("tench", "English springer"))  # mine/tench/*, mine/0001_English_springer/*
>>> len(given), given.labels
(2, tensor([0, 1]))
"""

import hashlib
from collections.abc import Sequence
from pathlib import Path

from lgm_core.base.errors import Unavailable, UserError
from lgm_core.base.regular_files import require_regular
from lgm_core.datasets.folders import image_files, subfolders
from lgm_core.datasets.image_set import FileImages
from lgm_core.datasets.wordnet import WNID, class_names


def given_images(folder: Path, classes: Sequence[str]) -> FileImages:
    """The images, class by class. A class folder is named as the class, by its wnid, or as an export names it.

    Case and separators do not matter. Raises `UserError` where the folders are not those of the classes, one for each.
    """
    root, found = _class_folders(folder)
    known = {key: label for label, name in enumerate(classes) for key in (_bare(name), _bare(f"{label:04d}_{name}"))}
    owners = {name: known.get(_bare(class_names([name])[0] if WNID.fullmatch(name) else name)) for name in found}
    strange = [name for name, label in owners.items() if label is None]
    lacking = [name for label, name in enumerate(classes) if label not in owners.values()]
    if strange or lacking or len(owners) != len(classes):
        wrong = [f"{_shortly(strange)}: not a class of the data set"] if strange else []
        wrong += [f"no folder for {_shortly(lacking)}"] if lacking else []
        wrong = wrong or ["several folders for one class"]
        raise UserError(
            f"{root} does not fit the data set: {'; '.join(wrong)}. Its classes are: {_shortly(classes, 20)}"
        )
    pairs = sorted((label, f"{name}/{file}") for name, label in owners.items() for file in image_files(root / name))
    if empty := [name for name in found if not image_files(root / name)]:
        raise UserError(f"no image in {_shortly([str(root / name) for name in empty])}; put at least one there")
    labels, files = zip(*pairs, strict=True)
    return FileImages(name=f"given/{folder.name}", folder=root, files=files, labels=labels, classes=classes)


def own_side(images: FileImages) -> int:
    """The side of the images in pixels where all are squares of one size, 0 otherwise."""
    sizes = {images.picture(index).size for index in range(len(images))}
    width, height = sizes.pop() if len(sizes) == 1 else (0, 1)
    return width if width == height else 0


def count_and_digest(folder: Path) -> tuple[int, str]:
    """How many images there are in the class folders, and a short text that is another one for other images."""
    root, found = _class_folders(folder)
    files = [root / name / file for name in found for file in image_files(root / name)]
    digest = hashlib.sha256()
    for file in files:
        require_regular(file)
        digest.update(f"{file.relative_to(root)}\0".encode() + hashlib.sha256(file.read_bytes()).digest())
    return len(files), digest.hexdigest()[:8]


def _class_folders(folder: Path) -> tuple[Path, list[str]]:
    """Where the class folders lie (in `images`, in what `lgm export` writes), and their names."""
    if not folder.is_dir():
        raise Unavailable(f"the folder {folder} does not exist; give a folder of class folders with images")
    root = folder / "images" if (folder / "images").is_dir() else folder
    if found := subfolders(root):
        return root, found
    raise UserError(f"{root} has no class folders; expected: {root}/<class>/*.png, a folder for each class")


def _bare(name: str) -> str:
    return "".join(letter for letter in name.lower() if letter.isalnum())


def _shortly(names: Sequence[str], most: int = 5) -> str:
    return ", ".join(names[:most]) + (f" and {len(names) - most} more" if len(names) > most else "")
