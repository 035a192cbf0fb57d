"""What measures of alignment are computed of: two backbones' features, as they are, by chance, and resampled.

Legend: N images, D features, C principal axes, K neighbours, S samples, P permutations, B resamples, Q values of k.

`Permuted` has the data as they are, then with the images of one side permuted (S = 1 + P: chance), `Resampled` has the
images of both sides drawn with replacement (S = B: an interval).

>>> left, right = (prepare(features, k=50) for features in (a, b))
>>> Permuted(left, right, ks=[10, 50], permutations=orders).mutual(10).shape
torch.Size([201])
"""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Literal

import torch
from jaxtyping import Float, Int
from torch import Tensor
from torch.nn.functional import normalize

from lgm_core.analysis.neighbours import neighbours_within
from lgm_core.analysis.pair_sums import CHUNK, ROWS, TwoSums, permuted_sums, resampled_sums
from lgm_core.analysis.projection import fit_pca
from lgm_core.analysis.shared_neighbours import Neighbourhood, Shared, neighbourhood, shared_neighbours

Kernel = Literal["linear", "cosine", "correlation"]
Trio = tuple[TwoSums, TwoSums, TwoSums]  # of (K, L), (K, K), (L, L)


@dataclass(frozen=True, kw_only=True)
class Prepared:
    """One backbone's features as the measures need them, on the device."""

    cka: Float[Tensor, "n d"]  # centred over the images
    rsa: Float[Tensor, "n d"]  # of unit length
    neighbourhood: Neighbourhood
    axes: Float[Tensor, "n c"]  # float64, centred


def prepare(
    features: Float[Tensor, "n d"], *, k: int, cka_kernel: Kernel = "linear", rsa_kernel: Kernel = "cosine",
    axes: int = 100, rows: int = 2048,
) -> Prepared:  # fmt: skip
    """Features for all measures: k neighbours by the cosine, `axes` principal components (0: all) for Procrustes.

    Neighbours are approximate above `neighbours.MOST_EXACT` images; ranks (`torn_groups`) and sums over pairs are not.
    Kernels are inner products: "linear" of the features, "cosine" of their directions, "correlation" of their
    directions after each image's own mean was taken off.
    """
    seen = as_kernel(features, cka_kernel)
    unit = normalize(features.float())
    count = min(axes or features.shape[1], *features.shape)
    return Prepared(
        cka=seen - seen.double().mean(dim=0).to(seen.dtype),
        rsa=as_kernel(features, rsa_kernel),
        neighbourhood=neighbourhood(unit, neighbours_within(features, k=k, rows=rows)[0]),
        axes=fit_pca(features, dimensions=count).project(features).double(),
    )


def as_kernel(features: Float[Tensor, "n d"], kernel: Kernel) -> Float[Tensor, "n d"]:
    """Features whose inner products are the kernel; float32."""
    features = features.float()
    if kernel == "correlation":
        features = features - features.mean(dim=1, keepdim=True)
    return features if kernel == "linear" else normalize(features)


class Samples(ABC):
    """Facts about one pair of backbones in S samples of the images."""

    @property
    @abstractmethod
    def cka(self) -> Trio: ...

    @property
    @abstractmethod
    def rsa(self) -> Trio: ...

    @abstractmethod
    def mutual(self, k: int) -> Float[Tensor, "s"]: ...

    @abstractmethod
    def cknna(self, k: int) -> Float[Tensor, "s"]: ...

    @property
    @abstractmethod
    def axes(self) -> tuple[Float[Tensor, "s c c"], Float[Tensor, "s"], Float[Tensor, "s"]]:
        """Cross-product of the two sides' principal components, and the squared norm of each side."""


class Permuted(Samples):
    """The data as they are, then with the right side's images permuted: [1 + P].

    `shared` is what the neighbourhoods have in common as they are; `histograms[q][c]`: images, over all permutations,
    with c common ones of `ks[q]`.
    """

    def __init__(
        self, left: Prepared, right: Prepared, *, ks: Sequence[int], permutations: Int[Tensor, "p n"] | None = None,
        chunk: int = CHUNK,
    ) -> None:  # fmt: skip
        device = left.cka.device
        given = permutations if permutations is not None else torch.zeros(0, len(left.cka), dtype=torch.int64)
        self._left, self._right, self._chunk, self._ks = left, right, chunk, list(ks)
        self._permutations = given.to(device)
        self.shared = self._share()
        self.histograms = [torch.zeros(k + 1, dtype=torch.int64) for k in ks]
        found = [self.shared]
        for order in self._permutations:
            shared = self._share(order)
            for histogram, counts, k in zip(self.histograms, shared.counts, ks, strict=True):
                histogram += torch.bincount(counts, minlength=k + 1).cpu()
            found.append(shared)
        self._mutual = torch.cat([shared.mutual() for shared in found])
        self._cknna = torch.cat([shared.cknna() for shared in found])

    @cached_property
    def cka(self) -> Trio:
        return self._trio(self._left.cka, self._right.cka)

    @cached_property
    def rsa(self) -> Trio:
        return self._trio(self._left.rsa, self._right.rsa)

    def mutual(self, k: int) -> Tensor:
        return self._mutual[:, self._ks.index(k)]

    def cknna(self, k: int) -> Tensor:
        return self._cknna[:, self._ks.index(k)]

    @cached_property
    def axes(self) -> tuple[Tensor, Tensor, Tensor]:
        x, y = self._left.axes, self._right.axes
        cross = torch.stack([x.T @ y, *(x.T @ y[order] for order in self._permutations)])
        left, right = (part.square().sum().expand(len(cross)) for part in (x, y))
        return cross, left, right

    def _share(self, order: Tensor | None = None) -> Shared:
        left, right = self._left.neighbourhood, self._right.neighbourhood
        return shared_neighbours(left, right, ks=self._ks, order=order)

    def _trio(self, x: Tensor, y: Tensor) -> Trio:
        left, right = (permuted_sums(part, part, chunk=self._chunk) for part in (x, y))
        return permuted_sums(x, y, self._permutations, chunk=self._chunk), left, right


class Resampled(Samples):
    """The images of both sides drawn with replacement: image i `weights[i, b]` times.

    Neighbours are those among all images, so that an image's own copies are none.
    """

    def __init__(
        self, left: Prepared, right: Prepared, shared: Shared, weights: Float[Tensor, "n b"], *, rows: int = ROWS
    ) -> None:
        self._left, self._right, self._shared, self._rows = left, right, shared, rows
        self._weights = weights.to(left.cka.device)

    @cached_property
    def cka(self) -> Trio:
        return resampled_sums(self._left.cka, self._right.cka, self._weights, rows=self._rows)

    @cached_property
    def rsa(self) -> Trio:
        return resampled_sums(self._left.rsa, self._right.rsa, self._weights, rows=self._rows)

    def mutual(self, k: int) -> Tensor:
        return self._shared.mutual(self._weights)[:, self._shared.ks.index(k)]

    def cknna(self, k: int) -> Tensor:
        return self._shared.cknna(self._weights)[:, self._shared.ks.index(k)]

    @cached_property
    def axes(self) -> tuple[Tensor, Tensor, Tensor]:
        x, y = self._left.axes, self._right.axes
        found = []
        for w in self._weights.T.double():
            a, b = (part - (w @ part) / w.sum() for part in (x, y))
            weighed = w[:, None] * a
            found.append((weighed.T @ b, (weighed * a).sum(), (w[:, None] * b.square()).sum()))
        return tuple(map(torch.stack, zip(*found, strict=True)))  # type: ignore[return-value]
