"""Neighbours and projection against slower, more obvious computations; in chunks and whole."""

import pytest
import torch
from torch.nn.functional import normalize

from lgm_core.analysis.neighbours import class_centres, nearest, neighbours_within, own_rank, radius
from lgm_core.analysis.projection import fit_pca, place_beside, umap_points
from lgm_core.base.interfaces import generator


def features(n: int, width: int, seed: int) -> torch.Tensor:
    return torch.randn(n, width, generator=generator("cpu", seed)) + 0.5


@pytest.mark.parametrize("chunk", [13, 8192])
def test_nearest_is_a_sorted_similarity_matrix(chunk):
    real, queries = features(50, 8, 1), features(6, 8, 2)
    similarity, places = (normalize(queries) @ normalize(real).T).sort(descending=True, dim=1)
    found, value = nearest(queries, real.half(), k=5, chunk=chunk)
    assert (found == places[:, :5]).float().mean() > 0.9 and torch.allclose(value, similarity[:, :5], atol=2e-3)
    assert nearest(queries, real, k=99, chunk=chunk)[0].shape == (6, 50)


def test_no_image_is_its_own_neighbour_even_among_equals():
    real = features(40, 8, 1)
    similarity = normalize(real) @ normalize(real).T
    similarity.fill_diagonal_(-2)
    assert torch.equal(neighbours_within(real, k=6, rows=9)[0], similarity.topk(6, dim=1).indices)
    equal = torch.ones(8, 3)
    found = neighbours_within(equal, k=3)[0]
    assert found.shape == (8, 3) and not (found == torch.arange(8)[:, None]).any()
    assert neighbours_within(real, k=100)[0].shape == (40, 39)


@pytest.mark.parametrize("chunk", [13, 8192])
def test_own_rank_counts_the_nearer_strangers(chunk):
    real, labels = features(50, 8, 1), torch.arange(50) % 4
    queries, own = features(6, 8, 2), torch.tensor([0, 1, 2, 3, 0, 9])
    order = (normalize(queries) @ normalize(real).T).argsort(descending=True, dim=1)
    expected = [int((labels[order[m]] == own[m]).nonzero()[0]) + 1 for m in range(5)] + [0]
    assert own_rank(queries, own, real, labels, chunk=chunk).tolist() == expected


def test_radius_is_one_for_a_typical_image():
    real, labels = features(500, 8, 1), torch.arange(500) % 2
    means, spread = class_centres(real, labels, classes=3, chunk=64)
    assert torch.allclose(means[0], real[::2].mean(dim=0), atol=1e-5) and means[2].abs().sum() == 0
    radii = radius(real, labels, means, spread)
    assert radii[labels == 1].mean() == pytest.approx(1, abs=1e-5)
    assert radius(means[:2] * 1.0, torch.tensor([0, 1]), means, spread).abs().max() < 1e-5


@pytest.mark.parametrize(("n", "width"), [(300, 12), (12, 300)])
def test_pca_is_the_singular_value_decomposition(n, width):
    x = features(n, width, 1) * torch.linspace(3, 0.1, width)
    pca = fit_pca(x, dimensions=2, chunk=50)
    _, values, axes = torch.linalg.svd(x.double() - x.double().mean(dim=0), full_matrices=False)
    assert torch.allclose((pca.axes.double() * axes[:2]).sum(dim=1).abs(), torch.ones(2).double(), atol=1e-5)
    assert torch.allclose(pca.explained.double(), values[:2] ** 2 / (values**2).sum(), atol=1e-5)
    assert (pca.axes.gather(1, pca.axes.abs().argmax(dim=1, keepdim=True)) > 0).all()
    assert torch.allclose(pca.project(x).mean(dim=0), torch.zeros(2), atol=1e-3)


@pytest.mark.slow
def test_umap_is_the_same_twice_keeps_clusters_apart_and_takes_in_new_points():
    labels = torch.arange(90) % 3
    x = features(90, 60, 1) * 0.3 + 6 * torch.eye(60)[labels]
    points = umap_points(x, neighbours=10, min_dist=0.1, seed=0)
    assert torch.equal(points, umap_points(x, neighbours=10, min_dist=0.1, seed=0)) and points.isfinite().all()
    centres = torch.stack([points[labels == label].mean(dim=0) for label in range(3)])
    assert (torch.cdist(points, centres).argmin(dim=1) == labels).float().mean() > 0.95
    new = place_beside(points, *nearest(x[:3] + 0.01, x, k=10))
    assert torch.equal(torch.cdist(new, centres).argmin(dim=1), labels[:3])


def test_a_new_point_lies_nearest_to_its_nearest_neighbour():
    points = torch.tensor([[0.0, 0.0], [1.0, 0.0], [0.0, 1.0]])
    (place,) = place_beside(points, torch.tensor([[0, 1, 2]]), torch.tensor([[0.9, 0.5, 0.1]]))
    assert place[0] > place[1] > 0 and place.norm() < 0.3
    (same,) = place_beside(points, torch.tensor([[1]]), torch.tensor([[1.0]]))
    assert torch.equal(same, points[1])
