"""RCIG's optimisers and learning rates: against torch's, the formulas, and the rules of the paper's code."""

import math

import pytest
import torch

from lgm_core.base.interfaces import generator
from lgm_core.methods.rcig.adam import AdaBelief, Adam
from lgm_core.methods.rcig.rate_search import Rates, is_falling, largest_monotone, status_of


def test_the_first_move_of_adabelief_is_the_rate_times_the_sign():
    gradient = torch.tensor([3.0, -1e-3, 0.2, 0.0])
    torch.testing.assert_close(AdaBelief(gradient).move(gradient, 3e-3), -3e-3 * gradient.sign())


def test_adabelief_measures_the_error_from_the_mean_before_the_step():
    belief, gradients = AdaBelief(torch.zeros(1)), (1.0, 0.5, -0.3)
    mean = spread = 0.0
    for count, gradient in enumerate(gradients, start=1):
        spread = 0.999 * spread + 0.001 * (gradient - mean) ** 2
        mean = 0.9 * mean + 0.1 * gradient
        wanted = -0.1 * (mean / (1 - 0.9**count)) / (math.sqrt(spread / (1 - 0.999**count) + 1e-16) + 1e-16)
        assert belief.move(torch.tensor([gradient]), 0.1).item() == pytest.approx(wanted, rel=1e-5)


def test_adam_is_torchs_adam():
    values = torch.randn(7, generator=generator("cpu", 0)).requires_grad_()
    theirs, ours, adam = torch.optim.Adam([values], lr=0.03), values.detach().clone(), Adam(values.detach())
    for turn in range(5):
        gradient = torch.randn(7, generator=generator("cpu", 9, turn))
        values.grad = gradient
        theirs.step()
        ours = ours + adam.move(gradient, 0.03)
    torch.testing.assert_close(ours, values.detach())


@pytest.mark.parametrize("leap", [1, 4, 7])
def test_the_search_stops_at_the_first_rate_that_is_not_monotone(leap: int):
    tried: list[float] = []

    def holds(rate: float) -> bool:
        tried.append(rate)
        return rate < 3e-4

    first_failing = next(1e-5 * 1.2**k for k in range(99) if 1e-5 * 1.2**k >= 3e-4)
    assert largest_monotone(holds, first=1e-5, leap=leap) == pytest.approx(first_failing * 1.2 * 0.7)
    assert len(tried) == {1: 20, 4: 8, 7: 9}[leap]
    with pytest.raises(RuntimeError, match="do not depend"):
        largest_monotone(lambda rate: True, first=1e-5)


def test_a_rate_that_fails_at_once_is_the_answer_even_where_later_ones_hold():
    assert largest_monotone(lambda rate: rate > 1.3, first=1.0, leap=1) == pytest.approx(0.84)


@pytest.mark.parametrize(
    ("losses", "status"),
    [([3.0, 2.0, 1.0], 1), ([3.0, 3.0, 1.0], 0), ([3.0, 4.0, 2.0], 0), ([3.0, 2.0, 4.0], -1), ([3.0, math.nan], -1)],
)
def test_the_status_of_a_solve(losses: list[float], status: int):
    assert status_of(losses) == status and is_falling(losses) == (status == 1)


@pytest.mark.parametrize(("bad", "good", "factor"), [(16, 0, 0.9), (14, 36, 1.05), (14, 0, 1.0), (0, 34, 1.0)])
def test_the_inner_rate_adapts_every_fifty_steps(bad: int, good: int, factor: float):
    rates = Rates(1.0, 5.0)
    for step in range(1, 51):
        rates.watch(step, [1.0, 2.0] if step <= bad else [2.0, 1.0] if step <= bad + good else [2.0, 3.0, 1.0])
    assert rates.inner == pytest.approx(factor) and rates.solve == 5.0
    assert rates.state()["statuses"].numel() == 0


def test_restored_rates_remember_the_solves_before_them():
    before, after = Rates(1.0, 5.0), Rates(0.0, 0.0)
    for step in range(1, 17):
        before.watch(step, [1.0, 2.0])
    after.restore(before.state())
    for step in range(17, 51):
        after.watch(step, [2.0, 1.0])
    assert (after.inner, after.solve) == (pytest.approx(0.9), 5.0)  # without them it would rise
