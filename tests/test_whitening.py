"""Gradients compared where classes vary little in themselves, and class by class."""

import numpy as np
import pytest
import torch
from torch.nn.functional import cosine_similarity

from lgm_core.backbones.features import Bank
from lgm_core.base.errors import ConfigError
from lgm_core.config import RunConfig, validate
from lgm_core.engine import start, work
from lgm_core.methods.lgm import whitening
from lgm_core.methods.lgm.gradients import class_distance, cosine_distance
from lgm_core.methods.lgm.whitening import inverse_root, whitened
from lgm_core.presets import change, preset

CLASSES, WIDTH = 3, 5


def _bank() -> Bank:
    """Classes of unequal size, which vary along one direction above all."""
    random = torch.Generator().manual_seed(1)
    labels = torch.tensor([0] * 10 + [1] * 4 + [2] * 7)
    spread = torch.tensor([5.0, 1.0, 0.5, 0.2, 0.1])
    features = torch.randn(CLASSES, WIDTH, generator=random)[labels][:, None]
    return Bank((features + spread * torch.randn(21, 2, WIDTH, generator=random)).half(), labels, CLASSES)


@pytest.mark.parametrize("rows", [4, 4096])
def test_the_root_is_that_of_the_mean_covariance_of_the_classes(rows: int, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(whitening, "_ROWS", rows)
    bank, share = _bank(), 0.7
    each = [bank.features[bank.labels == c].flatten(0, 1).double().numpy() for c in range(CLASSES)]
    covariance = sum(np.cov(one.T, bias=True) for one in each) / CLASSES
    mean = np.trace(covariance) / WIDTH
    root = inverse_root(bank, share=share, device=torch.device("cpu")).double().numpy()
    wanted = mean * np.linalg.inv(covariance + share * mean * np.eye(WIDTH))
    np.testing.assert_allclose(root @ root, wanted, rtol=1e-4, atol=1e-6)
    np.testing.assert_allclose(root, root.T, atol=1e-6)


def test_the_bias_is_left_as_it_is_and_a_high_floor_changes_nothing():
    gradient = torch.randn(CLASSES, WIDTH + 1, generator=torch.Generator().manual_seed(2))
    assert whitened(gradient, None) is gradient
    root = inverse_root(_bank(), share=1e9, device=torch.device("cpu"))
    found = whitened(gradient, root)
    torch.testing.assert_close(found[:, -1], gradient[:, -1])
    assert cosine_similarity(found[:, :-1].flatten(), gradient[:, :-1].flatten(), dim=0) > 1 - 1e-6


def test_the_distance_of_classes_is_the_mean_over_their_rows():
    random = torch.Generator().manual_seed(3)
    left, right = torch.randn(2, CLASSES, WIDTH + 1, generator=random)
    rows = [cosine_distance(left[c : c + 1], right[c : c + 1]) for c in range(CLASSES)]
    torch.testing.assert_close(class_distance(left, right), torch.stack(rows).mean())
    assert class_distance(left, 3 * left).abs() < 1e-6 < cosine_distance(left, left * torch.tensor([[1.0], [2], [9]]))


def test_a_run_whitens_and_its_images_are_others(small_run: RunConfig, here):
    plain, other = (start(change(small_run, {"lgm": lgm}), here) for lgm in ({}, {"whiten": 1.0}))
    assert plain.id != other.id and work(plain, here) == work(other, here) == "finished"
    assert plain.synthetic.read_bytes() != other.synthetic.read_bytes()
    assert other.metrics()[-1]["loss"] < other.metrics()[0]["loss"]


def test_a_fresh_batch_has_no_bank_to_whiten_by():
    with pytest.raises(ConfigError, match="lgm.whiten needs the bank of real features, which lgm.target batch"):
        validate(preset("paper", lgm={"whiten": 1.0}))
    assert validate(preset("paper")).lgm.whiten == 0 and preset("paper").lgm.distance == "whole"
