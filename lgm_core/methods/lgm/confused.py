"""Pairs of classes that a backbone takes for each other, to be exchanged in a contrast set. Legend: N, V, D, C.

N real images, V views of each, D features, C classes.

>>> swapped_pairs(bank)  # 0 and 3 are exchanged, 1 and 2; of an odd number of classes one keeps its meaning
(3, 2, 1, 0)
"""

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn.functional import normalize

from lgm_core.backbones.features import Bank

_ROWS = 4096  # images at once


def swapped_pairs(bank: Bank) -> tuple[int, ...]:
    """For each class the one that it is exchanged with, or itself: the most confused pair first, then of those left.

    Confused is what the nearest class mean, by cosine around the mean of all, takes for each other: the share of a's
    views that are taken for b, and of b's for a. Where pairs are confused alike, often never, the more alike means go
    first.
    """
    means = bank.class_means()
    centre = means.mean(dim=0)
    means = normalize(means - centre)
    counts = torch.zeros(bank.classes, bank.classes)
    for rows in torch.arange(len(bank.labels)).split(_ROWS):
        taken = (normalize(bank.features[rows].float() - centre) @ means.T).argmax(dim=-1)
        true = bank.labels[rows].cpu()[:, None].expand_as(taken)
        counts += torch.bincount((true * bank.classes + taken).flatten(), minlength=counts.numel()).view_as(counts)
    return _greedy(counts / counts.sum(dim=1, keepdim=True).clamp(min=1), means @ means.T)


def _greedy(shares: Float[Tensor, "c c"], alike: Float[Tensor, "c c"]) -> tuple[int, ...]:
    classes = len(shares)
    both, close = (shares + shares.T).tolist(), alike.tolist()
    pairs = [(both[a][b], close[a][b], a, b) for a in range(classes) for b in range(a + 1, classes)]
    found: dict[int, int] = {}
    for *_, a, b in sorted(pairs, key=lambda pair: (-pair[0], -pair[1])):
        if a not in found and b not in found:
            found |= {a: b, b: a}
    return tuple(found.get(place, place) for place in range(classes))
