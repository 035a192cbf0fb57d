"""Whose side do the others take? Sets that mean one class to A and another to B, and whose meaning each network finds.

>>> sides = taken_sides(store.study("sides"))
>>> print_rows(*side_table(sides))
>>> for name, found in followed(sides, alignments(runs, "imagenette", ["mobilenet_v2", "resnet18"])).items():
...     name, found.r, found.interval
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean
from typing import Any

import numpy as np

from lgm_core.config import is_contrast
from lgm_core.evaluation.protocol import column_of, network_of
from lgm_core.reports.disagreement import WORDS
from lgm_core.reports.matrix import config_of
from lgm_core.runs.store import RunFolder

Pair = tuple[str, str]
Values = Mapping[Pair, float]  # how alike two backbones are, both ways round
HEADINGS = ["images mean their class to", "and another to", "judged by", "A's class, %", "B's class, %", "with A, %"]


@dataclass(frozen=True, kw_only=True)
class Side:
    """What one judge sees in the sets of one ordered pair, mean over `runs`; shares in [0, 1].

    top1   of the test images that are called by A's meaning, and `other`, by B's
    share  with A, of those that are called by one of the two; None where there are none
    """

    first: str
    second: str
    judge: str
    top1: float
    other: float
    share: float | None
    runs: tuple[str, ...]

    @property
    def is_third(self) -> bool:
        """Did the judge take no part in making the images?"""
        return network_of(self.judge) not in (self.first, self.second)


@dataclass(frozen=True, kw_only=True)
class Followed:
    """How well alignment foretells the side: r over `points`, each a pair and a third backbone, through the origin.

    x is how much more alike the third is to A than to B, y the share with A less one half, mean of both orders.
    interval  95 % over backbones drawn with replacement; None below four backbones
    """

    r: float
    interval: tuple[float, float] | None
    points: int
    backbones: int


def taken_sides(runs: Iterable[RunFolder]) -> list[Side]:
    """Of each ordered pair and each judge that there is a report of, in the order of the runs."""
    found: dict[tuple[str, str, str], list[tuple[str, dict[str, Any]]]] = {}
    runs = list(runs)
    made = {run.id: config_of(run).networks() for run in runs if is_contrast(config_of(run))}
    for run in runs:
        pair = made.get(run.id) or made.get(config_of(run).source)
        for report in run.eval_reports() if pair else ():
            if pair and "contrast" in report:
                found.setdefault((pair[0], pair[1], column_of(report)), []).append((run.id, report))
    return [_side(*names, reports) for names, reports in found.items()]


def _side(first: str, second: str, judge: str, reports: Sequence[tuple[str, dict[str, Any]]]) -> Side:
    shares = [one["contrast"]["allegiance"] for _, one in reports if one["contrast"]["allegiance"] is not None]
    return Side(
        first=first, second=second, judge=judge, top1=fmean(one["top1"] for _, one in reports),
        other=fmean(one["contrast"]["top1_other"] for _, one in reports), share=fmean(shares) if shares else None,
        runs=tuple(run for run, _ in reports),
    )  # fmt: skip


def side_table(sides: Iterable[Side]) -> tuple[list[str], list[list[str]]]:
    """Headings and rows of text; the share is that of backbones that took no part."""
    return HEADINGS, [
        [one.first, one.second, one.judge, f"{100 * one.top1:.1f}", f"{100 * one.other:.1f}", with_first(one)]
        for one in sides
    ]


def with_first(side: Side) -> str:
    """The share with A in %, of a third backbone; "" for A and B themselves."""
    return f"{100 * side.share:.1f}" if side.is_third and side.share is not None else ""


def alignments(runs: Iterable[RunFolder], dataset: str, backbones: Iterable[str]) -> dict[str, Values]:
    """By measure, in words, what the newest align run on a data set says of all these backbones; {} without one."""
    wanted = set(backbones)
    fitting = [
        run for run in runs
        if (config := config_of(run)).kind == "align" and config.dataset == dataset and wanted <= {*config.evaluate_on}
    ]  # fmt: skip
    fitting = [run for run in fitting if run.status().state == "finished"]
    if not fitting or not (found := fitting[-1].alignment()):
        return {}
    sizes = sorted(found["mutual_knn"], key=int)
    k = "10" if "10" in sizes else sizes[0]
    tables = {WORDS["cka"]: found["cka"], f"{WORDS['mutual_knn']}, k = {k}": found["mutual_knn"][k]}
    names = list(enumerate(found["backbones"]))
    return {
        words: {(a, b): table[i][j] for i, a in names for j, b in names if table[i][j] is not None}
        for words, table in tables.items()
    }


def followed(sides: Iterable[Side], values: Values, resamples: int = 2000, seed: int = 0) -> Followed | None:
    """Do the others side with the one that they are aligned with? None below three points."""
    shares = {(one.first, one.second, one.judge): one.share for one in sides if one.is_third and one.share is not None}
    points: dict[tuple[str, str, str], tuple[float, float]] = {}
    for (a, b, judge), share in shares.items():
        if (b, a, judge) in points or (judge, a) not in values or (judge, b) not in values:
            continue
        back = shares.get((b, a, judge))
        y = share - 0.5 if back is None else (share - back) / 2
        points[a, b, judge] = values[judge, a] - values[judge, b], y
    if len(points) < 3:
        return None
    names = sorted({name for triple in points for name in triple})
    places = np.array([[names.index(name) for name in triple] for triple in points])
    x, y = np.array(list(points.values())).T
    r = _through_origin(x, y, np.ones(len(x)))
    if not np.isfinite(r):
        return None
    random, drawn = np.random.default_rng(seed), []
    for _ in range(resamples if len(names) > 3 else 0):
        times = np.bincount(random.integers(len(names), size=len(names)), minlength=len(names))
        drawn.append(_through_origin(x, y, times[places].prod(axis=1)))
    kept = [value for value in drawn if np.isfinite(value)]
    low_high = np.quantile(kept, [0.025, 0.975]).tolist() if kept else None
    return Followed(
        r=r, interval=(low_high[0], low_high[1]) if low_high else None, points=len(points), backbones=len(names)
    )


def _through_origin(x: np.ndarray, y: np.ndarray, weight: np.ndarray) -> float:
    """Correlation without centring: which of a pair is named first is arbitrary, and turns both signs."""
    norm = np.sqrt((weight * x * x).sum() * (weight * y * y).sum())
    return float((weight * x * y).sum() / norm) if norm > 0 else float("nan")


def followed_words(found: Mapping[str, Followed | None]) -> list[str]:
    """A sentence for each measure of alignment."""
    said = []
    for name, one in found.items():
        if one is None:
            said.append(f"{name}: fewer than three pairs with a third backbone are known.")
            continue
        spread = f"95 % interval {one.interval[0]:.2f} to {one.interval[1]:.2f}" if one.interval else "no interval yet"
        said.append(f"{name}: r {one.r:.2f} ({spread}; {one.points} points of {one.backbones} backbones).")
    return said
