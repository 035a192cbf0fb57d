"""Which classes a report finds hard, and what they are taken for. Needs no torch.

Asked of an evaluation's report: `per_class` [C], the accuracy of each class in [0, 1], None where it has no test image;
`confusion` [C][C], how often the class of a row was taken for that of a column.

>>> weakest_class(report)
Hard(name='heron', top1=0.41, taken_for=(('stork', 17), ('crane', 4)))
>>> most_confused(report, 20)[0]
(17, 'heron', 'stork')
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

Report = Mapping[str, Any]


@dataclass(frozen=True, kw_only=True)
class Hard:
    """A class, its accuracy in [0, 1], and the classes that it is taken for, the most frequent first, with counts."""

    name: str
    top1: float
    taken_for: tuple[tuple[str, int], ...]


def worst_classes(report: Report, most: int) -> list[Hard]:
    """At most this many classes, the one with the lowest accuracy first; none without a test image."""
    ranked = sorted((top1, place) for place, top1 in enumerate(report["per_class"]) if top1 is not None)[:most]
    names = titles_of(report)
    return [Hard(name=names[place], top1=top1, taken_for=_taken_for(report, place, names)) for top1, place in ranked]


def weakest_class(report: Report) -> Hard | None:
    """The class with the lowest accuracy; None where no class has a test image."""
    return next(iter(worst_classes(report, 1)), None)


def most_confused(report: Report, most: int) -> list[tuple[int, str, str]]:
    """How often, which class, taken for which other: at most this many pairs, the most frequent first."""
    names = titles_of(report)
    pairs = [
        (count, names[true], names[taken])
        for true, row in enumerate(report["confusion"])
        for taken, count in enumerate(row)
        if true != taken and count
    ]
    return sorted(pairs, reverse=True)[:most]


def shares(counts: Sequence[Sequence[int]]) -> list[list[float]]:
    """Counts as shares: each row sums to 1, or to 0 where it has no test image."""
    return [[count / (sum(row) or 1) for count in row] for row in counts]


def titles_of(report: Report) -> list[str]:
    """The names of the classes as texts, whatever the file says."""
    return [str(name) for name in report["classes"]]


def _taken_for(report: Report, place: int, names: list[str]) -> tuple[tuple[str, int], ...]:
    wrong = [(count, other) for other, count in enumerate(report["confusion"][place]) if other != place and count]
    return tuple((names[other], count) for count, other in sorted(wrong, reverse=True))
