"""How much a set's accuracy changes with its seed: another draw of real images, or another distillation.

>>> top1_of_draws(draws_of(RunStore(places().runs), run), "mobilenet_v2")
[0.741, 0.756, 0.749]
"""

import math
from collections.abc import Sequence
from typing import Any

from lgm_core.evaluation.protocol import column_of
from lgm_core.reports.matrix import config_of
from lgm_core.runs.identity import identity
from lgm_core.runs.store import RunFolder, RunStore


def draws_of(store: RunStore, run: RunFolder) -> list[RunFolder]:
    """The run, and those that differ from it by nothing but their seed, the run first."""
    own = _but_seed(run)
    found = [run]
    mine = store.facts(run.id)
    like = (mine.kind, mine.dataset, mine.backbone, mine.study, mine.choice, mine.steps)
    for other, facts in store.listed():
        alike = (facts.kind, facts.dataset, facts.backbone, facts.study, facts.choice, facts.steps) == like
        if alike and facts.seed != mine.seed and _but_seed(other) == own:
            found.append(other)
    return found


def top1_of_draws(draws: Sequence[RunFolder], column: str) -> list[float]:
    """Top-1 of each of these that was judged so."""
    reports = [report for run in draws for report in run.eval_reports() if column_of(report) == column]
    return [report["top1"] for report in reports]


def difference(
    report: dict[str, Any], base: dict[str, Any], draws: Sequence[float] = (), base_draws: Sequence[float] = ()
) -> tuple[float, float]:
    """Top-1 of a report minus that of another, with the half-width of its 95 % interval.

    Test images, heads and, where `draws` holds the accuracies of two seeds or more, sets vary: for each side
    p (1 - p) / images + spread^2 / heads + variance of the draws. The same test images on both sides make the true
    interval narrower, never wider.
    """
    variance = 0.0
    for one, other_draws in ((report, draws), (base, base_draws)):
        p, heads = one["top1"], max(len(one.get("top1_seeds") or []), 1)
        variance += p * (1 - p) / max(one["test_images"], 1) + one["top1_std"] ** 2 / heads
        if len(other_draws) > 1:
            mean = sum(other_draws) / len(other_draws)
            variance += sum((value - mean) ** 2 for value in other_draws) / (len(other_draws) - 1)
    return report["top1"] - base["top1"], 1.96 * math.sqrt(variance)


def _but_seed(run: RunFolder) -> dict[str, Any]:
    return {**identity(config_of(run)), "seed": 0}
