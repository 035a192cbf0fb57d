"""Nearest real images by cosine similarity, in chunks of both sides; all rows among each other also by a graph.

Few images among all are exact, however many these are: `nearest`, `own_rank`. The neighbours of all rows are exact up
to `MOST_EXACT` of them, and approximate above: `neighbours_within`, and here alone.
Legend: M queries, N real images, D features, K neighbours, C classes.

>>> indices, similarity = nearest(synthetic, real, k=12)  # [M, 12] rows of `real`, [M, 12] in [-1, 1], best first
>>> own_rank(synthetic, synthetic_labels, real, real_labels)  # [M], 1: the nearest image is of the own class
"""

import warnings
from collections.abc import Callable

import torch
from jaxtyping import Float, Int
from torch import Tensor
from torch.nn.functional import normalize

CHUNK = 8192  # real images at once
QUERIES = 4096  # queries at once: beside a chunk, 128 MB of similarities
MOST_EXACT = 100_000  # rows whose neighbours among each other are all looked for: the time grows with their square


def nearest(
    queries: Float[Tensor, "m d"], features: Float[Tensor, "n d"], *, k: int, chunk: int = CHUNK
) -> tuple[Int[Tensor, "m k"], Float[Tensor, "m k"]]:
    """The k nearest rows of `features` and their cosine similarities, best first; fewer where there are fewer rows.

    Exact. Memory does not grow with N, and with M only by the result.
    """
    parts = [_nearest(part, features, k, chunk) for part in queries.split(QUERIES)]
    return torch.cat([places for places, _ in parts]), torch.cat([best for _, best in parts])


def neighbours_within(
    features: Float[Tensor, "n d"], *, k: int, device: torch.device | None = None, rows: int = 2048,
    told: Callable[[int], object] = lambda done: None,
) -> tuple[Int[Tensor, "n k"], Float[Tensor, "n k"]]:  # fmt: skip
    """The k nearest other rows of each row, and their cosine similarities, best first.

    Exact up to `MOST_EXACT` rows, `rows` queries at a time on `device`. Above, by nearest-neighbour descent on one core
    (Dong et al., WWW 2011; pynndescent), the same on every call: of clustered features 99 in 100 are found
    (docs/log.md, 2026-11-26). `told(done)` counts rows, and may raise.
    """
    told(0)
    if len(features) > MOST_EXACT:
        return _descended(features, k)
    found = []
    for start in range(0, len(features), rows):
        found.append(others_near(features[start : start + rows].to(device or features.device), features, start, k=k))
        told(min(start + rows, len(features)))
    places, similarity = zip(*found, strict=True)
    return torch.cat(places).to(features.device), torch.cat(similarity).to(features.device)


def say_if_approximate(images: int, note: Callable[[str], object]) -> None:
    """Note it where `neighbours_within` approximates, for whoever looks at its result."""
    if images > MOST_EXACT:
        note(
            f"neighbours of {images:,} images among each other were found approximately (nearest-neighbour descent; "
            f"exact up to {MOST_EXACT:,})"
        )


def others_near(
    queries: Float[Tensor, "m d"], features: Float[Tensor, "n d"], first: int, *, k: int
) -> tuple[Int[Tensor, "m l"], Float[Tensor, "m l"]]:
    """As `nearest`, for queries that are rows `first`, `first` + 1, ... of `features`: none is its own neighbour."""
    places, similarity = nearest(queries, features, k=k + 1)
    return _without_own(places, similarity, torch.arange(first, first + len(queries), device=places.device))


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


def _nearest(queries: Tensor, features: Tensor, k: int, chunk: int) -> tuple[Tensor, Tensor]:
    queries, device = normalize(queries.float()), queries.device
    best = torch.zeros(len(queries), 0, device=device)
    places = torch.zeros(len(queries), 0, dtype=torch.int64, device=device)
    for start in range(0, len(features), chunk):
        similarity = queries @ _unit(features, start, chunk, device).T
        here, place = similarity.topk(min(k, similarity.shape[1]), dim=1)
        best, order = torch.cat((best, here), dim=1).sort(dim=1, descending=True, stable=True)
        best = best[:, :k]
        places = torch.cat((places, place + start), dim=1).gather(1, order[:, :k])
    return places, best.clamp(-1, 1)


def _without_own(places: Tensor, similarity: Tensor, own: Int[Tensor, "m"]) -> tuple[Tensor, Tensor]:
    """Each row's list without itself, one shorter; duplicates may have pushed it out: the last one goes then."""
    other = places != own[:, None]
    other[:, -1] &= (~other).any(dim=1)
    return places[other].view(len(own), -1), similarity[other].view(len(own), -1)


def _descended(features: Float[Tensor, "n d"], k: int) -> tuple[Int[Tensor, "n k"], Float[Tensor, "n k"]]:
    """Approximate neighbours; rows for which the graph has too few are looked for exactly."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # from numba, and of rows with too few neighbours
        from pynndescent import NNDescent  # compiles for half a minute; only this function needs it

        width = max(30, 3 * k // 2) + 1  # a list that is longer than what is asked for finds more of it; with the row
        rows = features.float().cpu().numpy()
        # one thread: with several, the result depends on their number
        graph = NNDescent(rows, metric="cosine", n_neighbors=width, random_state=0, n_jobs=1).neighbor_graph
    assert graph is not None
    found, distance = (torch.from_numpy(part) for part in graph)
    places, similarity = _without_own(found.long(), 1 - distance.float(), torch.arange(len(features)))
    places, similarity = places[:, :k].contiguous(), similarity[:, :k].clamp(-1, 1)
    short = (places < 0).any(dim=1).nonzero().flatten().to(features.device)
    if len(short):
        exact = _without_own(*nearest(features[short], features, k=k + 1), short)
        places[short.cpu()], similarity[short.cpu()] = exact[0].cpu(), exact[1].cpu()
    return places.to(features.device), similarity.to(features.device)
