"""Ways of choosing real images, against brute force."""

import pytest
import torch

from lgm_core.base.errors import UserError
from lgm_core.datasets.baselines import choose_centroids, choose_neighbours, choose_random

LABELS = torch.tensor([1, 0, 2, 1, 0, 2, 2, 1, 0])
FEATURES = torch.randn(9, 4, generator=torch.Generator().manual_seed(0))


def test_random_takes_the_asked_number_per_class_and_depends_on_the_seed():
    chosen = choose_random(LABELS, classes=3, per_class=2, seed=0)
    assert LABELS[chosen].tolist() == [0, 0, 1, 1, 2, 2] and len(set(chosen.tolist())) == 6
    assert torch.equal(chosen, choose_random(LABELS, classes=3, per_class=2, seed=0))
    assert any(not torch.equal(chosen, choose_random(LABELS, classes=3, per_class=2, seed=s)) for s in range(1, 5))


def test_centroids_are_nearest_to_their_class_mean():
    chosen = choose_centroids(FEATURES, LABELS, classes=3, per_class=1).tolist()
    for label, index in enumerate(chosen):
        members = [i for i in range(9) if LABELS[i] == label]
        mean = sum(FEATURES[i] for i in members) / len(members)
        assert index == min(members, key=lambda i: float((FEATURES[i] - mean).norm()))


def test_neighbours_have_the_highest_cosine_within_their_class_and_are_not_taken_twice():
    synthetic = torch.stack([FEATURES[4] * 3, FEATURES[4] * 5, FEATURES[0] - 0.01])
    chosen = choose_neighbours(synthetic, torch.tensor([0, 0, 1]), FEATURES, LABELS).tolist()
    others = [i for i in (1, 8)]
    second = max(others, key=lambda i: float(torch.cosine_similarity(FEATURES[i], FEATURES[4], dim=0)))
    assert chosen == [4, second, 0]


def test_a_class_with_too_few_images_is_named():
    with pytest.raises(UserError, match="4 images per class were asked for, but class 0 has 3"):
        choose_random(LABELS, classes=3, per_class=4, seed=0)
