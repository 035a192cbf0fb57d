"""Time and memory of the toy method, from runs of the past or from measured steps. Needs no torch.

>>> from_past(own, config, data, past, room).seconds_per_step
0.0004
"""

import statistics
from collections.abc import Sequence
from typing import Any

from lgm_core.base.costs import DECODE_SECONDS, Cost, DataSize, Measured, Past, Room
from lgm_core.base.settings import SharedConfig
from lgm_core.methods.toy.config import ToySettings


def cost_of(own: ToySettings, shared: SharedConfig, data: DataSize) -> tuple[Any, ...]:
    """What must be equal for one run to tell of another."""
    return own.side, shared.images_per_class, data.classes, shared.device.threads


def measured_by(own: ToySettings, shared: SharedConfig, data: DataSize) -> list[Any]:
    """What measured steps depend on, beside network and device."""
    return list(cost_of(own, shared, data))


def from_past(own: ToySettings, shared: SharedConfig, data: DataSize, past: Sequence[Past], room: Room) -> Cost:
    """From runs of equal `cost_of` on this machine, newest first. `room`: where this one will compute."""
    return _cost(data, statistics.median(one.seconds_per_step for one in past), max(one.bytes for one in past))


def from_measured(own: ToySettings, shared: SharedConfig, data: DataSize, found: Measured, room: Room) -> Cost:
    """From what `measure` found."""
    return _cost(data, found.seconds[-1], found.bytes[-1])


def remedy(cost: Cost) -> str:
    """What to do where it does not fit into memory."""
    return "Lower toy.side or images_per_class."


def _cost(data: DataSize, seconds: float, memory: int) -> Cost:
    prepare = data.train * DECODE_SECONDS
    return Cost(seconds_per_step=seconds, seconds_prepare=prepare, seconds_beside=0.0, bytes=memory)
