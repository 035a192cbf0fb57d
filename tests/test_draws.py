"""The interval of a difference: test images, heads and, where several seeds are there, other draws."""

from pathlib import Path

import pytest

from lgm_core.evaluation.protocol import column_of
from lgm_core.reports.draws import difference, draws_of, top1_of_draws
from lgm_core.runs.store import RunStore
from tests.fake_runs import fake_distill


def test_difference_counts_images_and_heads():
    one = {"top1": 0.8, "top1_std": 0.0, "top1_seeds": [0.8] * 4, "test_images": 400}
    value, half = difference(one, one | {"top1": 0.5})
    assert value == pytest.approx(0.3)
    assert half == pytest.approx(1.96 * (0.16 / 400 + 0.25 / 400) ** 0.5)
    assert difference(one | {"top1_std": 0.1}, one)[1] > difference(one, one)[1]
    _, with_draws = difference(one, one, [0.7, 0.9], [0.8])  # one seed tells nothing of other draws
    assert with_draws == pytest.approx(1.96 * (2 * 0.16 / 400 + 0.02) ** 0.5)


def test_draws_are_the_runs_that_differ_by_their_seed_alone(tmp_path: Path):
    store = RunStore(tmp_path / "runs")
    runs = [fake_distill(store, name=f"r{seed}", seed=seed, accuracy=0.7 + seed / 10) for seed in range(3)]
    fake_distill(store, name="longer", seed=4, steps=70)
    fake_distill(store, name="other", seed=5, lgm={"views": 7})
    found = draws_of(store, runs[1])
    assert [run.id for run in found] == ["r1", "r0", "r2"]
    column = column_of(runs[0].eval_reports()[0])
    assert top1_of_draws(found, column) == pytest.approx([0.8, 0.7, 0.9]) and top1_of_draws(found, "none") == []
