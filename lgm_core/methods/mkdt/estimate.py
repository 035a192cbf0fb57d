"""Time and memory of MKDT: from runs of the same cost on this machine, else from measured steps. Needs no torch.

>>> cost_of(own, config, data) == cost_of(own, replace(config, seed=1, steps=10), data)
True
"""

import statistics
from collections.abc import Sequence
from typing import Any

from lgm_core.backbones.students.student_names import is_student
from lgm_core.base.costs import DECODE_SECONDS, Cost, DataSize, Measured, Past, Room
from lgm_core.base.settings import SharedConfig
from lgm_core.methods.mkdt.config import MKDTSettings
from lgm_core.methods.mkdt.kept import Kept, kept_of

_COSTLESS = {
    "experts", "expert_rate", "expert_momentum", "expert_decay", "expert_batch", "side_by_side", "start_epochs",
    "expert_epochs", "half", "store_gigabytes", "one_expert", "initial", "image_rate", "target_rate", "rate",
    "rate_rate", "momentum",
}  # fmt: skip
_TEACHER_SECONDS = {"cpu": 0.02, "cuda": 0.001}  # per image: a guess, where it was neither timed nor run here
_AS_PLAIN = 4.0  # a step that is differentiated through costs about as much as so many plain ones (docs/mkdt.md)
_TEACHER_BATCH = 64  # images of a training step of a small teacher


def cost_of(own: MKDTSettings, shared: SharedConfig, data: DataSize) -> tuple[Any, ...]:
    """All that a step's cost depends on: where it is equal, the cost of one run predicts that of the other."""
    knobs = {name: value for name, value in vars(own.mkdt).items() if name not in _COSTLESS}
    scratch, device = own.scratch, shared.device
    return (
        data.classes, data.grey, shared.backbone, shared.images_per_class, own.pretrain.teacher, *knobs.values(),
        scratch.resolution, scratch.width, scratch.depth, device.threads,
    )  # fmt: skip


def measured_by(own: MKDTSettings, shared: SharedConfig, data: DataSize) -> list[Any]:
    """What measured steps depend on, besides network and device."""
    return [str(cost_of(own, shared, data)), "and the teacher"]


def from_past(own: MKDTSettings, shared: SharedConfig, data: DataSize, past: Sequence[Past], room: Room) -> Cost:
    """The cost, from the newest runs with an equal `cost_of`."""
    step, knobs = statistics.median(one.seconds_per_step for one in past), own.mkdt
    seen = knobs.student_steps * min(knobs.batch, shared.images_per_class * data.classes)
    return _cost(own, shared, data, room, step, max(one.bytes for one in past), per_image=step / seen / _AS_PLAIN)


def from_measured(own: MKDTSettings, shared: SharedConfig, data: DataSize, found: Measured, room: Room) -> Cost:
    """The cost, from measured steps and the seconds per image of a training step."""
    timed, step = found.judges.get(own.pretrain.teacher, 0.0), found.seconds[-1]
    return _cost(own, shared, data, room, step, found.bytes[-1], per_image=found.forward_seconds, teacher_image=timed)


def remedy(cost: Cost) -> str:
    """What to do where this does not fit into memory."""
    return "Set mkdt.segment (steps of the student in memory at once), or lower mkdt.batch or scratch.width."


def _cost(
    own: MKDTSettings, shared: SharedConfig, data: DataSize, room: Room, step: float, memory: int, *, per_image: float,
    teacher_image: float = 0.0,
) -> Cost:  # fmt: skip
    """`per_image`: seconds of a training step of the network; `teacher_image`: of a look of the teacher, 0: not timed.

    What lies in the cache already costs nothing.
    """
    images, kept = shared.images_per_class * data.classes, Kept()
    if room.cache:
        kept = kept_of(own, shared, room.kind, room.cache / "trajectories")
    teacher_image = teacher_image or kept.teacher_seconds or _TEACHER_SECONDS[room.kind]
    teacher = data.train * (teacher_image + DECODE_SECONDS)
    if is_student(own.pretrain.teacher):
        teacher = (own.pretrain.teacher_steps * _TEACHER_BATCH + data.train / 3) * per_image
    experts = max(own.mkdt.experts - kept.experts, 0) * own.mkdt.epochs
    ranked = max(own.mkdt.experts - kept.losses, 0) / 3 if own.mkdt.initial == "high-loss" else 0
    batch = min(own.pretrain.batch, images)
    live = shared.live.times * (shared.live.steps * batch + min(shared.live.test_images, data.test) / 3) * per_image
    return Cost(
        seconds_per_step=step,
        seconds_prepare=(0.0 if kept.teacher else teacher) + data.train * per_image * (experts + ranked),
        seconds_beside=live,
        bytes=memory,
        seconds_per_image=per_image,
    )
