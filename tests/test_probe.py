"""Heads: as good as scikit-learn's, the same alone as together, the learning rate of batch 100, honest reports."""

import pytest
import torch
from sklearn.linear_model import LogisticRegression

from lgm_core.evaluation.probe import HeadRecipe, Heads, score, train_heads

C, D = 4, 6


def _blobs(per_class: int, views: int, seed: int) -> tuple[torch.Tensor, torch.Tensor]:
    random = torch.Generator().manual_seed(seed)
    centres = torch.randn(C, D, generator=torch.Generator().manual_seed(9)) * 1.2
    labels = torch.arange(C).repeat_interleave(per_class)
    return centres[labels][:, None] + torch.randn(len(labels), views, D, generator=random), labels


def _recipe(**values: object) -> HeadRecipe:
    return HeadRecipe(**{"epochs": 150, "batch": 100, "learning_rate": 0.1, "seeds": 2, **values})


def test_as_good_as_logistic_regression():
    features, labels = _blobs(40, 1, 0)
    test, test_labels = _blobs(200, 1, 1)
    oracle = LogisticRegression(C=100.0, max_iter=500).fit(features[:, 0].numpy(), labels.numpy())
    expected = oracle.score(test[:, 0].numpy(), test_labels.numpy())
    heads = train_heads(features, labels, classes=C, recipe=_recipe())
    assert 0.5 < expected < 0.99
    assert abs(score(heads, test[:, 0], test_labels)["top1"] - expected) < 0.03


@pytest.mark.slow
def test_heads_trained_together_equal_heads_trained_alone():
    features, labels = _blobs(10, 3, 0)
    together = train_heads(features, labels, classes=C, recipe=_recipe(seeds=3, batch=16))
    alone = train_heads(features, labels, classes=C, recipe=_recipe(seeds=1, batch=16, first_seed=3409))
    torch.testing.assert_close(together.weight[2], alone.weight[0], atol=1e-5, rtol=1e-4)


def test_first_step_has_the_rate_of_its_batch():
    features, labels = _blobs(25, 1, 0)  # batch 100
    start = train_heads(features, labels, classes=C, recipe=_recipe(epochs=1, learning_rate=0.0, seeds=1))
    after = train_heads(features, labels, classes=C, recipe=_recipe(epochs=1, learning_rate=1e-3, seeds=1))
    moved = (after.weight - start.weight).abs()
    torch.testing.assert_close(moved, torch.full_like(moved, 1e-3 * 100 / 256), rtol=1e-2, atol=1e-7)


def test_float16_features_from_a_file_are_fine():
    features, labels = _blobs(10, 2, 0)
    heads = train_heads(features.half(), labels, classes=C, recipe=_recipe())
    assert score(heads, features[:, 0].half(), labels)["top1"] > 0.7


def _heads_that_say(predicted: torch.Tensor, classes: int) -> tuple[Heads, torch.Tensor]:
    """A head that reads its answer from a one-hot feature."""
    return Heads(torch.eye(classes)[None], torch.zeros(1, classes)), torch.nn.functional.one_hot(
        predicted, classes
    ).float()


def test_report_counts_right():
    labels = torch.tensor([0, 0, 0, 1, 1, 2])
    groups = torch.tensor([0, 0, 1, 1, 1, 1])
    heads, features = _heads_that_say(torch.tensor([0, 0, 1, 1, 1, 0]), 6)
    report = score(heads, features, labels, groups, 3)
    assert report["top1"] == pytest.approx(4 / 6)
    assert report["per_class"] == [pytest.approx(2 / 3), 1.0, 0.0, None, None, None]
    assert report["confusion"][0][:2] == [2, 1] and report["confusion"][2][0] == 1
    assert report["per_group"] == [1.0, 0.5, None] and report["worst_group"] == 0.5
    assert report["top5"] is not None and report["top1_std"] == 0


def test_top5_is_left_out_below_five_classes():
    heads, features = _heads_that_say(torch.tensor([0, 1]), 3)
    assert score(heads, features, torch.tensor([0, 1]))["top5"] is None


def test_spread_is_over_heads():
    weight = torch.stack([torch.eye(2), torch.eye(2).flip(0)])
    report = score(Heads(weight, torch.zeros(2, 2)), torch.eye(2), torch.tensor([0, 1]))
    assert report["top1_seeds"] == [1.0, 0.0] and report["top1_std"] == 0.5 and report["top1"] == 0.5
