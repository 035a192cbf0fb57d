"""Whose meaning of the images a network finds, where a set was made to mean one class to A and another to B.

A classifier that was trained on the images with A's classes is also one for B's: where it says that an image is of
class p, B's meaning of that is class `meaning[p]`. So both are read off one confusion.

>>> sides([[3, 1], [4, 2]], meaning=(1, 0))
{'classes': [1, 0], 'top1_other': 0.5, 'allegiance': 0.5}
"""

from collections.abc import Sequence
from typing import Any

from lgm_core.base.interfaces import HardSet, LearnedSet


def other_meaning(learned: LearnedSet | None, classes: int) -> tuple[int, ...]:
    """The class that images of each class mean to the second network that a set was made with; () where the same."""
    if not isinstance(learned, HardSet) or learned.other is None:
        return ()
    told = dict(zip(learned.labels.tolist(), learned.other.tolist(), strict=True))
    return tuple(told.get(place, place) for place in range(classes))


def sides(confusion: Sequence[Sequence[int]], meaning: Sequence[int]) -> dict[str, Any]:
    """What a confusion [C][C], true class by predicted, says of both meanings; shares in [0, 1].

    top1_other: of the test images, those that are called by B's meaning; allegiance: of those of exchanged classes that
    are called by one of the two, those that are called by A's (None where there are none).
    """
    images = sum(map(sum, confusion))
    other = {place: confusion[meant][place] for place, meant in enumerate(meaning)}
    moved = [place for place, meant in enumerate(meaning) if place != meant]
    first, second = sum(confusion[place][place] for place in moved), sum(other[place] for place in moved)
    return {
        "classes": list(meaning),
        "top1_other": sum(other.values()) / images,
        "allegiance": first / (first + second) if first + second else None,
    }
