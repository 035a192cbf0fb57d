"""Whose side do the others take? Sets that mean one class to A and another to B, and whose meaning each network finds.

>>> sides = taken_sides(store.study("sides"))
>>> print_rows(*side_table(sides))
>>> print(aim_words(sides))
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean, pstdev
from typing import Any

from lgm_core.backbones.points import split_point
from lgm_core.config import is_contrast
from lgm_core.evaluation.protocol import column_of, network_of
from lgm_core.reports.matrix import config_of
from lgm_core.reports.summary import percent
from lgm_core.runs.store import RunFolder

OWN, OTHERS = 0.85, 0.02  # what is aimed at: the share that A and B call by their own meaning, and by the other's
_MOST_NAMED = 6  # exchanges
HEADINGS = [
    "images mean their class to", "and another to", "judged by", "A's class, %", "B's class, %", "with A, %", "sets"
]  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class Spread:
    """A share in [0, 1]: mean and population standard deviation over sets."""

    mean: float
    spread: float

    def words(self, sets: int) -> str:
        """In %, such as "26.1", or "26.1 ± 1.4" over several sets."""
        return percent(self.mean, self.spread, sets)


@dataclass(frozen=True, kw_only=True)
class Side:
    """What one judge sees in the sets of one ordered pair and one assignment, over the sets that `runs` made.

    classes  for each class, by number, the one that its images mean to B; `assignment`: that in words
    top1     of the test images of exchanged classes that are called by A's meaning, and `other`, by B's
    share    with A, of those that are called by one of the two; None where there are none
    """

    first: str
    second: str
    judge: str
    classes: tuple[int, ...]
    assignment: str
    top1: Spread
    other: Spread
    share: Spread | None
    runs: tuple[str, ...]

    @property
    def pair(self) -> tuple[str, str, tuple[int, ...]]:
        """What tells its sets from others: A, B and the assignment."""
        return self.first, self.second, self.classes

    @property
    def is_own(self) -> bool:
        """Is the judge A or B itself?"""
        return network_of(self.judge) in (self.first, self.second)

    @property
    def is_third(self) -> bool:
        """Is the judge a backbone that took no part in making the images, or a layer of one?"""
        return trunk_of(self.judge) not in (trunk_of(self.first), trunk_of(self.second))


def trunk_of(column: str) -> str:
    """The backbone of a judge, whatever layer it is read at."""
    return split_point(network_of(column))[0]


def taken_sides(runs: Iterable[RunFolder]) -> list[Side]:
    """Of each ordered pair, assignment and judge that there is a report of, in the order of the runs.

    Where a set was judged by the same judge twice the newer report counts.
    """
    found: dict[tuple[str, str, str, tuple[int, ...]], dict[str, dict[str, Any]]] = {}
    runs = list(runs)
    made = {run.id: config_of(run).networks() for run in runs if is_contrast(config_of(run))}
    for run in runs:
        source = run.id if run.id in made else config_of(run).source
        for report in run.eval_reports() if source in made else ():
            if "contrast" in report:
                first, second = made[source]
                key = first, second, column_of(report), tuple(report["contrast"]["classes"])
                found.setdefault(key, {})[source] = report
    return [_side(*key, reports) for key, reports in found.items()]


def _side(first: str, second: str, judge: str, classes: tuple[int, ...], reports: dict[str, dict[str, Any]]) -> Side:
    told = list(reports.values())
    shares = [one["contrast"]["allegiance"] for one in told if one["contrast"]["allegiance"] is not None]
    return Side(
        first=first, second=second, judge=judge, classes=classes,
        assignment=assignment_words(classes, told[0]["classes"]), top1=_spread([_called(one)[0] for one in told]),
        other=_spread([_called(one)[1] for one in told]), share=_spread(shares) if shares else None,
        runs=tuple(reports),
    )  # fmt: skip


def _called(report: Mapping[str, Any]) -> tuple[float, float]:
    """The shares of the test images that are called by A's and by B's meaning, of classes whose meanings differ.

    With some that keep theirs the shares are those of the first of several heads, as the confusion is.
    """
    meaning, confusion = report["contrast"]["classes"], report["confusion"]
    moved = [place for place, meant in enumerate(meaning) if place != meant]
    if len(moved) == len(meaning):
        return report["top1"], report["contrast"]["top1_other"]
    images = sum(sum(confusion[place]) for place in moved)
    own = sum(confusion[place][place] for place in moved)
    other = sum(confusion[meaning[place]][place] for place in moved)
    return own / images, other / images


def _spread(values: Sequence[float]) -> Spread:
    return Spread(mean=fmean(values), spread=pstdev(values))


def assignment_words(meaning: Sequence[int], names: Sequence[str]) -> str:
    """What images of each class mean to B, in words: "rolled", or which classes are exchanged."""
    if all(meant == (place + 1) % len(meaning) for place, meant in enumerate(meaning)):
        return "rolled"
    pairs = [(a, b) for a, b in enumerate(meaning) if a < b and meaning[b] == a]
    others = [(a, b) for a, b in enumerate(meaning) if a != b and meaning[b] != a]
    said = [f"{names[a]} ↔ {names[b]}" for a, b in pairs] + [f"{names[a]} → {names[b]}" for a, b in others]
    more = [f"and {len(said) - _MOST_NAMED} more"] if len(said) > _MOST_NAMED else []
    return ", ".join(said[:_MOST_NAMED] + more)


def side_table(sides: Iterable[Side]) -> tuple[list[str], list[list[str]]]:
    """Headings and rows of text; the share is not that of A and B themselves.

    With a column for the assignment where there is more than one.
    """
    sides = list(sides)
    rows = [
        [
            one.first, one.second, one.judge, one.top1.words(len(one.runs)), one.other.words(len(one.runs)),
            with_first(one), str(len(one.runs)),
        ]
        for one in sides
    ]  # fmt: skip
    if not several_assignments(sides):
        return HEADINGS, rows
    rows = [[*row[:2], one.assignment, *row[2:]] for row, one in zip(rows, sides, strict=True)]
    return [*HEADINGS[:2], "assignment", *HEADINGS[2:]], rows


def several_assignments(sides: Iterable[Side]) -> bool:
    return len({one.classes for one in sides}) > 1


def with_first(side: Side) -> str:
    """The share with A in %, of any other judge; "" for A and B themselves."""
    return side.share.words(len(side.runs)) if not side.is_own and side.share else ""


def reaches_aim(sides: Iterable[Side]) -> bool | None:
    """Of one pair and assignment: do A and B call by their own meaning as often, and by the other's as rarely, as aimed

    at? None until both have judged.
    """
    told = [
        (network_of(one.judge), one.top1.mean, one.other.mean)
        if network_of(one.judge) == one.first
        else (network_of(one.judge), one.other.mean, one.top1.mean)
        for one in sides if one.is_own
    ]  # fmt: skip
    if len({name for name, *_ in told}) < 2:
        return None
    return all(own >= OWN and other < OTHERS for _, own, other in told)


def aim_words(sides: Iterable[Side]) -> str:
    """A sentence: which ordered pairs reach what is aimed at; "" until A and B have judged a set of theirs."""
    by_pair: dict[tuple[str, str, tuple[int, ...]], list[Side]] = {}
    for one in sides:
        by_pair.setdefault(one.pair, []).append(one)
    known = {pair: aim for pair, found in by_pair.items() if (aim := reaches_aim(found)) is not None}
    if not known:
        return ""
    reached = [pair for pair, aim in known.items() if aim]
    told = ", ".join(f"{first} against {second}" for first, second, _ in reached)
    whole, met = (_in_both_orders(pairs) for pairs in (known, reached))
    both = f", {met} of {whole} pairs in both orders" if whole else ""
    return (
        f"Aim: A and B each call at least {100 * OWN:g} % by their own meaning, and under {100 * OTHERS:g} % by the "
        f"other's. {len(reached)} of {len(known)} ordered pairs reach it{f' ({told})' if told else ''}{both}."
    )


def _in_both_orders(pairs: Iterable[tuple[str, str, tuple[int, ...]]]) -> int:
    """How many pairs are there in both orders, whatever their assignments."""
    orders = {(first, second) for first, second, _ in pairs}
    return sum((second, first) in orders for first, second in orders) // 2
