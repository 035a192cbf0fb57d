"""`lgm.real-power`: the real gradient alone is sent where the inverse covariance within classes sends it."""

import numpy as np
import pytest
import torch

from lgm_core.methods.lgm.config import LGMConfig
from lgm_core.methods.lgm.gradients import LinearHead, class_distance, head_gradient
from lgm_core.methods.lgm.metric import Metric
from lgm_core.methods.lgm.objectives.gradient import GradientMatching
from lgm_core.methods.lgm.targets import MeanTarget
from tests.test_metric import CLASSES, CPU, WIDTH, bank_of_three, covariance_of


@pytest.mark.parametrize("power", [0.5, 1.0])
@pytest.mark.parametrize("kind", ["full", "diagonal"])
def test_a_sharpened_real_gradient_points_where_the_inverse_covariance_sends_it(kind: str, power: float):
    bank, beta, half = bank_of_three(), 0.7, 0.5
    covariance = covariance_of(bank) if kind == "full" else np.diag(np.diag(covariance_of(bank)))
    values, vectors = np.linalg.eigh(covariance / (np.trace(covariance) / WIDTH) + beta * np.eye(WIDTH))
    gradient = torch.randn(CLASSES, WIDTH + 1, generator=torch.Generator().manual_seed(2))
    metric = Metric.of_bank(bank, kind, power=half, device=CPU)
    measured = metric(gradient, beta)
    found = metric.sharpened(measured, beta, power)
    torch.testing.assert_close(found[:, :-1].norm(), measured[:, :-1].norm())
    torch.testing.assert_close(found[:, -1], gradient[:, -1])
    weights = gradient[:, :-1].double().numpy()
    expected = weights @ (vectors * values ** (-2 * (power + half))) @ vectors.T @ weights.T
    ours = (found[:, :-1] @ found[:, :-1].T).double().numpy()
    np.testing.assert_allclose(ours / np.trace(ours), expected / np.trace(expected), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("power", [0.0, 0.5])
def test_only_the_real_side_is_sharpened(power: float):
    bank, config = bank_of_three(), LGMConfig(whiten="full", real_power=power)
    metric = Metric.of_bank(bank, "full", power=0.5, device=CPU)
    target = MeanTarget(bank, balanced=True, device=CPU)
    objective = GradientMatching(
        target, rows=CLASSES, width=WIDTH, config=config, steps=9, seed=0, device=CPU, metric=metric
    )
    features, rows = torch.randn(6, WIDTH, generator=torch.Generator().manual_seed(3)), torch.arange(3).repeat(2)
    head = LinearHead(torch.zeros(CLASSES, WIDTH))
    synthetic, real = (metric(one, 1.0) for one in (head_gradient(features, rows, head), target.gradient(head, 2)))
    expected = class_distance(synthetic, metric.sharpened(real, 1.0, power) if power else real)
    torch.testing.assert_close(objective.at(2)(features, rows), expected)
