"""A share of the images, spread evenly over the classes; and weights that make all classes count the same.

Legend: N images, C classes.

>>> spread(labels, 2000)  # indices of at most 2000 images, always the same
"""

import torch
from jaxtyping import Float, Int
from torch import Tensor

from lgm_core.base.interfaces import generator


def spread(labels: Int[Tensor, "n"], count: int) -> Int[Tensor, "m"]:
    """Indices of at most `count` images, spread evenly over the classes, at random within them, always the same.

    The choice for a count is part of that for a larger one.
    """
    order = torch.randperm(len(labels), generator=generator("cpu", 0x6D6170))
    return order[spread_over_classes(labels[order], count)].sort().values


def spread_over_classes(labels: Int[Tensor, "n"], count: int) -> Int[Tensor, "m"]:
    """Indices of at most `count` rows, as evenly spread over the classes as they allow, in a fixed order."""
    order = torch.argsort(labels, stable=True)
    sizes = labels.unique(return_counts=True)[1]
    before = (sizes.cumsum(dim=0) - sizes).repeat_interleave(sizes)  # rows of the classes before a row's own
    rank = torch.empty_like(order)
    rank[order] = torch.arange(len(order)) - before  # not class by class, which reads all labels for each
    return torch.argsort(rank, stable=True)[:count].sort().values


def class_weights(labels: Int[Tensor, "n"], classes: int) -> Float[Tensor, "n"]:
    """Row weights that sum to 1 and give every class that occurs the same share."""
    counts = torch.bincount(labels, minlength=classes)
    return 1 / (counts[labels] * (counts > 0).sum())
