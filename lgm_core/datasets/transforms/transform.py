"""What a fitted, invertible map of images is, and the two plain ones. RCIG specification, section 4.4.

Legend: N images, K channels, R side.

>>> forward = Standardise(mean, std)
>>> torch.allclose(forward.inverse(forward(images)), images, atol=1e-6)
True
"""

from abc import ABC, abstractmethod
from typing import final

import torch
from jaxtyping import Float
from torch import Tensor, nn

State = dict[str, Tensor]


class Transform(ABC, nn.Module):
    """Images in [0, 1] -> values that a network is trained on, unbounded, and back; depends on its buffers alone."""

    @abstractmethod
    def forward(self, images: Float[Tensor, "n k r r"]) -> Float[Tensor, "n k r r"]:
        """Images in [0, 1] -> values."""

    @abstractmethod
    def inverse(self, values: Float[Tensor, "n k r r"]) -> Float[Tensor, "n k r r"]:
        """Values -> images, in [0, 1] where the values came from there; not clamped."""


@final
class Identity(Transform):
    """Leaves images as they are."""

    def forward(self, images: Float[Tensor, "n k r r"]) -> Float[Tensor, "n k r r"]:
        return images

    def inverse(self, values: Float[Tensor, "n k r r"]) -> Float[Tensor, "n k r r"]:
        return values


@final
class Standardise(Transform):
    """Each channel to mean 0 and standard deviation 1 over the training images."""

    mean: Tensor
    std: Tensor

    def __init__(self, mean: Float[Tensor, "k"], std: Float[Tensor, "k"]) -> None:
        super().__init__()
        self.register_buffer("mean", mean)
        self.register_buffer("std", torch.where(std > 0, std, 1))

    def forward(self, images: Float[Tensor, "n k r r"]) -> Float[Tensor, "n k r r"]:
        return (images - self.mean[:, None, None]) / self.std[:, None, None]

    def inverse(self, values: Float[Tensor, "n k r r"]) -> Float[Tensor, "n k r r"]:
        return values * self.std[:, None, None] + self.mean[:, None, None]
