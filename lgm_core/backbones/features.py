"""Images -> features, computed once, kept memory-mapped under a content key, taken up where a killed run left off.

Legend: N images, V views of each, D features.

>>> bank = Bank.open_or_compute(train, backbone, recipe, folder, compute)  # opens a file under `folder`, or makes it
>>> bank.features.shape, bank.class_means().shape
(torch.Size([9469, 4, 576]), torch.Size([10, 576]))
"""

import hashlib
import json
import logging
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import nullcontext
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import torch
from filelock import FileLock
from jaxtyping import Float, Int, UInt8
from torch import Tensor

from lgm_core.backbones.augment import Augment
from lgm_core.backbones.bank_files import create_bank, forget_others, is_whole, map_bank, note_batch, whole_batches
from lgm_core.base import ranks
from lgm_core.base.device import Compute
from lgm_core.base.errors import UserError
from lgm_core.base.files import to_disk
from lgm_core.base.interfaces import Backbone, ImageSet, generator
from lgm_core.base.seals import seal
from lgm_core.base.settings import AugmentConfig
from lgm_core.datasets.image_set import load_squares
from lgm_core.datasets.spread import class_weights

Progress = Callable[[int, int], None]
_warn = logging.getLogger("lgm").warning


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
        note: Callable[[str], object] = _warn,
    ) -> "Bank":
        """Open the bank that belongs to these images, backbone and recipe; compute whatever is missing or damaged.

        `progress(done, total)` counts images; `note` is told of damage. Safe to kill at any moment, and to call from
        several processes at once. The processes of one run come here together and share the images; one of them writes.
        """
        place = folder / _key(images, backbone, recipe, compute)
        place.mkdir(parents=True, exist_ok=True)
        leads = ranks.rank() == 0
        with FileLock(place / "lock", fallback_to_soft=False) if leads else nullcontext():
            if leads:
                forget_others(place, images.content, note)
            if not ranks.agree(leads and is_whole(place / "features.safetensors", note)):
                _compute(images, backbone, recipe, place, compute, progress)
            if leads:  # also that of a process that was killed just before this
                (place / "done.jsonl").unlink(missing_ok=True)
        return Bank(map_bank(place / "features.safetensors"), images.labels, len(images.classes))

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
    """Batch by batch, dealt out in turn to the processes that do this together; the first one writes."""
    n, size, leads = len(images), backbone.input_size, ranks.rank() == 0
    partial, done_file = place / "features.part", place / "done.jsonl"
    rows = create_bank(partial, (n, recipe.views, backbone.feature_size)) if leads else None
    done = ranks.agree(0 if rows is None else min(whole_batches(rows, done_file, recipe.batch) * recipe.batch, n))
    batches = [range(start, min(start + recipe.batch, n)) for start in range(done, n, recipe.batch)]
    own = _features_of(images, batches[ranks.rank() :: ranks.ranks()], backbone, recipe, compute, size)
    progress(done, n)
    for first in range(0, len(batches), ranks.ranks()):
        ranks.agree(first)  # the first one may have been asked to stop
        for batch, half in zip(batches[first:], ranks.collect(_next_or_why(own)), strict=False):
            if isinstance(half, UserError) and leads:
                raise half
            if rows is not None:
                rows[batch.start : batch.stop] = half
                note_batch(rows, done_file, recipe.batch, batch.start // recipe.batch)
            progress(batch.stop, n)
    if rows is not None:
        del rows
        seal(partial)
        to_disk(partial)
        partial.replace(place / "features.safetensors")
        to_disk(place)
    ranks.agree(None)  # the file is there


def _next_or_why(several: Iterator[np.ndarray]) -> np.ndarray | UserError | None:
    """The next of several; None at their end; what it raises, so that the process which records the run can say it."""
    try:
        return next(several, None)
    except UserError as error:
        return error


def _features_of(
    images: ImageSet, batches: list[range], backbone: Backbone, recipe: Recipe, compute: Compute, size: int
) -> Iterator[np.ndarray]:
    """Yield the features of each batch, float16."""
    resize, augment = round(recipe.resize * size / 224), None
    if recipe.augment is not None:
        augment = Augment(recipe.augment, side=size, seed=recipe.seed, device=compute.device)
    crop = size if augment is None else resize
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
        half = features.half().cpu()
        _require_finite(half, images, batch, backbone, compute)
        yield half.numpy()


def _require_finite(features: Tensor, images: ImageSet, batch: range, backbone: Backbone, compute: Compute) -> None:
    """Raise `UserError` that names the first image whose features are no numbers: they would spoil every step."""
    wrong = (~features.isfinite().flatten(1).all(dim=1)).nonzero().flatten()
    if len(wrong):
        precision = compute.precision_of(backbone)
        raise UserError(
            f"{backbone.name} ({precision}) gives features that are not finite or exceed 65,504 for "
            f"{images.origin(batch[int(wrong[0])])}; "
            + (
                "try --device.precision float32"
                if precision != "float32"
                else "its weights may be damaged: fetch them again"
            )
        )


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
    made = asdict(recipe)
    if recipe.augment is not None and not recipe.augment.colour_jitter:
        del made["augment"]["colour_jitter"]  # banks of before this setting was there are the same
    facts = [
        images.fingerprint,
        backbone.name,
        backbone.weights_hash,
        backbone.input_size,
        made,
        compute.precision_of(backbone),
    ]
    digest = hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()[:16]
    return f"{images.name.replace('/', '-')}-{backbone.name.replace('/', '-').replace(':', '-')}-{digest}"
