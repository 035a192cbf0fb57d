"""Two dimensions: PCA, UMAP, and places for new points on a map that is fixed.

Legend: N points, D features, P dimensions of the map, M new points, K neighbours.

>>> pca = fit_pca(features, dimensions=2)
>>> pca.project(features).shape, pca.explained
(torch.Size([2000, 2]), tensor([0.21, 0.13]))
>>> place_beside(umap_points(features, neighbours=15, min_dist=0.1, seed=0), *nearest(synthetic, features, k=15))
"""

import warnings
from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor
from torch.nn.functional import normalize

from lgm_core.analysis.compiled_umap import with_umap

CHUNK = 8192
_UMAP_INPUT = 50  # dimensions kept by a PCA before UMAP


@dataclass(frozen=True)
class Pca:
    """A fixed linear map. `explained`: share of the variance on each axis."""

    mean: Float[Tensor, "d"]
    axes: Float[Tensor, "p d"]
    explained: Float[Tensor, "p"]

    def project(self, features: Float[Tensor, "n d"]) -> Float[Tensor, "n p"]:
        """Coordinates of features, float32."""
        found = self.axes.new_empty(len(features), len(self.axes))  # at once: `shared_neighbours.neighbourhood`
        for part, rows in zip(features.split(CHUNK), found.split(CHUNK), strict=True):
            rows.copy_((part.float() - self.mean) @ self.axes.T)
        return found


def fit_pca(features: Float[Tensor, "n d"], *, dimensions: int = 2, chunk: int = CHUNK) -> Pca:
    """The leading axes, from the covariance (float64, summed in chunks), or from the Gram matrix of few points.

    Deterministic: the largest entry of every axis is positive.
    """
    n, width = features.shape
    dimensions = min(dimensions, n, width)
    mean = mean_of(features, chunk)
    if n < width:
        centred = features.double() - mean
        values, vectors = torch.linalg.eigh(centred @ centred.T)
        axes = vectors[:, -dimensions:].flip(1).T @ centred
        axes = axes / axes.norm(dim=1, keepdim=True).clamp_min(1e-12)
    else:
        covariance = torch.zeros(width, width, dtype=torch.float64, device=features.device)
        for part in features.split(chunk):
            centred = part.double() - mean
            covariance += centred.T @ centred
        values, vectors = torch.linalg.eigh(covariance)
        axes = vectors[:, -dimensions:].flip(1).T
    largest = axes.gather(1, axes.abs().argmax(dim=1, keepdim=True))
    axes = axes * torch.where(largest < 0, -1.0, 1.0)
    explained = values[-dimensions:].flip(0).clamp_min(0) / values.sum().clamp_min(1e-30)
    return Pca(mean.float(), axes.float().contiguous(), explained.float())


def mean_of(features: Float[Tensor, "n d"], chunk: int = CHUNK) -> Float[Tensor, "d"]:
    """The mean of all rows, summed in float64, with one part in memory at a time."""
    sums = torch.empty(-(-len(features) // chunk), features.shape[1], dtype=torch.float64, device=features.device)
    for part, its in zip(features.split(chunk), sums, strict=True):  # at once: `shared_neighbours.neighbourhood`
        its.copy_(part.double().sum(dim=0))
    return sums.sum(dim=0) / len(features)


def directions(features: Float[Tensor, "n d"]) -> Float[Tensor, "n p"]:
    """Features brought to unit length, so that distances are those of the cosine, and to 50 principal components, which
    takes most of UMAP's time away and little of the neighbourhoods; on the CPU.
    """
    unit = torch.cat([normalize(part.float()) for part in features.split(CHUNK)]).cpu()
    return unit if unit.shape[1] <= _UMAP_INPUT else fit_pca(unit, dimensions=_UMAP_INPUT).project(unit)


def umap_points(features: Float[Tensor, "n d"], *, neighbours: int, min_dist: float, seed: int) -> Float[Tensor, "n 2"]:
    """UMAP (McInnes et al., arXiv 1802.03426) of the features' directions, the same on every call.

    Needs at least four points; see `directions` for what UMAP is given.
    """
    unit = directions(features)
    few = len(unit) <= 10 * neighbours  # too few points for the spectral initialisation
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # from the spectral initialisation and numba; a user cannot act on them
        points = with_umap(
            lambda umap: umap.UMAP(
                n_neighbors=min(neighbours, len(unit) - 1),
                min_dist=min_dist,
                random_state=seed,
                n_jobs=1,
                init="random" if few else "spectral",
            ).fit_transform(unit.numpy())
        )
    return torch.as_tensor(points, dtype=torch.float32)


def place_beside(
    points: Float[Tensor, "n p"], nearest: Int[Tensor, "m k"], similarity: Float[Tensor, "m k"]
) -> Float[Tensor, "m p"]:
    """Places of new points on a fixed map: a mean of their nearest points' places, weighted by how near these are.

    Chosen over UMAP's own `transform`, which moves at random, needs the fitted model, and puts points that are unlike
    all others where an optimiser drops them; a mean of neighbours lies among what a new point resembles. Weights fall
    with the distance beyond that of the nearest one, on the scale of the k-th.
    """
    behind = similarity[:, :1] - similarity
    scale = behind[:, -1:].clamp_min(1e-6)
    weights = torch.exp(-3 * behind / scale).to(points.device)
    weights = weights / weights.sum(dim=1, keepdim=True)
    return torch.einsum("mk,mkp->mp", weights, points[nearest.to(points.device)])
