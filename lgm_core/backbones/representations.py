"""A backbone's representations as targets that a small network regresses to: vectors, never class probabilities.

MKDT specification, section 1. They come from the banks of features, so that each image is seen once per backbone.
Legend: N images, D features.

>>> teacher = open_teacher(bench, "dinov2_vits14", "unit")
>>> teacher.of_rows(torch.arange(4)).shape, teacher.of_images(images).shape
(torch.Size([4, 384]), torch.Size([10, 384]))
"""

from typing import final

import torch
from jaxtyping import Float, Int
from torch import Tensor

from lgm_core.backbones.abstract_bench import Bench
from lgm_core.backbones.features import Bank
from lgm_core.base.interfaces import Backbone

SCALES = ("raw", "unit")
_ROWS = 8192


def open_teacher(bench: Bench, name: str, scale: str) -> "Teacher":
    """The representations of a run's training images in the backbone of a name; computed once, kept on disk."""

    def made() -> Teacher:
        backbone = bench.backbone(name)
        return Teacher(bench, backbone, bench.clean_bank(bench.train, backbone), scale)

    return bench.once(f"teacher {name} {scale}", made)


@final
class Teacher:
    """Targets of real images by their rows, and of any other images.

    `scale` "raw": as the backbone gives them, as in the reference; "unit": less their mean over the training images,
    and divided by one number, so that the mean squared entry is 1: then a learning rate suits every backbone.
    """

    def __init__(self, bench: Bench, backbone: Backbone, bank: Bank, scale: str) -> None:
        self._bench, self._backbone, self._bank = bench, backbone, bank
        self._device = bench.compute.device
        self.size = backbone.feature_size
        self.centre, self.length = torch.zeros(self.size), 1.0
        if scale == "unit":
            self.centre, self.length = _centre_and_length(bank)

    @property
    def facts(self) -> list[str | float]:
        """What the targets' bits depend on, besides the images."""
        return [self._backbone.name, self._backbone.weights_hash, self.length, float(self.centre.sum())]

    def __len__(self) -> int:
        return len(self._bank.labels)

    def of_rows(self, rows: Int[Tensor, "n"]) -> Float[Tensor, "n d"]:
        """Targets of training images, float32, on the device."""
        return self._scaled(self._bank.features[rows.cpu(), 0])

    def of_images(self, images: Float[Tensor, "n 3 r r"]) -> Float[Tensor, "n d"]:
        """Targets of images in [0, 1], which are seen as the real ones are."""
        return self._scaled(self._bench.seen_clean(images, self._backbone))

    def _scaled(self, features: Tensor) -> Tensor:
        features = features.to(self._device).float()
        return (features - self.centre.to(features)) / self.length


def _centre_and_length(bank: Bank) -> tuple[Float[Tensor, "d"], float]:
    """Mean feature, and the root of the mean squared entry around it; summed in float64."""
    parts = [part[:, 0].double() for part in bank.features.split(_ROWS)]
    centre = torch.stack([part.sum(dim=0) for part in parts]).sum(dim=0) / len(bank.labels)
    squared = sum(float((part - centre).square().sum()) for part in parts)
    return centre.float(), max((squared / (len(bank.labels) * len(centre))) ** 0.5, 1e-12)
