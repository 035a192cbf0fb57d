"""Groups of images that one backbone holds together and another tears apart, found without labels.

After RDX, Kondapaneni et al., arXiv 2505.23917: neighbourhood distances are ranks, their difference is weighed towards
the near ones, and the graph of the differences is clustered. Here the graph holds the near pairs only, so that it
stays sparse. Legend: N images, D and E features, K neighbours, G members of a group.

>>> torn_groups(left, right, neighbours_within(left, k=20)[0], groups=6, seed=0)[0]
TornGroup(members=[17, 803, ...], rank_near=9.5, rank_far=412.0, cosine_near=0.71, cosine_far=0.2, kept_near=0.93, ...)
"""

from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor
from torch.nn.functional import normalize

MOST = 2000  # images clustered, those with the largest differences: a spectral clustering needs all pairs of them
FEWEST = 4  # images of a group
LEAST = 0.1  # by how much the share of nearest images that are members has to be larger in the one than in the other
FARTHER = 2.0  # times: how much larger the typical rank among members has to be in the other backbone
_FINER = 8  # times as many clusters as groups are asked for, but not smaller than ...
_AVERAGE = 20  # ... images each: those that are not torn apart are left out
_ROWS = 256


@dataclass(frozen=True, kw_only=True)
class TornGroup:
    """Images that lie together in one backbone (near) and apart in the other (far), the most typical first.

    rank_*    median rank, from 1, of one member among the nearest images of another; N / 2 for images at random
    cosine_*  mean cosine between two members
    kept_*    mean share of a member's G - 1 nearest images that are members
    """

    members: list[int]
    rank_near: float
    rank_far: float
    cosine_near: float
    cosine_far: float
    kept_near: float
    kept_far: float


def torn_groups(
    near: Float[Tensor, "n d"], far: Float[Tensor, "n e"], neighbours: Int[Tensor, "n k"], *, groups: int, seed: int,
    most: int = MOST,
) -> list[TornGroup]:  # fmt: skip
    """At most `groups` groups, those first that are kept most in the one and least in the other.

    `neighbours`: those in `near`, best first. The weight of a pair is log(rank in far / rank in near) / log(N - 1), 0
    where far is nearer.
    """
    near, far = (normalize(part.float()) for part in (near, far))
    n, k = neighbours.shape
    ranks = ranks_of(far, neighbours).float()
    own = torch.arange(1, k + 1, device=ranks.device)
    weights = ((ranks / own).log() / np.log(max(n - 1, 2))).clamp_min(0).cpu().numpy()
    strength = weights.sum(axis=1) + np.bincount(neighbours.cpu().numpy().ravel(), weights.ravel(), minlength=n)
    chosen = np.sort(np.argsort(-strength, kind="stable")[:most])
    affinity = _affinity(weights, neighbours.cpu().numpy(), chosen)
    found = []
    for rows in _clusters(affinity, _FINER * groups, seed):
        inner = affinity[np.ix_(rows, rows)].sum(axis=1)
        typical = rows[inner >= inner.mean() / 2]  # the others only had nowhere else to go
        if len(typical) >= FEWEST:
            order = np.argsort(-affinity[np.ix_(typical, typical)].sum(axis=1), kind="stable")
            found.append(_told(chosen[typical[order]].tolist(), near, far))
    torn = [
        group for group in found
        if group.kept_near - group.kept_far >= LEAST and group.rank_far >= FARTHER * group.rank_near
    ]  # fmt: skip
    return sorted(torn, key=lambda group: group.kept_far - group.kept_near)[:groups]


def ranks_of(
    features: Float[Tensor, "n d"], others: Int[Tensor, "m k"], rows: Int[Tensor, "m"] | None = None, *,
    chunk: int = _ROWS,
) -> Int[Tensor, "m k"]:  # fmt: skip
    """Rank, from 1, of these images among the nearest other images of each image; features of unit length.

    `rows`: of which images; None: of all. Equal similarities share the best rank.
    """
    rows = torch.arange(len(features), device=features.device) if rows is None else rows
    found = torch.empty_like(others)  # at once: `shared_neighbours.neighbourhood`
    for own, asked, ranks in zip(rows.split(chunk), others.split(chunk), found.split(chunk), strict=True):
        similarity = features[own] @ features.T
        similarity.scatter_(1, own[:, None], -torch.inf)
        wanted = similarity.gather(1, asked)
        ordered = similarity.sort(dim=1).values
        ranks.copy_(len(features) - torch.searchsorted(ordered, wanted, right=True) + 1)
    return found


def _affinity(weights: np.ndarray, neighbours: np.ndarray, chosen: np.ndarray) -> np.ndarray:
    """The weights among the chosen images, [M, M], symmetric."""
    place = np.full(len(neighbours), -1)
    place[chosen] = np.arange(len(chosen))
    affinity = np.zeros((len(chosen), len(chosen)))
    there = place[neighbours[chosen]]
    rows, columns = np.nonzero(there >= 0)
    affinity[rows, there[rows, columns]] = weights[chosen][rows, columns]
    return (affinity + affinity.T) / 2


def _clusters(affinity: np.ndarray, count: int, seed: int) -> list[np.ndarray]:
    """The rows of each spectral cluster; a touch of affinity between all keeps the graph in one piece."""
    count = min(count, max(len(affinity) // _AVERAGE, 2))
    if len(affinity) < 2 * FEWEST:
        return []
    from sklearn.cluster import SpectralClustering  # takes a second to import; only this function needs it

    joined = affinity + 1e-3 * max(affinity.mean(), 1e-12)
    clustering = SpectralClustering(count, affinity="precomputed", assign_labels="cluster_qr", random_state=seed)
    labels = clustering.fit_predict(joined)
    return [np.flatnonzero(labels == label) for label in range(count)]


def _told(members: list[int], near: Tensor, far: Tensor) -> TornGroup:
    """A group with its evidence in both backbones."""
    facts: dict[str, float] = {}
    rows = torch.tensor(members, device=near.device)
    other = ~torch.eye(len(members), dtype=torch.bool, device=near.device)
    for name, features in (("near", near), ("far", far)):
        ranks = ranks_of(features, rows.expand(len(rows), -1), rows)[other].float()
        facts[f"rank_{name}"] = float(ranks.median())
        facts[f"cosine_{name}"] = float((features[rows] @ features[rows].T)[other].mean())
        facts[f"kept_{name}"] = float((ranks < len(members)).float().mean())
    return TornGroup(members=members, **facts)
