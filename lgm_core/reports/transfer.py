"""Does transfer follow alignment? All ordered pairs of a study: distilled with one backbone, judged by another.

>>> points = transfer_points(matrix, scores)  # scores: {("mobilenet_v2", "clip_vitb16"): 0.41, ...}, both ways round
>>> related(points)
Related(r=0.74, fisher=(0.1, 0.94), interval=(0.22, 0.97), p=0.025, pairs=12, backbones=4)
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import islice, permutations

import numpy as np

from lgm_core.backbones.open_rows import UNTRAINED
from lgm_core.evaluation.protocol import network_of
from lgm_core.reports.disagreement import Disagreement, measure_words, shown_rows
from lgm_core.reports.matrix import Matrix, View, correlation

HEADINGS = ["alignment by", "r", "95 % over backbones", "p", "pairs", "r with untrained judges"]
_MOST = 5040  # renamings tried: all of up to seven backbones, then as many at random


@dataclass(frozen=True, kw_only=True)
class Point:
    """One ordered pair: what was distilled with `made`, judged by `judge`. `control`: one of them is untrained."""

    made: str
    judge: str
    alignment: float
    accuracy: float
    label: str = ""

    @property
    def control(self) -> bool:
        return any(name.startswith(UNTRAINED) for name in (self.made, self.judge))


@dataclass(frozen=True, kw_only=True)
class Related:
    """Pearson's r over ordered pairs.

    fisher    its 95 % interval as if pairs were independent; they share backbones, so that it is too narrow
    interval  its 95 % interval over backbones drawn with replacement, all their pairs with them
    p         share of renamings of the backbones, the true names counted in, with at least this r (Mantel's test)
    """

    r: float
    fisher: tuple[float, float]
    interval: tuple[float, float]
    p: float
    pairs: int
    backbones: int


def transfer_points(matrix: Matrix, scores: Mapping[tuple[str, str], float], view: View = "raw") -> list[Point]:
    """A point for each distilled row and each column of another backbone whose alignment is known."""
    found = []
    for row in (row for row in matrix.rows if row.choice == "distill"):
        for column in matrix.columns:
            judge, value = network_of(column), matrix.value(row, column, view)
            if judge != row.backbone and value is not None and (row.backbone, judge) in scores:
                score = scores[row.backbone, judge]
                found.append(Point(made=row.backbone, judge=judge, alignment=score, accuracy=value, label=row.label))
    return found


def transfer_table(matrix: Matrix, found: Disagreement, k: int = 10) -> tuple[list[str], list[list[str]]]:
    """Headings and a row of text per measure, by its score against chance; none where fewer than three pairs are known.

    `k`: the number of neighbours, or the nearest that was compared.
    """
    k, rows = min(found.ks, key=lambda size: abs(size - k)), []
    scores: dict[str, dict[tuple[str, str], float]] = {}
    for a, b in found.pairs():
        for row in shown_rows(found.measured(a, b), k):
            scores.setdefault(measure_words(row), {}).update({(a, b): row["score"], (b, a): row["score"]})
    for words, values in scores.items():
        points = transfer_points(matrix, values)
        trained, every = related([one for one in points if not one.control]), related(points)
        if trained and every:
            low, high = trained.interval
            told = f"{every.r:.2f} ({every.pairs} pairs)" if every.pairs > trained.pairs else ""
            rows.append(
                [words, f"{trained.r:.2f}", f"{low:.2f} to {high:.2f}", f"{trained.p:.3f}", str(trained.pairs), told]
            )
    return HEADINGS, rows


def related(points: Sequence[Point], resamples: int = 2000, seed: int = 0) -> Related | None:
    """How transfer goes with alignment; None below three pairs or without any spread. Controls count like others."""
    plain = correlation([(one.alignment, one.accuracy) for one in points])
    if plain is None:
        return None
    names = list(dict.fromkeys(name for one in points for name in (one.made, one.judge)))
    place = {name: i for i, name in enumerate(names)}
    pairs = np.array([(place[one.made], place[one.judge]) for one in points])
    x, y = (np.array([getattr(one, name) for one in points]) for name in ("alignment", "accuracy"))
    random, drawn = np.random.default_rng(seed), []
    for _ in range(resamples):
        times = np.bincount(random.integers(len(names), size=len(names)), minlength=len(names))
        drawn.append(_weighed(x, y, times[pairs[:, 0]] * times[pairs[:, 1]]))
    kept = [r for r in drawn if np.isfinite(r)]
    low, high = np.quantile(kept, [0.025, 0.975]).tolist() if kept else (-1.0, 1.0)
    r, *fisher = plain
    return Related(
        r=r, fisher=(fisher[0], fisher[1]), interval=(low, high), p=_renamed(pairs, x, y, len(names), random),
        pairs=len(points), backbones=len(names),
    )  # fmt: skip


def _renamed(pairs: np.ndarray, x: np.ndarray, y: np.ndarray, count: int, random: np.random.Generator) -> float:
    """Mantel's test: alignment stays, accuracies change their backbones' names together."""
    table = np.full((count, count), np.nan)
    table[pairs[:, 0], pairs[:, 1]] = y
    found = _weighed(x, y, np.ones(len(x)))
    orders = (
        [random.permutation(count) for _ in range(_MOST)] if count > 7 else islice(permutations(range(count)), _MOST)
    )
    reached, tried = 0, 0
    for order in map(np.asarray, orders):
        moved = table[order[pairs[:, 0]], order[pairs[:, 1]]]
        known = np.isfinite(moved).astype(float)
        r = _weighed(x, np.nan_to_num(moved), known)
        tried += 1
        reached += bool(np.isfinite(r) and r >= found - 1e-12)
    return (reached + (count > 7)) / (tried + (count > 7))


def _weighed(x: np.ndarray, y: np.ndarray, weights: np.ndarray) -> float:
    """Pearson's r of weighted points; NaN below three of them or without any spread."""
    if np.count_nonzero(weights) < 3:
        return float("nan")
    a, b = (values - np.average(values, weights=weights) for values in (x, y))
    both = np.sqrt((weights * a * a).sum() * (weights * b * b).sum())
    return float((weights * a * b).sum() / both) if both > 1e-12 else float("nan")
