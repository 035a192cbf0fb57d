"""How alike two backbones see the same images: linear CKA and mutual nearest neighbours.

Legend: N images, D features of the left and E of the right backbone, K neighbours. Everything is summed in float64,
over chunks of images.

>>> linear_cka(left, right), linear_cka(left, right, debiased=True)
(0.71, 0.64)
>>> mutual_knn(neighbours_within(left, k=50), neighbours_within(right, k=50), ks=[1, 10, 50])
{1: 0.31, 10: 0.38, 50: 0.45}
"""

from collections.abc import Sequence

import torch
from jaxtyping import Float, Int
from torch import Tensor

CHUNK = 4096


def linear_cka(
    left: Float[Tensor, "n d"], right: Float[Tensor, "n e"], *, debiased: bool = False, chunk: int = CHUNK
) -> float:
    """Centred kernel alignment with linear kernels, Kornblith et al., ICML 2019, arXiv 1905.00414.

    In [0, 1]; few images and many features push it up. `debiased`: HSIC by the unbiased estimator of Song et al.,
    JMLR 2012, as in Nguyen et al., arXiv 2010.15327; about 0 for unrelated features, and may be below.
    Needs at least two images, four if debiased.
    """
    centres = _mean(left, chunk), _mean(right, chunk)
    hsic = _unbiased_hsic if debiased else _hsic
    cross = hsic(left, right, centres[0], centres[1], chunk)
    own = hsic(left, left, centres[0], centres[0], chunk) * hsic(right, right, centres[1], centres[1], chunk)
    return cross / own**0.5 if own > 0 else 0.0


def mutual_knn(
    left: Int[Tensor, "n k"], right: Int[Tensor, "n k"], *, ks: Sequence[int], chunk: int = 2048
) -> dict[int, float]:
    """Mean share of common nearest neighbours, for several k at once. Huh et al., ICML 2024, arXiv 2405.07987, app. A.

    `left` and `right`: the nearest other images of each image, best first, at least max(ks) of them. Unrelated
    backbones have k / (n - 1) in common by chance.
    """
    common = dict.fromkeys(ks, 0)
    for a, b in zip(left.split(chunk), right.split(chunk), strict=True):
        for k in ks:
            common[k] += int((a[:, :k, None] == b[:, None, :k]).sum())
    return {k: count / (k * len(left)) for k, count in common.items()}


def _hsic(a: Tensor, b: Tensor, mean_a: Tensor, mean_b: Tensor, chunk: int) -> float:
    """Squared Frobenius norm of the cross-covariance, up to a constant factor that cancels in the CKA ratio."""
    return float(_cross(a, b, mean_a, mean_b, chunk).square().sum())


def _unbiased_hsic(a: Tensor, b: Tensor, mean_a: Tensor, mean_b: Tensor, chunk: int) -> float:
    """Unbiased HSIC, from sums over Gram matrices with zeroed diagonals; the matrices themselves are never built."""
    n, total_a, total_b, both = len(a), 0.0, 0.0, 0.0
    for x, y in _centred_pairs(a, b, mean_a, mean_b, chunk):
        diagonal_a, diagonal_b = x.square().sum(dim=1), y.square().sum(dim=1)
        total_a, total_b = total_a + float(diagonal_a.sum()), total_b + float(diagonal_b.sum())
        both += float(diagonal_a @ diagonal_b)
    # without its diagonal, a centred Gram matrix has rows that sum to minus the diagonal
    products = _hsic(a, b, mean_a, mean_b, chunk) - both
    return (products + total_a * total_b / ((n - 1) * (n - 2)) - 2 * both / (n - 2)) / (n * (n - 3))


def _cross(a: Tensor, b: Tensor, mean_a: Tensor, mean_b: Tensor, chunk: int) -> Tensor:
    total = torch.zeros(a.shape[1], b.shape[1], dtype=torch.float64, device=a.device)
    for x, y in _centred_pairs(a, b, mean_a, mean_b, chunk):
        total += x.T @ y
    return total


def _centred_pairs(a: Tensor, b: Tensor, mean_a: Tensor, mean_b: Tensor, chunk: int):
    for x, y in zip(a.split(chunk), b.split(chunk), strict=True):
        yield x.double() - mean_a, y.double() - mean_b


def _mean(features: Tensor, chunk: int) -> Tensor:
    return sum(part.double().sum(dim=0) for part in features.split(chunk)) / len(features)  # type: ignore[return-value]
