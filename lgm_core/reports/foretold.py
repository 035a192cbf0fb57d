"""Is the side that a network takes foretold by how alike it is to the two, or by how well it reads their sets?

>>> for name, found in foretold(runs, "imagenette", taken_sides(runs)).items():
...     name, found.r, found.interval
"""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from statistics import fmean

import numpy as np

from lgm_core.backbones.points import split_point
from lgm_core.evaluation.protocol import column_of, network_of
from lgm_core.reports.allegiance import Side, trunk_of
from lgm_core.reports.disagreement import WORDS, newest_align
from lgm_core.reports.matrix import config_of
from lgm_core.runs.identity import identity
from lgm_core.runs.store import RunFolder

Values = Mapping[tuple[str, str], float]  # (judge, backbone): how alike they are, or how well the one reads the other
TRANSFER = "Transfer"


@dataclass(frozen=True, kw_only=True)
class Followed:
    """How well a value foretells the side: r over `points`, each a pair and a third judge, through the origin.

    x is the third's value with A less that with B, y the share with A less one half, mean of both orders.
    interval  95 % over backbones drawn with replacement, layers with theirs; None below four backbones
    """

    r: float
    interval: tuple[float, float] | None
    points: int
    backbones: int


def foretold(runs: Iterable[RunFolder], dataset: str, sides: Iterable[Side]) -> dict[str, Followed | None]:
    """By what foretells it, in words: two measures of alignment, and transfer; without those that nothing is known of.

    `runs`: all that may know alignment or transfer, oldest first.
    """
    runs, sides = list(runs), list(sides)
    whole = {one.judge for one in sides if not split_point(network_of(one.judge))[1]}
    names = {network_of(name) for one in sides for name in (one.first, one.second)} | {*map(network_of, whole)}
    judges = dict.fromkeys(one.judge for one in sides)
    known: dict[str, Values] = {
        words: {(judge, b): value for judge in judges for (a, b), value in values.items() if a == network_of(judge)}
        for words, values in alignments(runs, dataset, names).items()
    }
    if read := readings(runs, dataset):
        known[TRANSFER] = read
    return {words: followed(sides, values) for words, values in known.items()}


def alignments(runs: Iterable[RunFolder], dataset: str, backbones: Iterable[str]) -> dict[str, Values]:
    """By measure, in words, what the newest align run on a data set says of all these backbones; {} without one.

    The debiased CKA where the run has it.
    """
    run = newest_align(list(runs), dataset, backbones)
    if run is None or not (found := run.alignment()):
        return {}
    sizes = sorted(found["mutual_knn"], key=int)
    k = "10" if "10" in sizes else sizes[0]
    cka = "cka_debiased" if "cka_debiased" in found else "cka"
    tables = {WORDS[cka]: found[cka], f"{WORDS['mutual_knn']}, k = {k}": found["mutual_knn"][k]}
    names = list(enumerate(found["backbones"]))
    return {
        words: {(a, b): table[i][j] for i, a in names for j, b in names if table[i][j] is not None}
        for words, table in tables.items()
    }


def readings(runs: Iterable[RunFolder], dataset: str) -> Values:
    """How well judges read sets that one backbone alone was distilled with: (judge, backbone) -> top-1 in [0, 1].

    Of the newest finished sets, all made with the same settings: those settings for which most is known.
    """
    runs, by_settings = list(runs), dict[str, dict[tuple[str, str], float]]()
    configs = {run.id: config_of(run) for run in runs}
    for run in runs:
        made = configs.get(configs[run.id].source) if configs[run.id].kind == "evaluate" else configs[run.id]
        if made is None or made.kind != "distill" or made.dataset != dataset or len(made.networks()) > 1:
            continue
        settings = json.dumps(identity(replace(made, backbone="", seed=0)), sort_keys=True)
        if run.status().state == "finished":
            found = by_settings.setdefault(settings, {})
            found |= {(column_of(report), made.backbone): report["top1"] for report in run.eval_reports()}
    return max(reversed(by_settings.values()), key=len, default={})


def followed(sides: Iterable[Side], values: Values, resamples: int = 2000, seed: int = 0) -> Followed | None:
    """Do the others side with the one of which they have the higher value? None below three points."""
    found: dict[tuple[str, str, str], list[float]] = {}
    for one in sides:
        if one.is_third and one.share is not None:
            found.setdefault((one.first, one.second, one.judge), []).append(one.share.mean)
    shares = {triple: fmean(given) for triple, given in found.items()}
    points: dict[tuple[str, str, str], tuple[float, float]] = {}
    for (a, b, judge), share in shares.items():
        if (b, a, judge) in points or (judge, a) not in values or (judge, b) not in values:
            continue
        back = shares.get((b, a, judge))
        y = share - 0.5 if back is None else (share - back) / 2
        points[a, b, judge] = values[judge, a] - values[judge, b], y
    if len(points) < 3:
        return None
    names = sorted({trunk_of(name) for triple in points for name in triple})
    places = np.array([[names.index(trunk_of(name)) for name in triple] for triple in points])
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
    """A sentence for each value that may foretell the side."""
    said = []
    for name, one in found.items():
        if one is None:
            said.append(f"{name}: fewer than three pairs with a third backbone are known.")
            continue
        spread = f"95 % interval {one.interval[0]:.2f} to {one.interval[1]:.2f}" if one.interval else "no interval yet"
        said.append(f"{name}: r {one.r:.2f} ({spread}; {one.points} points of {one.backbones} backbones).")
    return said
