"""Images -> features, computed once, kept memory-mapped under a content key, taken up where a killed run left off.

Legend: N images, V views of each, D features.

>>> bank = Bank.open_or_compute(train, backbone, recipe, folder, compute)  # opens a file under `folder`, or makes it
>>> bank.features.shape, bank.class_means().shape
(torch.Size([9469, 4, 576]), torch.Size([10, 576]))
"""

import hashlib
import json
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from filelock import FileLock
from jaxtyping import Float, Int, UInt8
from torch import Tensor

from lgm_core.backbones.augment import Augment
from lgm_core.base.device import Compute
from lgm_core.base.files import write_json
from lgm_core.base.interfaces import Backbone, ImageSet, generator
from lgm_core.base.settings import AugmentConfig
from lgm_core.datasets.image_set import load_squares
from lgm_core.datasets.spread import class_weights

Progress = Callable[[int, int], None]


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """All that a bank's bits depend on, besides the images and the backbone. `augment` None: one clean centre crop."""

    views: int = 1
    augment: AugmentConfig | None = None
    resize: int = 256  # px, short side of a real image at an input of 224 px; scaled with the input
    batch: int = 64  # images per forward pass
    seed: int = 0
    normalisation: str = "native"


class Bank:
    """Features of real images; memory-mapped float16 where they come from disk."""

    def __init__(self, features: Float[Tensor, "n v d"], labels: Int[Tensor, "n"], classes: int) -> None:
        self.features, self.labels, self.classes = features, labels, classes

    @staticmethod
    def open_or_compute(
        images: ImageSet,
        backbone: Backbone,
        recipe: Recipe,
        folder: Path,
        compute: Compute,
        progress: Progress = lambda done, total: None,
    ) -> "Bank":
        """Open the bank that belongs to these images, backbone and recipe; compute whatever is missing.

        `progress(done, total)` counts images. Safe to kill at any moment, and to call from several processes at once.
        """
        place = folder / _key(images, backbone, recipe, compute)
        place.mkdir(parents=True, exist_ok=True)
        with FileLock(place / "lock", fallback_to_soft=False):
            if not (place / "features.safetensors").exists():
                _compute(images, backbone, recipe, place, compute, progress)
        return Bank(_map(place / "features.safetensors"), images.labels, len(images.classes))

    def class_means(self) -> Float[Tensor, "c d"]:
        """Mean feature of each class over its images and views, float32; summed in float64, class by class."""
        means = torch.zeros(self.classes, self.features.shape[-1], dtype=torch.float64)
        for label in range(self.classes):
            rows = (self.labels == label).nonzero().flatten()
            for part in rows.split(4096):
                means[label] += self.features[part].sum(dim=(0, 1), dtype=torch.float64)
            means[label] /= max(len(rows) * self.features.shape[1], 1)
        return means.float()

    def prior(self, balanced: bool) -> Float[Tensor, "c"]:
        """Share of each class: the data set's own, or equal over the classes that occur."""
        counts = torch.bincount(self.labels, minlength=self.classes).float()
        if balanced:
            counts = (counts > 0).float()
        return counts / counts.sum()

    def row_weights(self, balanced: bool) -> Float[Tensor, "n"]:
        """Weight of each image, summing to 1."""
        return (
            class_weights(self.labels, self.classes)
            if balanced
            else torch.full((len(self.labels),), 1 / len(self.labels))
        )


def view_features(
    images: Float[Tensor, "n 3 r r"],
    backbone: Backbone,
    augment: Augment,
    compute: Compute,
    *,
    views: int,
    batch: int,
    seed: int,
) -> Float[Tensor, "n v d"]:
    """Features of `views` views of images in [0, 1] that are in memory, float32, on the images' device."""
    n = len(images)
    choices = augment.draw(n, views=views, random=generator("cpu", seed))
    with torch.no_grad():
        rows = [
            compute.encode(backbone, augment.views_for(backbone, images, choices[start : start + batch]))
            for start in range(0, n * views, batch)
        ]
    return torch.cat(rows).view(views, n, -1).transpose(0, 1).contiguous()


def as_images(images: UInt8[Tensor, "n 3 s s"], device: torch.device) -> Float[Tensor, "n 3 s s"]:
    """Loaded squares as images in [0, 1] on the device."""
    return images.to(device, non_blocking=True).float() / 255


def _compute(
    images: ImageSet, backbone: Backbone, recipe: Recipe, place: Path, compute: Compute, progress: Progress
) -> None:
    n, size = len(images), backbone.input_size
    partial, done_file = place / "features.part", place / "done.json"
    resize = round(recipe.resize * size / 224)
    augment = None
    if recipe.augment is not None:
        augment = Augment(recipe.augment, side=size, seed=recipe.seed, device=compute.device)
    rows = _create(partial, (n, recipe.views, backbone.feature_size))
    done = json.loads(done_file.read_text())["done"] if done_file.exists() else 0
    batches = [range(start, min(start + recipe.batch, n)) for start in range(done, n, recipe.batch)]
    crop = size if augment is None else resize
    progress(done, n)
    for batch, squares in zip(batches, _ahead(images, batches, resize, crop), strict=True):
        pictures = as_images(squares, compute.device)
        if augment is None:
            with torch.no_grad():
                features = compute.features(backbone, pictures)[:, None]
        else:
            features = view_features(
                pictures,
                backbone,
                augment,
                compute,
                views=recipe.views,
                batch=recipe.batch,
                seed=recipe.seed + batch.start,
            )
        rows[batch.start : batch.stop] = features.half().cpu().numpy()
        rows.flush()
        write_json(done_file, {"done": batch.stop})
        progress(batch.stop, n)
    partial.replace(place / "features.safetensors")
    done_file.unlink(missing_ok=True)


def _ahead(images: ImageSet, batches: list[range], resize: int, crop: int) -> Iterator[UInt8[Tensor, "n 3 s s"]]:
    """Yield the batches in order; each is loaded while the caller computes on the one before."""
    with ThreadPoolExecutor(max_workers=1) as pool:
        waiting = None
        for batch in batches:
            following = pool.submit(load_squares, images, list(batch), resize, crop)
            if waiting is not None:
                yield waiting.result()
            waiting = following
        if waiting is not None:
            yield waiting.result()


def _key(images: ImageSet, backbone: Backbone, recipe: Recipe, compute: Compute) -> str:
    facts = [
        images.fingerprint,
        backbone.name,
        backbone.weights_hash,
        backbone.input_size,
        asdict(recipe),
        compute.precision_of(backbone),
    ]
    digest = hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()[:16]
    return f"{images.name.replace('/', '-')}-{backbone.name.replace('/', '-').replace(':', '-')}-{digest}"


def _create(path: Path, shape: tuple[int, ...]) -> Any:
    """A safetensors file with one float16 tensor of this shape, opened for writing in place (kept if it is there)."""
    size = int(np.prod(shape)) * 2
    header = json.dumps({"features": {"dtype": "F16", "shape": list(shape), "data_offsets": [0, size]}}).encode()
    header += b" " * (-len(header) % 8)
    offset = 8 + len(header)
    if not path.exists() or path.stat().st_size != offset + size:
        with path.open("wb") as file:
            file.write(len(header).to_bytes(8, "little") + header)
            file.truncate(offset + size)
    return np.memmap(path, dtype=np.float16, mode="r+", offset=offset, shape=shape)


def _map(path: Path) -> Float[Tensor, "n v d"]:
    with path.open("rb") as file:
        length = int.from_bytes(file.read(8), "little")
        header = json.loads(file.read(length))["features"]
    mapped = np.memmap(path, dtype=np.float16, mode="c", offset=8 + length, shape=tuple(header["shape"]))
    return torch.from_numpy(mapped)
