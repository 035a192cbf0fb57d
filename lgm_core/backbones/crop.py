"""Many resized crops of a few images at once, differentiable: two products with sparse (CPU) or dense (CUDA) matrices.

A bilinear crop is separable: rows are mixed by one matrix, columns by another, each with two numbers per row. This is
grid_sample's arithmetic, at a third of its cost forward and backward on CPU, and its gradient does not depend on the
order in which threads or atomics arrive. On a GPU products of sparse matrices are slower, and not the same twice.
Legend: N images of side R, M crops of side S, T = 2 taps.

>>> crops = Crop.apply(images, image, taps(centre_y, size, 256, 224), taps(centre_x, size, 256, 224), finish)
"""

import warnings
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from jaxtyping import Float, Int
from torch import Tensor
from torch.nn.functional import one_hot


@dataclass(frozen=True)
class Taps:
    """For each output line of each crop: the two input lines it mixes, and their weights."""

    line: Int[Tensor, "m s t"]
    weight: Float[Tensor, "m s t"]


def taps(
    centre: Float[Tensor, "m"], size: Float[Tensor, "m"], inputs: int, outputs: int, *, spill: bool = False
) -> Taps:
    """Bilinear taps of crops along one axis, at pixel centres (align_corners off).

    `centre` in [-1, 1] of the image; `size`: share of its side, negative to mirror. Lines outside the image repeat the
    border, or, with `spill`, are black.
    """
    steps = torch.arange(outputs, device=centre.device, dtype=centre.dtype)
    relative = (2 * steps + 1) / outputs - 1
    position = ((relative[None] * size[:, None] + centre[:, None] + 1) * inputs - 1) / 2
    if not spill:
        position = position.clamp(0, inputs - 1)
    low = position.floor()
    line = torch.stack((low, low + 1), dim=-1).long()
    weight = torch.stack((low + 1 - position, position - low), dim=-1)
    inside = (line >= 0) & (line < inputs)
    return Taps(line.clamp(0, inputs - 1), weight * inside)


class Crop(torch.autograd.Function):
    """[N, 3, R, R] -> [M, 3, S, S], channels last in memory. `dense`: multiply as on a GPU."""

    dense = False

    @staticmethod
    def forward(
        ctx: Any,
        images: Float[Tensor, "n 3 r r"],
        image: Int[Tensor, "m"],
        rows: Taps,
        columns: Taps,
        finish: Callable[[Float[Tensor, "m numbers"]], None],
    ) -> Float[Tensor, "m 3 s s"]:
        """`finish` may add constants to the fresh crops in place, one row of numbers per crop."""
        kind = DenseProducts if images.is_cuda or Crop.dense else SparseProducts
        products = kind(image, rows, columns, len(images))
        ctx.products = products
        crops = products.crops(images)
        finish(crops.view(len(crops), -1))
        return crops.permute(0, 3, 1, 2)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None, None, None, None]:
        return ctx.products.back(gradients[0]), None, None, None, None


class DenseProducts:
    """Whole matrices, multiplied by cuBLAS: a crop at a time in one batch."""

    def __init__(self, image: Int[Tensor, "m"], rows: Taps, columns: Taps, images: int) -> None:
        self._image, self._images, self._taps, self._matrices = image, images, (rows, columns), None

    def crops(self, images: Float[Tensor, "n 3 r r"]) -> Float[Tensor, "m s s 3"]:
        self._matrices = rows, columns = [_dense(taps, images.shape[-1])[:, None] for taps in self._taps]
        return (rows @ (images[self._image] @ columns.mT)).permute(0, 2, 3, 1).contiguous()

    def back(self, gradient: Float[Tensor, "m 3 s s"]) -> Float[Tensor, "n 3 r r"]:
        """The sum over an image's crops is a product too: its order is fixed, that of an indexed sum is not."""
        assert self._matrices is not None
        rows, columns = self._matrices
        single = rows.mT @ gradient @ columns
        owner = one_hot(self._image, self._images).to(single.dtype)
        return (owner.T @ single.flatten(1)).view(self._images, *single.shape[1:])


class SparseProducts:
    """Compressed matrices; pixels of an image beside each other, so that each product mixes whole lines."""

    def __init__(self, image: Int[Tensor, "m"], rows: Taps, columns: Taps, images: int) -> None:
        self._image, self._rows, self._columns, self._images = image, rows, columns, images

    def crops(self, images: Float[Tensor, "n 3 r r"]) -> Float[Tensor, "m s s 3"]:
        n, channels, side, _ = images.shape
        m, size, _ = self._rows.line.shape
        self._shape = (n, channels, side, m, size)
        self._across = Mixer(self._columns, self._image, n, side)
        self._down = Mixer(self._rows, torch.arange(m, device=images.device), m, side)
        lines = images.permute(0, 3, 2, 1).reshape(n * side, side * channels)  # [N x, y c]
        mixed = self._across.mix(lines).view(m, size, side, channels).transpose(1, 2)  # [M, y, x', c]
        crops = self._down.mix(mixed.reshape(m * side, size * channels))
        return crops.view(m, size, size, channels)

    def back(self, gradient: Float[Tensor, "m 3 s s"]) -> Float[Tensor, "n 3 r r"]:
        n, channels, side, m, size = self._shape
        lines = gradient.permute(0, 2, 3, 1).reshape(m * size, size * channels)
        mixed = self._down.back(lines).view(m, side, size, channels).transpose(1, 2)  # [M, x', y, c]
        images = self._across.back(mixed.reshape(m * size, side * channels)).view(n, side, side, channels)
        return images.permute(0, 3, 2, 1)


class Mixer:
    """Mixes the lines of sources into lines of crops, and carries gradients back."""

    def __init__(self, taps: Taps, source: Int[Tensor, "m"], sources: int, side: int) -> None:
        m, size, _ = taps.line.shape
        self._shape = (m * size, sources * side)
        self._line = (taps.line + side * source[:, None, None]).reshape(-1)
        self._weight = taps.weight.reshape(-1)

    def mix(self, lines: Float[Tensor, "k w"]) -> Float[Tensor, "j w"]:
        outputs, inputs = self._shape
        starts = torch.arange(0, 2 * outputs + 1, 2, device=lines.device)
        return _sparse(starts, self._line, self._weight, (outputs, inputs)) @ lines

    def back(self, lines: Float[Tensor, "j w"]) -> Float[Tensor, "k w"]:
        outputs, inputs = self._shape
        order = torch.argsort(self._line, stable=True)
        counts = torch.bincount(self._line, minlength=inputs)
        starts = torch.cat((counts.new_zeros(1), counts.cumsum(0)))
        return _sparse(starts, order // 2, self._weight[order], (inputs, outputs)) @ lines


def _sparse(starts: Tensor, columns: Tensor, values: Tensor, shape: tuple[int, int]) -> Tensor:
    with warnings.catch_warnings(), torch.sparse.check_sparse_tensor_invariants(False):
        warnings.filterwarnings("ignore", "Sparse CSR tensor support is in beta state", UserWarning)
        return torch.sparse_csr_tensor(starts, columns, values, size=shape)


def _dense(taps: Taps, inputs: int) -> Float[Tensor, "m s r"]:
    """Compared, not scattered: where both taps are the same line, a GPU would add them in any order."""
    lines = torch.arange(inputs, device=taps.line.device)
    return sum(torch.where(taps.line[..., tap, None] == lines, taps.weight[..., tap, None], 0.0) for tap in range(2))  # type: ignore[return-value]
