"""Real images: in files, in arrays, or a subset of either; and the one way in which they become a batch.

>>> few = limit_per_class(images, 5, seed=0)
>>> load_squares(few, range(len(few)), resize=256, crop=224).shape
torch.Size([50, 3, 224, 224])
"""

import hashlib
import os
from bisect import bisect_right
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import accumulate
from pathlib import Path
from typing import final

import numpy as np
import torch
from jaxtyping import Int, UInt8
from PIL import Image
from torch import Tensor

from lgm_core.base.errors import ConfigError
from lgm_core.base.interfaces import SAMPLED, ImageSet, generator
from lgm_core.base.regular_files import require_regular
from lgm_core.datasets.decoding import decoded, in_colour, resized


@final
class FileImages(ImageSet):
    """Images in files under one folder. Nothing is opened before it is asked for.

    files   paths relative to `folder`, with `/`
    remedy  what to do about a file that cannot be read, to end the sentence "It cannot be used: ..."
    """

    def __init__(
        self,
        *,
        name: str,
        folder: Path,
        files: Sequence[str],
        labels: Sequence[int],
        classes: Sequence[str],
        groups: Sequence[int] | None = None,
        group_names: Sequence[str] = (),
        remedy: str = "replace the file",
    ) -> None:
        self.name = name
        self.folder = folder
        self.files = tuple(files)
        self.labels = torch.tensor(labels, dtype=torch.int64)
        self.classes = tuple(classes)
        self.groups = None if groups is None else torch.tensor(groups, dtype=torch.int64)
        self.group_names = tuple(group_names)
        self.remedy = remedy
        sizes = [_file_size(folder / self.files[i]) for i in _sample(len(self.files))]
        self.fingerprint = digest([name, *self.classes, *self.files, str(sizes)], self.labels)

    def picture(self, index: int) -> Image.Image:
        return self.reduced(index, None)[0]

    def reduced(self, index: int, short: int | None) -> tuple[Image.Image, tuple[int, int]]:
        path = self.folder / self.files[index]
        return decoded(path, str(path), self.remedy, short)

    def stored(self, index: int) -> bytes:
        path = self.folder / self.files[index]
        require_regular(path)
        return path.read_bytes()

    def origin(self, index: int) -> str:
        return str(self.folder / self.files[index])


@final
class ArrayImages(ImageSet):
    """Images in uint8 arrays, one or several shards of shape [n, h, w, 3] or [n, h, w]; memory maps are welcome."""

    def __init__(
        self, *, name: str, shards: Sequence[np.ndarray], labels: Sequence[int] | np.ndarray, classes: Sequence[str]
    ) -> None:
        self.name = name
        self.shards = tuple(shards)
        self._ends = list(accumulate(map(len, shards)))
        self.labels = torch.as_tensor(np.asarray(labels), dtype=torch.int64)
        self.classes = tuple(classes)
        self.groups = None
        self.group_names = ()
        content = hashlib.sha256(b"".join(self.array(i).tobytes() for i in _sample(len(self)))).hexdigest()
        self.fingerprint = digest([name, *self.classes, content], self.labels)

    def array(self, index: int) -> np.ndarray:
        """The image at `index` as it is stored, contiguous."""
        shard = bisect_right(self._ends, index)
        start = self._ends[shard - 1] if shard else 0
        return np.ascontiguousarray(self.shards[shard][index - start])

    def picture(self, index: int) -> Image.Image:
        return in_colour(Image.fromarray(self.array(index)))

    def stored(self, index: int) -> bytes:
        return self.array(index).tobytes()

    def origin(self, index: int) -> str:
        return f"{self.name}/{index}"


@final
class Subset(ImageSet):
    """Some images of another set, in the order of `indices`; classes and groups keep their numbers."""

    def __init__(self, images: ImageSet, indices: Iterable[int] | Tensor, name: str) -> None:
        self.images = images
        self.indices = torch.as_tensor(indices if isinstance(indices, Tensor) else list(indices), dtype=torch.int64)
        self.name = name
        self.classes = images.classes
        self.labels = images.labels[self.indices]
        self.groups = None if images.groups is None else images.groups[self.indices]
        self.group_names = images.group_names
        self.fingerprint = digest([images.fingerprint], self.indices)

    def picture(self, index: int) -> Image.Image:
        return self.images.picture(int(self.indices[index]))

    def reduced(self, index: int, short: int | None) -> tuple[Image.Image, tuple[int, int]]:
        return self.images.reduced(int(self.indices[index]), short)

    def stored(self, index: int) -> bytes:
        return self.images.stored(int(self.indices[index]))

    def origin(self, index: int) -> str:
        return self.images.origin(int(self.indices[index]))


def limit_per_class(images: ImageSet, k: int, seed: int = 0) -> ImageSet:
    """At most `k` images of each class, chosen by `seed`; the choice for k is part of that for k + 1. 0 means all."""
    if k <= 0:
        return images
    chosen = []
    for label in range(len(images.classes)):
        members = torch.nonzero(images.labels == label).flatten()
        order = torch.randperm(len(members), generator=generator("cpu", seed, label))
        chosen.append(members[order[:k]])
    indices = torch.cat(chosen).sort().values
    if len(indices) == len(images):
        return images
    return Subset(images, indices, f"{images.name}:{k}-per-class-seed-{seed}")


def load_squares(
    images: ImageSet,
    indices: Sequence[int] | Int[Tensor, "n"],
    resize: int,
    crop: int,
    generator: torch.Generator | None = None,
    *,
    threads: int | None = None,
) -> UInt8[Tensor, "n 3 crop crop"]:
    """Images as RGB squares, uint8 in 0 .. 255: short side to `resize` pixels (bilinear, antialiased), centre crop.

    With a CPU `generator` the place of each crop is drawn from it. The result does not depend on `threads`.
    Large JPEGs are decoded at a reduced size, never under twice the wanted one. Raises `UserError` that names the
    file, if one cannot be read.
    """
    if not 0 < crop <= resize:
        raise ConfigError(f"a crop of {crop} px does not fit into images of {resize} px: give 0 < crop <= resize")
    wanted = [int(index) for index in indices]
    places = torch.rand(len(wanted), 2, generator=generator) if generator is not None else None
    batch = np.empty((len(wanted), 3, crop, crop), dtype=np.uint8)

    def fill(slot: int) -> None:
        place = None if places is None else (float(places[slot, 0]), float(places[slot, 1]))
        batch[slot] = np.asarray(_square(images, wanted[slot], resize, crop, place)).transpose(2, 0, 1)

    with ThreadPoolExecutor(threads or min(8, os.cpu_count() or 1)) as pool:
        for _ in pool.map(fill, range(len(wanted))):  # the loop hands on the first error
            pass
    return torch.from_numpy(batch)


def _square(images: ImageSet, index: int, resize: int, crop: int, place: tuple[float, float] | None) -> Image.Image:
    picture, whole = images.reduced(index, 2 * resize)
    width, height = resized(whole, resize)
    if place is None:  # torchvision's rounding of the centre
        left, top = round((width - crop) / 2.0), round((height - crop) / 2.0)
    else:
        left, top = int(place[0] * (width - crop + 1)), int(place[1] * (height - crop + 1))
    # resampling only what the crop shows gives the same pixels as cropping the resized whole, for less work
    across, down = picture.width / width, picture.height / height
    right, bottom = min(picture.width, (left + crop) * across), min(picture.height, (top + crop) * down)
    return picture.resize((crop, crop), Image.Resampling.BILINEAR, box=(left * across, top * down, right, bottom))


def _sample(count: int) -> list[int]:
    step = max(1, count // SAMPLED)
    return list(range(0, count, step))[:SAMPLED]


def _file_size(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError:
        return -1


def digest(words: Iterable[str], numbers: Tensor) -> str:
    """A fingerprint of what a set of images is."""
    found = hashlib.sha256("\0".join(words).encode("utf-8", "surrogateescape"))
    found.update(numbers.numpy().tobytes())
    return found.hexdigest()
