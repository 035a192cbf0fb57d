"""Time and memory of Linear Gradient Matching, from runs of the past or from measured steps. Needs no torch.

Costs are kept per view: a step looks at `views` views of every image, in chunks that memory allows.

>>> from_measured(own, config, data, measured, room).seconds_per_step
0.42
"""

import statistics
from collections.abc import Sequence
from typing import Any

from lgm_core.backbones.students.student_names import is_student
from lgm_core.base.costs import BASE_BYTES, DECODE_SECONDS, Cost, DataSize, Measured, Past, Room
from lgm_core.base.settings import LIVE_SHARE, LIVE_VIEWS, SharedConfig
from lgm_core.methods.lgm.lgm_settings import LGMSettings

_MOST_MEASURED = 8  # synthetic images in the measured steps
_FEATURES = ("dataset", "backbone", "data", "bank", "normalisation", "seed")  # and augment: what banks depend on


def cost_of(own: LGMSettings, shared: SharedConfig, data: DataSize) -> tuple[Any, ...]:
    """The settings that must be equal for the cost of one run to predict that of another."""
    lgm, device = own.lgm, shared.device
    real = lgm.target, lgm.head_steps, lgm.bank_rows
    return shared.backbone, *real, *_kind(own, shared), device.threads, device.precision, device.compile


def measured_by(own: LGMSettings, shared: SharedConfig, data: DataSize) -> list[Any]:
    """What measured steps depend on, besides network and device."""
    images = min(data.classes * shared.images_per_class, _MOST_MEASURED)
    heads, lgm = data.classes * own.clusters_per_class(shared.images_per_class), own.lgm
    real = (heads, lgm.head_steps, lgm.bank_rows) if lgm.target == "bank" else ()
    return [images, own.synthetic.resolution, shared.normalisation, *_kind(own, shared), *real]


def _kind(own: LGMSettings, shared: SharedConfig) -> tuple[Any, ...]:
    """What kind of step it is: the same views cost twice as much, or half, in another."""
    lgm, several = own.lgm, len(shared.networks()) > 1
    joint = (lgm.joint, lgm.source_weights, lgm.source_views) if several else ()
    return lgm.objective, bool(lgm.flat_radius), bool(own.augment.colour_jitter), *joint


def from_past(own: LGMSettings, shared: SharedConfig, data: DataSize, past: Sequence[Past], room: Room) -> Cost:
    """The cost, from earlier distillations with this network on this machine. `room`: where this one will compute."""
    base = BASE_BYTES[room.kind]
    rates = [one.seconds_per_step / _views(one.own, one.shared, one.data) for one in past]
    sizes = [max(one.bytes - base, 0) / _at_once(one.own, one.shared, one.data) for one in past]
    per_view, seconds_known = statistics.median(rates), any(_same_features(own, shared, one) for one in past)
    return _cost(
        own, shared, data, room, base=base, bytes_per_view=statistics.median(sizes), forward=per_view / 3,
        seconds=per_view * _views(own, shared, data), prepared=seconds_known,
    )  # fmt: skip


def from_measured(own: LGMSettings, shared: SharedConfig, data: DataSize, found: Measured, room: Room) -> Cost:
    """The cost, from steps with one and with three views that were measured on noise."""
    (few, many), (quick, slow), (small, large) = found.views, found.seconds, found.bytes
    per_view = max((slow - quick) / (many - few), 0.3 * slow / many)
    each = _views(own, shared, data) / own.passes(len(shared.networks()))  # measured are whole steps
    seconds = max(quick + per_view * (each - few), per_view)
    bytes_per_view = max(large - small, 0) / (many - few)
    if own.lgm.target == "batch":  # the real side is decoded and seen anew at every step, each view in one network
        forward = found.forward_seconds / len(shared.networks())
        seconds += _views(own, shared, data) * (forward + DECODE_SECONDS)
    if own.lgm.target == "bank":
        rows = min(own.lgm.bank_rows, data.train * shared.bank.views)
        heads = 2 if own.compares_classes(own.clusters_per_class(shared.images_per_class)) else 1
        seconds += heads * rows * found.row_seconds * (2 if own.lgm.flat_radius else 1)
    return _cost(
        own, shared, data, room, base=int(small - few * bytes_per_view), bytes_per_view=bytes_per_view,
        forward=found.forward_seconds, seconds=seconds, prepared=False,
    )  # fmt: skip


def remedy(cost: Cost) -> str:
    """What to do where the run does not fit into memory, such as fewer views."""
    if cost.largest:
        return f"Lower lgm.views to {cost.largest}, or leave lgm.chunk at 0: it then runs in smaller passes."
    return "Lower images_per_class, or use a smaller backbone."


def _cost(
    own: LGMSettings, shared: SharedConfig, data: DataSize, room: Room, *, base: int, bytes_per_view: float,
    forward: float, seconds: float, prepared: bool,
) -> Cost:  # fmt: skip
    images = data.classes * shared.images_per_class
    views = 0 if own.lgm.target == "batch" else shared.bank.views
    on_map = min(shared.record.map_images, 4 * shared.steps, data.train)
    judges = sum(not is_student(name) for name in dict.fromkeys((*shared.networks(), *shared.evaluate_on)))
    seen = data.test + on_map + (judges * min(shared.live.test_images, data.test) if shared.live.times else 0)
    prepare = data.train * (views * forward + DECODE_SECONDS) + seen * (forward + DECODE_SECONDS)
    live = shared.live.times * LIVE_VIEWS * images * forward
    live += min((judges - 1) * live, LIVE_SHARE * shared.steps * seconds)
    trail = len(shared.networks()) * shared.record.frames * images * forward if on_map else 0.0
    # six float32 tensors per image: levels, their gradient, two moments, the picture, and an intermediate one
    pictures = images * 3 * own.synthetic.resolution**2 * 4 * 6
    fitting = (room.free - base - pictures) / (bytes_per_view * images) if bytes_per_view else own.lgm.views
    return Cost(
        seconds_per_step=seconds,
        seconds_prepare=0.0 if prepared else prepare,
        seconds_beside=live + trail,
        bytes=int(base + _at_once(own, shared, data) * bytes_per_view + pictures),
        seconds_per_image=forward,
        largest=max(int(fitting), 0) if room.free else own.lgm.views,
    )


def _same_features(own: LGMSettings, shared: SharedConfig, other: Past) -> bool:
    """Has the other run computed the very features that this one needs?"""
    same = all(getattr(shared, name) == getattr(other.shared, name) for name in _FEATURES)
    return same and own.augment == other.own.augment and other.step > 0


def _views(own: LGMSettings, shared: SharedConfig, data: DataSize) -> float:
    """That a step looks at, on average over its backbones' turns; twice for flat minima."""
    return own.views_of_a_step(shared.images_per_class * data.classes, len(shared.networks()))


def _at_once(own: LGMSettings, shared: SharedConfig, data: DataSize) -> int:
    views = own.views_at_once(shared.images_per_class * data.classes)
    return min(own.lgm.chunk or views, views)
