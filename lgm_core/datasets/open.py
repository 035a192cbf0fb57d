"""A name becomes images: the one door to the data sets.

>>> train, test = open_dataset("imagenette", places().datasets, train_per_class=100)
>>> len(train), train.classes[0]
(1000, 'tench')
"""

from collections.abc import Sequence
from importlib import import_module
from pathlib import Path

from lgm_core.datasets.catalog import DatasetRow, candidates, find_folder, find_row, how_to_get
from lgm_core.datasets.image_set import limit_per_class
from lgm_core.errors import Unavailable
from lgm_core.interfaces import ImageSet


def open_dataset(
    name: str, roots: Sequence[Path], *, train_per_class: int = 0, test_per_class: int = 0, seed: int = 0
) -> tuple[ImageSet, ImageSet]:
    """Train and test images of a data set, an alias of one, or `folder:PATH`.

    The data are looked for below each of `roots` in order. At most `*_per_class` images of each class are kept, chosen
    by `seed`; 0 keeps all. Raises `UnknownName` with the nearest names, `Unavailable` with what to fetch and where to
    put it, and `UserError` naming what is missing from data that are there.
    """
    row = find_row(name)
    module, function = row.reader.split(":")
    read = getattr(import_module(f"lgm_core.datasets.{module}"), function)
    train, test = read(row, None if row.embedded else _folder(row, [Path(root) for root in roots]))
    return limit_per_class(train, train_per_class, seed), limit_per_class(test, test_per_class, seed)


def _folder(row: DatasetRow, roots: Sequence[Path]) -> Path:
    """Where the data are; a folder with something else in it is left to the reader, which says what is missing."""
    folder = find_folder(row, roots)
    if folder is not None:
        return folder
    if "path" in row.options:
        raise Unavailable(f"the folder {row.options['path']} does not exist. Remedy: {row.manual}")
    places = [place for root in roots for place in candidates(row, root)]
    for place in places:
        if place.is_dir() and any(place.iterdir()):
            return place
    looked = ", ".join(map(str, places)) or "nowhere: no folder for data sets is set"
    target = roots[-1] if roots else Path("cache/datasets")
    raise Unavailable(f"the data set {row.name!r} is not here (looked in {looked}). Remedy: {how_to_get(row, target)}")
