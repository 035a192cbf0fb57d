"""Regularised ZCA whitening, of whole images or of the four interleaved quarters of large ones.

RCIG specification, section 4.4. Legend: N images, K channels, R side, D values of a tile (K * (R / stride) ** 2).

>>> whiten = Zca(mean, std, centre, forward_matrix, inverse_matrix, stride=1)
"""

from typing import final

import torch
from jaxtyping import Float
from torch import Tensor

from lgm_core.datasets.transforms.transform import Standardise, Transform

REGULARISATION = 0.1  # share of the mean variance


@final
class Zca(Transform):
    """Standardise, subtract the mean image, multiply by U S^-1/2 U'; `stride` 2: each of the four sub-grids alone."""

    centre: Tensor
    forward_matrix: Tensor
    inverse_matrix: Tensor

    def __init__(
        self,
        mean: Float[Tensor, "k"],
        std: Float[Tensor, "k"],
        centre: Float[Tensor, "k r r"],
        forward_matrix: Float[Tensor, "d d"],
        inverse_matrix: Float[Tensor, "d d"],
        *,
        stride: int,
    ) -> None:
        super().__init__()
        self.standardise, self.stride = Standardise(mean, std), stride
        self.register_buffer("centre", centre)
        self.register_buffer("forward_matrix", forward_matrix)
        self.register_buffer("inverse_matrix", inverse_matrix)

    def forward(self, images: Float[Tensor, "n k r r"]) -> Float[Tensor, "n k r r"]:
        return self._tilewise(self.standardise(images) - self.centre, self.forward_matrix)

    def inverse(self, values: Float[Tensor, "n k r r"]) -> Float[Tensor, "n k r r"]:
        return self.standardise.inverse(self._tilewise(values, self.inverse_matrix) + self.centre)

    def _tilewise(self, values: Float[Tensor, "n k r r"], matrix: Float[Tensor, "d d"]) -> Float[Tensor, "n k r r"]:
        return from_tiles(tiles(values, self.stride) @ matrix, values.shape, self.stride)


def tiles(values: Float[Tensor, "n k r r"], stride: int) -> Float[Tensor, "m d"]:
    """Rows of the `stride` ** 2 interleaved sub-grids of each image, flat."""
    n, k, side, _ = values.shape
    small = side // stride
    grid = values.reshape(n, k, small, stride, small, stride).permute(0, 3, 5, 1, 2, 4)
    return grid.reshape(n * stride**2, k * small**2)


def from_tiles(rows: Float[Tensor, "m d"], shape: torch.Size, stride: int) -> Float[Tensor, "n k r r"]:
    """The images of which `tiles` made the rows."""
    n, k, side, _ = shape
    small = side // stride
    return rows.reshape(n, stride, stride, k, small, small).permute(0, 3, 4, 1, 5, 2).reshape(n, k, side, side)


def whitening(covariance: Float[Tensor, "d d"], rows: int) -> tuple[Float[Tensor, "d d"], Float[Tensor, "d d"]]:
    """Forward and inverse matrix, U S^-1/2 U' and U S^1/2 U', of the regularised covariance of `rows` rows.

    With fewer rows than values, eigenvalues beyond the `rows`-th largest count as 1 in both.
    """
    d = len(covariance)
    regularised = covariance + REGULARISATION * covariance.trace() / d * torch.eye(
        d, dtype=covariance.dtype, device=covariance.device
    )
    values, vectors = torch.linalg.eigh(regularised)  # ascending
    if rows < d:
        values[: d - rows] = 1
    root = values.clamp(min=torch.finfo(values.dtype).tiny).sqrt()
    return vectors / root @ vectors.T, vectors * root @ vectors.T
