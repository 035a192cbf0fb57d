"""The real side of gradient matching: the gradient that real data gives a head, three ways.

`MeanTarget`   the expectation at a head of zeros, a constant of the data set
`BankTarget`   the gradient of this step's head over the bank of features
`BatchTarget`  the gradient of this step's head on fresh images, as in the paper

LGM specification, sections 1 and 3. Legend: N images, V views, D features, C classes.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import replace

import torch
from jaxtyping import Float, Int, UInt8
from torch import Tensor
from torch.optim import Adam

from lgm_core.backbones.augment import Augment
from lgm_core.backbones.features import Bank, as_images
from lgm_core.base.device import Compute
from lgm_core.base.interfaces import Backbone, ImageSet, generator
from lgm_core.base.rank_sums import gather
from lgm_core.base.ranks import share
from lgm_core.datasets.image_set import load_squares
from lgm_core.datasets.spread import class_weights
from lgm_core.methods.lgm.gradients import LinearHead, head_gradient, zero_head_gradient


class RealTarget(ABC):
    """What the synthetic gradient is matched to. `zero_head`: the head is 0, so that no head needs to be drawn."""

    zero_head: bool

    @abstractmethod
    def gradient(self, head: LinearHead, step: int) -> Float[Tensor, "c d1"]:
        """Gradient of the real data at `head`, float32, without a graph, on the head's device."""


class MeanTarget(RealTarget):
    """Centred class means: the head's gradient at zero, which small random heads have on average."""

    zero_head = True

    def __init__(self, bank: Bank, *, balanced: bool, device: torch.device) -> None:
        self._gradient = zero_head_gradient(bank.class_means(), bank.prior(balanced)).to(device)

    def gradient(self, head: LinearHead, step: int) -> Float[Tensor, "c d1"]:
        return self._gradient


class BankTarget(RealTarget):
    """All rows of the bank, or, where it is larger, `rows` of them drawn anew each step."""

    zero_head = False

    def __init__(self, bank: Bank, *, balanced: bool, rows: int, seed: int, device: torch.device) -> None:
        views = bank.features.shape[1]
        self._all = bank.features.flatten(0, 1)
        self._labels = bank.labels.repeat_interleave(views)
        self._weights = bank.row_weights(balanced).repeat_interleave(views) / views
        self._rows, self._seed, self._device = rows, seed, device
        self._resident = None
        if len(self._all) <= rows:
            self._resident = (self._all.to(device).float(), self._labels.to(device), self._weights.to(device))

    def gradient(self, head: LinearHead, step: int) -> Float[Tensor, "c d1"]:
        features, labels, weights = self._chosen(step)
        return head_gradient(features, labels, head, weights)

    def trained(self, head: LinearHead, step: int, *, steps: int, rate: float) -> LinearHead:
        """The head after so many steps of Adam on the rows of this step of the distillation; without its bias."""
        if not steps:
            return head
        features, labels, weights = self._chosen(step)
        features, weight = features.float(), head.weight.clone()
        adam = Adam([weight], lr=rate)
        for _ in range(steps):
            weight.grad = head_gradient(features, labels, LinearHead(weight), weights)[:, :-1]
            adam.step()
        return LinearHead(weight)

    def _chosen(self, step: int) -> tuple[Float[Tensor, "n d"], Int[Tensor, "n"], Float[Tensor, "n"]]:
        """Features, labels, and weights that sum to 1."""
        if self._resident is not None:
            return self._resident
        random = generator("cpu", self._seed, step, 0x62616E6B)
        chosen = torch.randint(len(self._all), (self._rows,), generator=random)
        features = self._all[chosen].to(self._device, non_blocking=True)
        labels, weights = self._labels[chosen].to(self._device), self._weights[chosen].to(self._device)
        return features, labels, weights / weights.sum()


class BatchTarget(RealTarget):
    """A fresh batch each step, one view of each image; every epoch is a new shuffle of the whole set.

    The images of the next step that is its own are read and decoded while this one computes.
    """

    zero_head = False

    def __init__(
        self,
        images: ImageSet,
        backbone: Backbone,
        augment: Augment,
        compute: Compute,
        *,
        batch: int,
        resize: int,
        balanced: bool,
        seed: int,
        next_step: Callable[[int], int] = lambda step: step + 1,
    ) -> None:
        """`next_step`: the one after a step in which it is asked again, where backbones take turns."""
        self._next_step = next_step
        self._images, self._backbone, self._augment, self._compute = images, backbone, augment, compute
        self._batch, self._resize, self._balanced, self._seed = min(batch, len(images)), resize, balanced, seed
        self._reader, self._coming = ThreadPoolExecutor(max_workers=1), dict[int, Future[Tensor]]()

    @torch.no_grad()
    def gradient(self, head: LinearHead, step: int) -> Float[Tensor, "c d1"]:
        indices = self._indices(step)
        m, mine = len(indices), share(len(indices))
        wanted = (step, self._next_step(step))  # a step may ask twice
        self._coming = {at: self._coming.get(at) or self._reader.submit(self._read, at, mine) for at in wanted}
        squares = self._coming[step]
        pictures = as_images(squares.result(), self._compute.device)
        choices = self._augment.draw(m, views=1, random=generator("cpu", self._seed, step, 0x7265616C))[mine]
        choices = replace(choices, image=choices.image - mine.start)
        views = self._augment.views_for(self._backbone, pictures, choices)
        features = gather(self._compute.encode(self._backbone, views), m)
        labels = self._images.labels[indices].to(features.device)
        weights = class_weights(labels, len(head.weight)) if self._balanced else None
        return head_gradient(features, labels, head, weights)

    def _read(self, step: int, mine: slice) -> UInt8[Tensor, "n 3 s s"]:
        crop = generator("cpu", self._seed, step, 0x63726F70)
        torch.rand(mine.start, 2, generator=crop)  # the places of the crops before
        return load_squares(self._images, self._indices(step)[mine], self._resize, self._resize, crop)

    def _indices(self, step: int) -> list[int]:
        per_epoch = max(len(self._images) // self._batch, 1)
        epoch, place = divmod(step, per_epoch)
        order = torch.randperm(len(self._images), generator=generator("cpu", self._seed, epoch, 0x65706F63))
        return order[place * self._batch : (place + 1) * self._batch].tolist()
