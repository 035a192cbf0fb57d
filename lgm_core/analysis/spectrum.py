"""How a backbone spreads images over its features: effective dimension, RankMe, spectrum, separation of classes.

Legend: N images, D features, C classes. Everything is summed in float64, over chunks of images.

>>> values = eigenvalues(features)  # of the covariance, largest first
>>> participation_ratio(values), rank_me(features)
(41.7, 213.4)
"""

import torch
from jaxtyping import Float, Int
from torch import Tensor

from lgm_core.analysis.neighbours import class_centres
from lgm_core.analysis.projection import mean_of

_CHUNK = 4096


def eigenvalues(features: Float[Tensor, "n d"]) -> Float[Tensor, "d"]:
    """Variance along each principal axis, largest first; their sum is the features' total variance."""
    centre = mean_of(features)
    return _squared_lengths(features, centre) / len(features)


def participation_ratio(values: Float[Tensor, "d"]) -> float:
    """Effective dimension of a spectrum, between 1 and D: its sum squared over the sum of its squares."""
    return float(values.sum() ** 2 / values.square().sum().clamp_min(1e-300))


def rank_me(features: Float[Tensor, "n d"]) -> float:
    """Effective rank of the features, not centred: e to the entropy of their singular values' shares.

    RankMe, Garrido et al., ICML 2023, arXiv 2210.02885, equation 1.
    """
    singular = _squared_lengths(features, torch.zeros(features.shape[1], dtype=torch.float64)).sqrt()
    share = singular / singular.sum() + 1e-7
    return float((-(share * share.log()).sum()).exp())


def separation(features: Float[Tensor, "n d"], labels: Int[Tensor, "n"], *, classes: int) -> float:
    """Share of the features' variance that lies between the class means, in [0, 1]."""
    means, _ = class_centres(features, labels, classes=classes)
    sizes = torch.bincount(labels, minlength=classes).double()
    centre = mean_of(features)
    between = (sizes[:, None] * (means.double() - centre).square()).sum()
    total = sum(float((part.double() - centre).square().sum()) for part in features.split(_CHUNK))
    return float(between) / max(total, 1e-300)


def hardest_pairs(confusion: list[list[int]], most: int = 8) -> list[tuple[int, int, int, int]]:
    """Pairs of classes taken for each other most often: (a, b, of a taken for b, of b taken for a); none with 0."""
    pairs = [
        (a, b, confusion[a][b], confusion[b][a]) for a in range(len(confusion)) for b in range(a + 1, len(confusion))
    ]
    return sorted((pair for pair in pairs if pair[2] + pair[3]), key=lambda pair: -pair[2] - pair[3])[:most]


def _squared_lengths(features: Tensor, centre: Tensor) -> Float[Tensor, "d"]:
    """Squared singular values of the features around a centre, largest first."""
    width = features.shape[1]
    gram = torch.zeros(width, width, dtype=torch.float64)
    for part in features.split(_CHUNK):
        around = part.double() - centre
        gram += around.T @ around
    return torch.linalg.eigvalsh(gram).flip(0).clamp_min(0)
