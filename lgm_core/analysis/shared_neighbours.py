"""What two backbones' neighbourhoods have in common, image by image: mutual k-NN and CKNNA.

Legend: N images, K neighbours listed of each, P permutations, S = 1 + P samples, Q values of k.

>>> found = shared_neighbours(left, right, ks=[1, 10, 50])  # two `Neighbourhood`s
>>> found.counts.shape, found.mutual()[0]  # neighbours in common; their mean share, as the data are
(torch.Size([3, 2000]), tensor([0.31, 0.38, 0.45]))
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import torch
from jaxtyping import Float, Int
from torch import Tensor


@dataclass(frozen=True, kw_only=True)
class Neighbourhood:
    """The nearest other images of each image in one backbone, best first.

    `kernel[i, j]`: ⟨xᵢ, xⱼ⟩ for the j-th neighbour; `values[i, j]`: the same minus meanₗ ⟨xᵢ, xₗ⟩. Both float64.
    """

    near: Int[Tensor, "n k"]
    kernel: Float[Tensor, "n k"]
    values: Float[Tensor, "n k"]

    @cached_property
    def places(self) -> tuple[Int[Tensor, "nk"], Int[Tensor, "nk"]]:
        """One number for each pair of an image and its neighbour, ascending, and where in `near` it stands."""
        return _numbers(self.near, torch.arange(len(self.near), device=self.near.device)).flatten().sort()


@dataclass(frozen=True, kw_only=True)
class Shared:
    """Of each image and k: neighbours in common, and the three sums that CKNNA is made of. All [Q, N]."""

    ks: Sequence[int]
    counts: Int[Tensor, "q n"]
    both: Float[Tensor, "q n"]
    left: Float[Tensor, "q n"]
    right: Float[Tensor, "q n"]

    def mutual(self, weights: Float[Tensor, "n b"] | None = None) -> Float[Tensor, "b q"]:
        """Mean share of common neighbours. `weights`: how often each image was drawn; None: once, B = 1."""
        weights = self._weights(weights)
        sizes = torch.tensor(self.ks, dtype=torch.float64, device=weights.device)
        return ((self.counts.double() @ weights) / weights.sum(dim=0)).T / sizes

    def cknna(self, weights: Float[Tensor, "n b"] | None = None) -> Float[Tensor, "b q"]:
        """CKA over mutual neighbours alone. Huh et al., arXiv 2405.07987, appendix A; 0 where a side has no spread."""
        weights = self._weights(weights)
        both, left, right = (part @ weights for part in (self.both, self.left, self.right))
        own = (left * right).clamp_min(0).sqrt()
        return torch.where(own > 0, both / own.clamp_min(1e-30), 0.0).T

    def _weights(self, weights: Tensor | None) -> Tensor:
        one = torch.ones(self.counts.shape[1], 1, dtype=torch.float64, device=self.counts.device)
        return one if weights is None else weights.double()


def neighbourhood(features: Float[Tensor, "n d"], near: Int[Tensor, "n k"], *, rows: int = 64) -> Neighbourhood:
    """The kernel values of known neighbours; the kernel is the inner product of `features`. `rows` images at a time.

    They go into one tensor that is there from the start: each part's own, left between two large parts, would keep the
    allocator from using the memory of the first again, and all parts would be held at the end.
    """
    mean = features.double().mean(dim=0)
    kernel = torch.empty(near.shape, dtype=torch.float64, device=features.device)
    for part, places, values in zip(features.split(rows), near.split(rows), kernel.split(rows), strict=True):
        values.copy_(torch.einsum("nd,nkd->nk", part.double(), features[places].double()))
    return Neighbourhood(near=near, kernel=kernel, values=kernel - (features.double() @ mean)[:, None])


def shared_neighbours(
    left: Neighbourhood, right: Neighbourhood, *, ks: Sequence[int], order: Int[Tensor, "n"] | None = None
) -> Shared:
    """What the k nearest images of each image have in common, for several k at once.

    `order`: the right side's images are permuted, so that image i is its image `order[i]`.
    """
    most = right.near.shape[1]
    order = torch.arange(len(left.near), device=left.near.device) if order is None else order
    numbers, stands = right.places
    asked = _numbers(order[left.near], order)
    found = torch.searchsorted(numbers, asked).clamp_max(len(numbers) - 1)
    at = stands[found]
    place = torch.where(numbers[found] == asked, at % most, most)  # in the right side's list of that image
    products = left.values * right.values.flatten()[at]
    common = [place[:, :k] < k for k in ks]
    own = [torch.stack([side.values[:, :k].square().sum(dim=1) for k in ks]) for side in (left, right)]
    return Shared(
        ks=ks, counts=torch.stack([one.sum(dim=1) for one in common]),
        both=torch.stack([(products[:, : one.shape[1]] * one).sum(dim=1) for one in common]),
        left=own[0], right=own[1][:, order],
    )  # fmt: skip


def _numbers(near: Tensor, images: Tensor) -> Tensor:
    return images[:, None] * len(near) + near
