"""Real images as a small network sees them: fitted to a side, then through a transform fitted to the training split.

RCIG specification, section 4.4. The fitted transform is kept in the cache under a key of the images' content.
Legend: N images, K channels, R side.

>>> real = open_whitened(bench.train, bench.test, side=32, channels=3, kind="zca", cache=places().cache)
>>> real.train.values(torch.arange(4)).shape, real.transform.inverse(real.train.values(torch.arange(4))).max()
(torch.Size([4, 3, 32, 32]), tensor(1.0000))
"""

import hashlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import final

import torch
from jaxtyping import Float, Int
from torch import Tensor
from torch.nn.functional import interpolate

from lgm_core.base.interfaces import ImageSet
from lgm_core.base.tensor_files import load_cached, save_tensors
from lgm_core.datasets.fitted import fitted_pixels
from lgm_core.datasets.transforms.fit import Batches, fit, from_state, to_state
from lgm_core.datasets.transforms.transform import Transform

_BATCH = 1000
_RESIDENT_BYTES = 2**30  # a split whose values take less is whitened whole at first use, and kept

Progress = Callable[[str, int, int], None]


@final
class WhitenedSplit:
    """One split: pixels in a memory map; whitened all at once where there is room, else batch by batch."""

    def __init__(self, pixels: Tensor, labels: Tensor, transform: Transform, device: torch.device) -> None:
        self.pixels, self.labels, self.device = pixels, labels, device
        self._transform = transform
        self._kept: Tensor | None = None

    def __len__(self) -> int:
        return len(self.labels)

    def values(self, indices: Int[Tensor, "n"]) -> Float[Tensor, "n k r r"]:
        """Whitened images, in the order of `indices`, on the device."""
        if self.pixels.numel() * 4 > _RESIDENT_BYTES:
            return self._whiten(indices)
        if self._kept is None:  # in batches that never change: a resumed run sees the same bits
            kept = torch.empty(self.pixels.shape, device=self.device)
            for rows in torch.arange(len(self)).split(_BATCH):
                kept[rows[0] : rows[-1] + 1] = self._whiten(rows)
            self._kept = kept
        return self._kept[indices.to(self.device)]

    def batches(self, size: int = _BATCH) -> Iterator[tuple[Tensor, Tensor]]:
        """All images and labels, in order."""
        for rows in torch.arange(len(self)).split(size):
            yield self.values(rows), self.labels[rows].to(self.device)

    @torch.no_grad()
    def _whiten(self, indices: Tensor) -> Tensor:
        return self._transform(self.pixels[indices].to(self.device).float() / 255)


@dataclass(frozen=True, kw_only=True)
class Whitened:
    """Both splits, and the transform that was fitted to the first."""

    train: WhitenedSplit
    test: WhitenedSplit
    transform: Transform
    classes: int


def whitened_pictures(images: Float[Tensor, "n 3 r r"], real: Whitened) -> Float[Tensor, "n k s s"]:
    """Images in [0, 1] as the networks see them: averaged to the run's side, made grey if the data are, transformed."""
    side, channels = real.train.pixels.shape[-1], real.train.pixels.shape[1]
    images = images.to(real.train.device)
    if images.shape[-1] != side:
        larger = images.shape[-1] > side
        mode = "area" if larger and images.shape[-1] % side == 0 else "bilinear"
        images = interpolate(images, size=(side, side), mode=mode, **({} if mode == "area" else {"antialias": True}))
    with torch.no_grad():
        return real.transform(images.mean(1, keepdim=True) if channels == 1 else images)


def open_whitened(
    train: ImageSet,
    test: ImageSet,
    *,
    side: int,
    channels: int,
    kind: str,
    cache: Path,
    device: torch.device | str = "cpu",
    progress: Progress = lambda what, done, total: None,
) -> Whitened:
    """Open, and compute what is not in the cache yet. `kind`: one of `transforms.fit.KINDS`."""
    device = torch.device(device)
    splits = []
    for images in (train, test):
        what = f"fitting {images.name} to {side} px"

        def told(done: int, total: int, what: str = what) -> None:
            progress(what, done, total)

        splits.append(fitted_pixels(images, side, cache / "fitted", channels=channels, progress=told))
    transform = _transform(kind, train, splits[0], cache / "transforms", device, progress).to(device)
    return Whitened(
        train=WhitenedSplit(splits[0], train.labels, transform, device),
        test=WhitenedSplit(splits[1], test.labels, transform, device),
        transform=transform,
        classes=len(train.classes),
    )


def _transform(
    kind: str, images: ImageSet, pixels: Tensor, folder: Path, device: torch.device, progress: Progress
) -> Transform:
    if kind == "identity":
        return fit(kind, lambda: iter(()))
    facts = f"{images.fingerprint} {images.content} {tuple(pixels.shape)} {kind}"
    path = folder / f"{kind}-{hashlib.sha256(facts.encode()).hexdigest()[:16]}.safetensors"
    known = load_cached(path)
    if known is None:
        transform = fit(kind, _told(pixels, f"fitting {kind}", progress), device, lambda what: progress(what, 0, 0))
        folder.mkdir(parents=True, exist_ok=True)
        save_tensors(known := to_state(transform), path)
    return from_state(kind, known)


def _told(pixels: Tensor, what: str, progress: Progress) -> Batches:
    def batches() -> Iterator[Tensor]:
        for first in range(0, len(pixels), _BATCH):
            progress(what, first, len(pixels))
            yield pixels[first : first + _BATCH]

    return batches
