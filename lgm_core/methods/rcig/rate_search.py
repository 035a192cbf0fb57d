"""Learning rates of the two solves: searched for before the first step, the inner one adapted while it goes.

RCIG specification, sections 3 (step 3) and 3.1.

>>> largest_monotone(lambda rate: is_falling(losses_at(rate)), first=1e-5, leap=4)
0.0041
"""

from collections.abc import Callable, Mapping, Sequence
from typing import final

import torch
from torch import Tensor

from lgm_core.base.interfaces import State

FACTOR = 1.2
_EVERY, _LOWER_AT, _RAISE_AT = 50, 0.29, 0.7
_MOST = 400  # factors of 1.2: no rate above 10^31 is looked at


def largest_monotone(is_monotone: Callable[[float], bool], *, first: float, leap: int = 1) -> float:
    """0.84 x the first rate of first * 1.2^k that is not monotone, as the reference has it (failing x 1.2 x 0.7).

    `leap`: factors taken at once while they hold; the last leap is then gone through one by one. With 1, every rate is
    looked at. Raises `RuntimeError` where no rate fails.
    """
    held = -1
    for place in range(leap - 1, _MOST, leap):
        if is_monotone(first * FACTOR**place):
            held = place
            continue
        for fine in range(held + 1, place):
            if not is_monotone(first * FACTOR**fine):
                return first * FACTOR**fine * FACTOR * 0.7
        return first * FACTOR**place * FACTOR * 0.7
    raise RuntimeError(f"no learning rate from {first} on is too large: the losses do not depend on it")


def status_of(losses: Sequence[float]) -> int:
    """+1: strictly falling; -1: ends above its start; 0: neither. A loss that is no number counts as above."""
    if is_falling(losses):
        return 1
    return 0 if losses[-1] <= losses[0] else -1


def is_falling(losses: Sequence[float]) -> bool:
    """Is each smaller than the one before?"""
    return all(after < before for before, after in zip(losses, losses[1:], strict=False))


@final
class Rates:
    """Both learning rates, 0 until they are searched for, and how the solves since the last adjustment went."""

    def __init__(self, inner: float, solve: float) -> None:
        self.inner, self.solve = inner, solve
        self._given = [inner, solve]
        self._statuses: list[int] = []

    def watch(self, step: int, losses: Sequence[float]) -> None:
        """Note a solve; every 50 steps lower the rate by 10 % or raise it by 5 %."""
        self._statuses.append(status_of(losses))
        if step == 0 or step % _EVERY:
            return
        count = len(self._statuses)
        if self._statuses.count(-1) / count >= _LOWER_AT:
            self.inner *= 0.9
        elif self._statuses.count(1) / count >= _RAISE_AT:
            self.inner *= 1.05
        self._statuses.clear()

    def state(self) -> State:
        return {
            "values": torch.tensor([self.inner, self.solve], dtype=torch.float64),
            "given": torch.tensor(self._given, dtype=torch.float64),
            "statuses": torch.tensor(self._statuses, dtype=torch.int64),
        }

    def restore(self, state: Mapping[str, Tensor]) -> None:
        """Take up saved rates, except where this config sets a rate that the saved one did not: a fork asked for it."""
        self.inner, self.solve = (
            own if own and own != before else value
            for own, before, value in zip(self._given, state["given"].tolist(), state["values"].tolist(), strict=True)
        )
        self._statuses = state["statuses"].tolist()
