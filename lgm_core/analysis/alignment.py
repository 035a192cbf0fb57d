"""How alike two backbones see the same images: a table of measures, each a function of one pair's `Samples`.

Legend: S samples, as samples.py makes them: the data, then permuted by chance; or resampled.

>>> MEASURES["cka"].function(Permuted(left, right, ks=[10]))[0]
tensor(0.71)
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from lgm_core.analysis.pair_sums import PairSums
from lgm_core.analysis.samples import Samples


def linear_cka(samples: Samples) -> Float[Tensor, "s"]:
    """Centred kernel alignment, Kornblith et al., ICML 2019, arXiv 1905.00414. In [0, 1]; rises with the width."""
    return _cosine([_hsic(sums.whole) for sums in samples.cka])


def debiased_cka(samples: Samples) -> Float[Tensor, "s"]:
    """CKA with the unbiased HSIC of Song et al., JMLR 2012, as in Nguyen et al., arXiv 2010.15327. About 0 by chance,
    and may be below. Needs four images.
    """
    return _cosine([_unbiased_hsic(sums.without_diagonal) for sums in samples.cka])


def similarity_analysis(samples: Samples) -> Float[Tensor, "s"]:
    """RSA, Kriegeskorte et al., 2008: Pearson's r of the similarities of all pairs of images. In [-1, 1]."""
    return _cosine([_covariance(sums.without_diagonal) for sums in samples.rsa])


def procrustes(samples: Samples) -> Float[Tensor, "s"]:
    """How far one map of principal components turns into the other: Σ singular values / norms, 1 - d² / 2 of the
    orthogonal Procrustes distance d between maps of norm 1. In [0, 1].
    """
    cross, left, right = samples.axes
    return torch.linalg.svdvals(cross).sum(dim=1) / (left * right).sqrt().clamp_min(1e-30)


def mutual_knn(samples: Samples, k: int) -> Float[Tensor, "s"]:
    """Mean share of common nearest neighbours, Huh et al., ICML 2024, arXiv 2405.07987. By chance k / (N - 1)."""
    return samples.mutual(k)


def cknna(samples: Samples, k: int) -> Float[Tensor, "s"]:
    """CKA over mutual nearest neighbours alone, from the same appendix A."""
    return samples.cknna(k)


@dataclass(frozen=True, kw_only=True)
class Measure:
    """One row of the table. `local`: takes k as well. `counts`: part of the consensus."""

    function: Callable[..., Float[Tensor, "s"]]
    local: bool = False
    counts: bool = True


MEASURES: Mapping[str, Measure] = {
    "cka": Measure(function=linear_cka, counts=False),  # the debiased one counts for both
    "cka_debiased": Measure(function=debiased_cka),
    "rsa": Measure(function=similarity_analysis),
    "procrustes": Measure(function=procrustes),
    "mutual_knn": Measure(function=mutual_knn, local=True),
    "cknna": Measure(function=cknna, local=True),
}


def _hsic(sums: PairSums) -> Tensor:
    """Biased, up to the factor (n - 1)⁻², which cancels in a ratio."""
    return sums.cross - 2 * sums.rows / sums.count + sums.left * sums.right / sums.count.square()


def _unbiased_hsic(sums: PairSums) -> Tensor:
    """Song et al., equation 5, of kernel matrices without their diagonals."""
    n = sums.count
    total = sums.cross + sums.left * sums.right / ((n - 1) * (n - 2)) - 2 * sums.rows / (n - 2)
    return total / (n * (n - 3))


def _covariance(sums: PairSums) -> Tensor:
    return sums.cross / sums.pairs - sums.left * sums.right / sums.pairs.square()


def _cosine(parts: Sequence[Tensor]) -> Tensor:
    """both / √(left · right), 0 where a side has no spread."""
    both, left, right = parts
    own = left * right
    return torch.where(own > 0, both / own.clamp_min(1e-30).sqrt(), torch.zeros_like(both))
