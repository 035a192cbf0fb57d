"""Nearest real images by cosine similarity, in chunks of the real side.

Legend: M queries, N real images, D features, K neighbours, C classes.

>>> indices, similarity = nearest(synthetic, real, k=12)  # [M, 12] rows of `real`, [M, 12] in [-1, 1], best first
>>> own_rank(synthetic, synthetic_labels, real, real_labels)  # [M], 1: the nearest image is of the own class
"""

import torch
from jaxtyping import Float, Int
from torch import Tensor
from torch.nn.functional import normalize

CHUNK = 8192  # real images at once


def nearest(
    queries: Float[Tensor, "m d"], features: Float[Tensor, "n d"], *, k: int, chunk: int = CHUNK
) -> tuple[Int[Tensor, "m k"], Float[Tensor, "m k"]]:
    """The k nearest rows of `features` and their cosine similarities, best first; fewer where there are fewer rows."""
    queries, device = normalize(queries.float()), queries.device
    best = torch.zeros(len(queries), 0, device=device)
    places = torch.zeros(len(queries), 0, dtype=torch.int64, device=device)
    for start in range(0, len(features), chunk):
        similarity = queries @ _unit(features, start, chunk, device).T
        here = torch.arange(start, start + similarity.shape[1], device=device).expand_as(similarity)
        both = torch.cat((best, similarity), dim=1)
        best, place = both.topk(min(k, both.shape[1]), dim=1)
        places = torch.cat((places, here), dim=1).gather(1, place)
    return places, best.clamp(-1, 1)


def neighbours_within(features: Float[Tensor, "n d"], *, k: int, rows: int = 2048) -> Int[Tensor, "n k"]:
    """The k nearest other rows of each row, best first; `rows` queries at a time."""
    parts = [features[start : start + rows] for start in range(0, len(features), rows)]
    return torch.cat([others_near(part, features, place * rows, k=k)[0] for place, part in enumerate(parts)])


def others_near(
    queries: Float[Tensor, "m d"], features: Float[Tensor, "n d"], first: int, *, k: int
) -> tuple[Int[Tensor, "m l"], Float[Tensor, "m l"]]:
    """As `nearest`, for queries that are rows `first`, `first` + 1, ... of `features`: none is its own neighbour."""
    places, similarity = nearest(queries, features, k=k + 1)
    own = torch.arange(first, first + len(queries), device=places.device)[:, None]
    other = places != own  # duplicates may push a row out of its own list: drop the last one then
    other[:, -1] &= (~other).any(dim=1)
    return places[other].view(len(queries), -1), similarity[other].view(len(queries), -1)


def own_rank(
    queries: Float[Tensor, "m d"],
    query_labels: Int[Tensor, "m"],
    features: Float[Tensor, "n d"],
    labels: Int[Tensor, "n"],
    chunk: int = CHUNK,
) -> Int[Tensor, "m"]:
    """Rank, from 1, of the nearest image of the query's own class among all; 0 where the class has no image."""
    queries = normalize(queries.float())
    labels, query_labels = labels.to(queries.device), query_labels.to(queries.device)
    best = torch.full((len(queries),), -torch.inf, device=queries.device)
    for start in range(0, len(features), chunk):
        similarity = queries @ _unit(features, start, chunk, queries.device).T
        own = query_labels[:, None] == labels[None, start : start + chunk]
        best = torch.maximum(best, similarity.masked_fill(~own, -torch.inf).amax(dim=1))
    closer = torch.zeros(len(queries), dtype=torch.int64, device=queries.device)
    for start in range(0, len(features), chunk):
        similarity = queries @ _unit(features, start, chunk, queries.device).T
        other = query_labels[:, None] != labels[None, start : start + chunk]
        closer += ((similarity > best[:, None]) & other).sum(dim=1)
    return torch.where(best.isfinite(), closer + 1, 0)


def class_centres(
    features: Float[Tensor, "n d"], labels: Int[Tensor, "n"], *, classes: int, chunk: int = CHUNK
) -> tuple[Float[Tensor, "c d"], Float[Tensor, "c"]]:
    """Mean feature of each class, and the mean distance of its images from it; summed in float64."""
    labels = labels.to(features.device)
    sums = torch.zeros(classes, features.shape[1], dtype=torch.float64, device=features.device)
    spread = torch.zeros(classes, dtype=torch.float64, device=features.device)
    counts = torch.bincount(labels, minlength=classes).clamp_min(1)
    for part, own in zip(features.split(chunk), labels.split(chunk), strict=True):
        sums.index_add_(0, own, part.double())
    means = sums / counts[:, None]
    for part, own in zip(features.split(chunk), labels.split(chunk), strict=True):
        spread.index_add_(0, own, (part.double() - means[own]).norm(dim=1))
    return means.float(), (spread / counts).float()


def radius(
    queries: Float[Tensor, "m d"], labels: Int[Tensor, "m"], means: Float[Tensor, "c d"], spread: Float[Tensor, "c"]
) -> Float[Tensor, "m"]:
    """Distance from the own class's mean in units of its images' mean distance: 1 is typical, more outside."""
    labels = labels.to(means.device)
    distance = (queries.float().to(means.device) - means[labels]).norm(dim=1)
    return distance / spread[labels].clamp_min(1e-12)


def _unit(features: Tensor, start: int, chunk: int, device: torch.device) -> Tensor:
    return normalize(features[start : start + chunk].to(device).float())
