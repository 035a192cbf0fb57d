"""A name becomes images: the one door to the data sets.

>>> train, test = open_dataset("imagenette", places().datasets, train_per_class=100)
>>> len(train), train.classes[0]
(1000, 'tench')
"""

from collections.abc import Sequence
from importlib import import_module
from pathlib import Path

from lgm_core.base.errors import Unavailable
from lgm_core.base.interfaces import ImageSet
from lgm_core.datasets.catalog import FRAMED, DatasetRow, find_folder, find_row, has_shards, leftovers, not_here
from lgm_core.datasets.framed import framed
from lgm_core.datasets.grouped import open_groups
from lgm_core.datasets.groups import Collection, Split
from lgm_core.datasets.image_set import limit_per_class


def open_dataset(
    name: str, roots: Sequence[Path], *, train_per_class: int = 0, test_per_class: int = 0, seed: int = 0,
    collection: Collection | None = None,
) -> tuple[ImageSet, ImageSet]:  # fmt: skip
    """Train and test images of a data set, an alias of one, or `folder:PATH`; of `collection` for `groups:NAME`;
    `framed:` before a name draws coloured frames around the images.

    The data are looked for below each of `roots` in order. At most `*_per_class` images of each class are kept, chosen
    by `seed`; 0 keeps all. Raises `UnknownName` with the nearest names, `Unavailable` with what to fetch and where to
    put it, and `UserError` naming what is missing from data that are there.
    """
    row = find_row(name)
    if row.collection:
        if collection is None:
            raise Unavailable(not_here(row, roots))
        train, test = open_groups(collection, lambda images: open_split(images, roots))
        return limit_per_class(train, train_per_class, seed), limit_per_class(test, test_per_class, seed)
    if row.framed:
        train, test = framed(*open_dataset(name.removeprefix(FRAMED), roots), row.name)
        return limit_per_class(train, train_per_class, seed), limit_per_class(test, test_per_class, seed)
    folder = None if row.embedded else _folder(row, [Path(root) for root in roots])
    sharded = folder is not None and row.sharded and has_shards(folder)
    module, function = ("parquet_shards:read_shards" if sharded else row.reader).split(":")
    train, test = getattr(import_module(f"lgm_core.datasets.{module}"), function)(row, folder)
    return limit_per_class(train, train_per_class, seed), limit_per_class(test, test_per_class, seed)


def open_split(images: Split, roots: Sequence[Path]) -> ImageSet:
    """A split of a data set, with as many images of each class as it was opened with when groups were made of it."""
    each = images.per_class  # of the other split, which is not looked at, just as many
    train, test = open_dataset(images.dataset, roots, train_per_class=each, test_per_class=each, seed=images.seed)
    return train if images.split == "train" else test


def _folder(row: DatasetRow, roots: Sequence[Path]) -> Path:
    """Where the data are; a folder with something else in it is left to the reader, which says what is missing."""
    folder = find_folder(row, roots)
    if folder is None and "path" not in row.options:
        folder = leftovers(row, roots)
    if folder is None:
        raise Unavailable(not_here(row, roots))
    return folder
