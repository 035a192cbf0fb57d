"""Time and memory of RCIG: from runs of the same cost on this machine, else from measured steps. Needs no torch.

>>> cost_of(own, config, data) == cost_of(own, replace(config, seed=1, steps=10), data)
True
"""

import statistics
from collections.abc import Sequence
from typing import Any

from lgm_core.base.costs import Cost, DataSize, Measured, Past, Room
from lgm_core.base.settings import SharedConfig
from lgm_core.methods.rcig.config import RCIGSettings

_COSTLESS = {
    "image_rate", "temperature_rate", "ema", "l2_rate", "inner_rate", "solve_rate", "search_leap", "pool", "pool_life",
    "pool_rate", "initial", "learn_labels", "margin", "published", "softplus",
}  # fmt: skip
_TRIALS = 35  # solves that both rate searches take together; each costs as much as a solve of a step


def cost_of(own: RCIGSettings, shared: SharedConfig, data: DataSize) -> tuple[Any, ...]:
    """All that a step's cost depends on: where it is equal, the cost of one run predicts that of the other."""
    knobs = {name: value for name, value in vars(own.rcig).items() if name not in _COSTLESS}
    scratch, device = own.scratch, shared.device
    return (
        data.classes, data.grey, shared.backbone, shared.images_per_class, *knobs.values(), scratch.resolution,
        scratch.width, scratch.depth, scratch.flip, device.threads, device.compile,
    )  # fmt: skip


def measured_by(own: RCIGSettings, shared: SharedConfig, data: DataSize) -> list[Any]:
    """What measured steps depend on, besides network and device."""
    return [str(cost_of(own, shared, data))]


def from_past(own: RCIGSettings, shared: SharedConfig, data: DataSize, past: Sequence[Past], room: Room) -> Cost:
    """The cost, from the newest runs with an equal `cost_of`."""
    step = statistics.median(one.seconds_per_step for one in past)
    return _cost(own, shared, data, step, max(one.bytes for one in past), per_image=0.0)


def from_measured(own: RCIGSettings, shared: SharedConfig, data: DataSize, found: Measured, room: Room) -> Cost:
    """The cost, from measured steps and the seconds per image of a training step from scratch."""
    return _cost(own, shared, data, found.seconds[-1], found.bytes[-1], per_image=found.forward_seconds)


def remedy(cost: Cost) -> str:
    """What to do where this does not fit into memory."""
    return "Lower images_per_class or scratch.width, or set rcig.forward_chunk and a smaller rcig.chunk."


def _cost(own: RCIGSettings, shared: SharedConfig, data: DataSize, step: float, memory: int, per_image: float) -> Cost:
    images = (2 if own.scratch.flip else 1) * shared.images_per_class * data.classes
    live = shared.live.times * (shared.live.steps * images + min(shared.live.test_images, data.test) / 3) * per_image
    return Cost(
        seconds_per_step=step,
        seconds_prepare=_TRIALS * step / 3,
        seconds_beside=live,
        bytes=memory,
        seconds_per_image=per_image,
    )
