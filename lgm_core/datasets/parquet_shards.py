"""Parquet shards as the model hub serves image data sets: data/train-*.parquet and data/validation-*.parquet.

Columns: `image` {bytes, path} and `label`; names of the classes stand in the schema's metadata. An image is read with
the row group that it lies in, and the last groups are kept: neighbours cost one reading, and memory stays bounded.

>>> train, test = read_shards(find_row("imagenet-100"), Path("/data/imagenet"))
>>> train.origin(0)
'/data/imagenet/data/train-00000-of-00294.parquet, row 17'
"""

import json
import re
import threading
from bisect import bisect_right
from collections import OrderedDict
from collections.abc import Sequence
from io import BytesIO
from itertools import accumulate
from pathlib import Path
from typing import Any, final

import pyarrow
import torch
from jaxtyping import Int
from PIL import Image
from pyarrow import parquet
from torch import Tensor

from lgm_core.base.errors import UserError
from lgm_core.base.interfaces import ImageSet
from lgm_core.base.regular_files import require_regular
from lgm_core.datasets.catalog import TEST_SHARDS, DatasetRow
from lgm_core.datasets.decoding import decoded
from lgm_core.datasets.image_set import digest
from lgm_core.datasets.listings import incomplete, remedy, require_all_classes
from lgm_core.datasets.wordnet import class_names, imagenet_wnids

_SAMPLE = 2**16
_KEPT_BYTES = 2**28  # row groups that are kept for the next image; the last one always is


class Shards:
    """The shards of one split: labels at once, images a row group at a time. Raises `UserError` for a broken one."""

    def __init__(self, row: DatasetRow, folder: Path, split: str) -> None:
        self.row, self.folder, self.split = row, folder, split
        self.paths = sorted((folder / "data").glob(f"{split}-*.parquet"))
        self._require_all()
        self._metadata = [self._checked(path) for path in self.paths]
        found = enumerate(self._metadata)
        self._groups = [(shard, group) for shard, facts in found for group in range(facts.num_row_groups)]
        counts = (self._metadata[shard].row_group(group).num_rows for shard, group in self._groups)
        self._group_ends = list(accumulate(counts))
        self._shard_ends = list(accumulate(facts.num_rows for facts in self._metadata))
        self._kept: OrderedDict[int, Any] = OrderedDict()
        self._lock = threading.Lock()

    def labels(self) -> Int[Tensor, "n"]:
        """The label of every row, in the order of the shards."""
        columns = [self._read(shard, "label", None).to_numpy() for shard in range(len(self.paths))]
        for path, column in zip(self.paths, columns, strict=True):
            if column.dtype.kind not in "iu":
                raise self._corrupt(path, ValueError(f"labels must be whole numbers, these are {column.dtype}"))
        return torch.cat([torch.tensor(column, dtype=torch.int64) for column in columns])

    def names(self) -> list[str]:
        """The classes as the schema's metadata names them; [] where it does not."""
        schema = self._metadata[0].schema.to_arrow_schema()
        told = (schema.metadata or {}).get(b"huggingface", b"{}")
        try:
            return list(
                map(str, json.loads(told).get("info", {}).get("features", {}).get("label", {}).get("names", []))
            )
        except (ValueError, AttributeError, TypeError, RecursionError) as error:
            raise self._corrupt(self.paths[0], error) from error

    def encoded(self, place: int) -> bytes:
        """The encoded image in a row."""
        group = bisect_right(self._group_ends, place)
        before = self._group_ends[group - 1] if group else 0
        with self._lock:
            if group not in self._kept:
                shard, number = self._groups[group]
                self._kept[group] = self._read(shard, "image.bytes", number)
                while len(self._kept) > 1 and sum(column.nbytes for column in self._kept.values()) > _KEPT_BYTES:
                    self._kept.popitem(last=False)
            self._kept.move_to_end(group)
            column = self._kept[group]
        return column[place - before]["bytes"].as_py() or b""

    def sample(self, place: int) -> bytes:
        """64 KiB from the middle of the images of the row group that a row lies in, and how many bytes these have."""
        shard, number = self._groups[bisect_right(self._group_ends, place)]
        group = self._metadata[shard].row_group(number)
        columns = map(group.column, range(group.num_columns))
        found = next(column for column in columns if column.path_in_schema == "image.bytes")
        with self.paths[shard].open("rb") as file:
            file.seek(found.data_page_offset + max(found.total_compressed_size // 2 - _SAMPLE // 2, 0))
            return b"%d " % found.total_compressed_size + file.read(_SAMPLE)

    def words(self, place: int) -> str:
        """A row's shard, and its number there."""
        shard = bisect_right(self._shard_ends, place)
        return f"{self.paths[shard]}, row {place - (self._shard_ends[shard - 1] if shard else 0)}"

    def _read(self, shard: int, column: str, group: int | None) -> Any:
        """A column of a row group, or of all of them."""
        try:
            with parquet.ParquetFile(self.paths[shard], metadata=self._metadata[shard]) as file:
                groups = range(file.num_row_groups) if group is None else [group]
                return file.read_row_groups(groups, columns=[column], use_threads=False)[column.split(".")[0]]
        except (pyarrow.ArrowException, OSError) as error:
            raise self._corrupt(self.paths[shard], error) from error

    def _checked(self, path: Path) -> Any:
        """A shard's metadata. Raises `UserError` where it is no Parquet file, or has other columns."""
        require_regular(path)
        try:
            found = parquet.read_metadata(path)
        except (pyarrow.ArrowException, OSError) as error:
            raise self._corrupt(path, error) from error
        columns = {found.schema.column(i).path.split(".")[0] for i in range(len(found.schema))}
        if not {"image", "label"} <= columns:
            lack = f"{path} has the columns {', '.join(sorted(columns))}, not image and label"
            raise incomplete(self.row, self.folder, lack)
        return found

    def _corrupt(self, path: Path, error: Exception) -> UserError:
        return incomplete(self.row, self.folder, f"{path} is corrupt ({error})")

    def _require_all(self) -> None:
        """Raise `UserError` where the names of the shards ("-00003-of-00294") say that some are missing."""
        found = [re.search(r"-(\d+)-of-(\d+)\.parquet$", path.name) for path in self.paths]
        numbers = {int(match[1]) for match in found if match}
        whole = max((int(match[2]) for match in found if match), default=0)
        if missing := sorted(set(range(whole)) - numbers):
            name = f"{self.split}-{missing[0]:05d}-of-{whole:05d}.parquet"
            lack = f"{len(missing)} of {whole} shards are missing from {self.folder / 'data'}, such as {name}"
            raise incomplete(self.row, self.folder, lack)


@final
class ShardImages(ImageSet):
    """Images in Parquet shards. `places`: the rows that belong to the set, by their number over all shards."""

    def __init__(
        self, *, name: str, shards: Shards, places: Tensor, labels: Tensor, classes: Sequence[str], remedy: str
    ) -> None:
        self.name, self.shards, self.places, self.labels = name, shards, places, labels
        self.classes, self.groups, self.group_names, self.remedy = tuple(classes), None, (), remedy
        sizes = [f"{path.name} {path.stat().st_size}" for path in shards.paths]
        self.fingerprint = digest([name, *self.classes, *sizes], torch.cat([places, labels]))

    def picture(self, index: int) -> Image.Image:
        return self.reduced(index, None)[0]

    def reduced(self, index: int, short: int | None) -> tuple[Image.Image, tuple[int, int]]:
        encoded = BytesIO(self.shards.encoded(int(self.places[index])))
        return decoded(encoded, self.origin(index), self.remedy, short)

    def stored(self, index: int) -> bytes:
        return self.shards.sample(int(self.places[index]))

    def origin(self, index: int) -> str:
        return self.shards.words(int(self.places[index]))


def read_shards(row: DatasetRow, folder: Path) -> tuple[ShardImages, ShardImages]:
    """Train and test images; of ImageNet, the classes that `row.options["indices"]` lists, in that order.

    Raises `UserError` that names a missing or corrupt shard, or a class without images.
    """
    tests = [name for name in TEST_SHARDS if any((folder / "data").glob(f"{name}-*.parquet"))]
    if not tests:
        looked = ", ".join(f"data/{name}-*.parquet" for name in TEST_SHARDS)
        raise incomplete(row, folder, f"there are no test images (looked for {looked} in {folder})")
    train = _split(row, folder, "train", "train")
    return train, _split(row, folder, tests[0], "test")


def _split(row: DatasetRow, folder: Path, theirs: str, split: str) -> ShardImages:
    shards = Shards(row, folder, theirs)
    found, names = shards.labels(), shards.names()
    numbers: Sequence[int] = row.options.get("indices", ())  # type: ignore[assignment]
    if numbers:
        wnids = imagenet_wnids()
        if names and len(names) != len(wnids):
            raise incomplete(row, folder, f"its shards have {len(names)} classes, not the {len(wnids)} of ImageNet")
        titles = class_names([wnids[number] for number in numbers])
    else:
        titles = names or [str(number) for number in range(int(found.max()) + 1)]
        numbers = range(len(titles))
        if not 0 <= int(found.min()) <= int(found.max()) < len(titles):
            lack = f"the labels of {theirs} are {int(found.min())} to {int(found.max())}, of {len(titles)} classes"
            raise incomplete(row, folder, f"{lack}: images without a label cannot be used")
    own = torch.full((max(int(found.max()), *numbers) + 2,), -1)  # the last is for a label of -1, which is none
    own[torch.tensor(list(numbers))] = torch.arange(len(numbers))
    labels = own[found]
    places = (labels >= 0).nonzero().flatten()
    require_all_classes(row, folder, labels[places].tolist(), titles, split)
    return ShardImages(
        name=f"{row.name}/{split}", shards=shards, places=places, labels=labels[places], classes=titles,
        remedy=remedy(row, folder),
    )  # fmt: skip
