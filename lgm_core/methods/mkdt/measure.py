"""What a step of MKDT costs here, measured in a few steps on noise of the run's own sizes.

>>> measure(own_settings(config), config, 10, compute=compute, network=open_one, tick=lambda: None)["seconds"]
[0.62, 0.62]
"""

import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

from lgm_core.backbones.precision import forward_seconds
from lgm_core.backbones.students.networks import Student, build_student
from lgm_core.backbones.students.regression import target_shape
from lgm_core.backbones.students.student_names import is_student
from lgm_core.backbones.students.training import training_seconds
from lgm_core.base.device import Compute, peak_memory
from lgm_core.base.errors import Unavailable, result_or_why
from lgm_core.base.interfaces import Backbone, generator
from lgm_core.base.settings import SharedConfig
from lgm_core.datasets.catalog import find_row
from lgm_core.methods.mkdt.config import MKDTSettings
from lgm_core.methods.mkdt.experts import fresh
from lgm_core.methods.mkdt.step import MKDT
from lgm_core.methods.mkdt.trajectories import Trajectories
from lgm_core.methods.mkdt.unrolled import Learnables

_STEPS = 2  # timed, after one that is not
_NOISE_SIZE = 512  # entries of a target, where the teacher is not here


def measure(
    own: MKDTSettings, shared: SharedConfig, classes: int, *, compute: Compute, network: Callable[[str], Backbone],
    tick: Callable[[], None],
) -> dict[str, Any]:  # fmt: skip
    """Seconds per step and peak bytes, in the layout that `lgm.measure` has; both sizes are the run's own.

    And the seconds per image of the teacher, where its weights are here, among those of the judges.
    """
    with tempfile.TemporaryDirectory() as folder:
        distiller, student = noisy_mkdt(own, shared, classes, compute.device, Path(folder))
        times = []
        for step in range(_STEPS + 1):
            began = time.perf_counter()
            distiller.step(step)
            times.append(time.perf_counter() - began)
            tick()
    seconds, memory = statistics.median(times[1:]), peak_memory(compute.device)
    student.requires_grad_(True)
    teacher, judges = own.pretrain.teacher, {}
    if not is_student(teacher):
        opened, _ = result_or_why(lambda: network(teacher), Unavailable)
        judges = {teacher: forward_seconds(opened, compute)} if opened else {}
    return {
        "seconds": [seconds, seconds],
        "bytes": [memory, memory],
        "views": [1, 1],
        "images": classes * shared.images_per_class,
        "forward_seconds": training_seconds(student, compute.device),
        "judges": judges,
    }


def noisy_mkdt(
    own: MKDTSettings, shared: SharedConfig, classes: int, device: torch.device, folder: Path
) -> tuple[MKDT, Student]:
    """A distiller with noise for images, targets and one expert; and its network."""
    channels, count = 1 if find_row(shared.dataset).grey else 3, classes * shared.images_per_class
    shape = target_shape(shared.networks()[0], own.scratch, channels=channels, size=_NOISE_SIZE)
    student = build_student(shape, random=generator("cpu", 0), start="torch").to(device)
    flat = fresh(student, 0, 0)
    store = Trajectories(folder, snapshots=own.mkdt.epochs + 1, size=flat.numel(), half=False, device=device)
    store.add(0, torch.stack([flat + 0.01 * epoch for epoch in range(own.mkdt.epochs + 1)]))
    pixels = torch.randn(count, channels, own.side, own.side, generator=generator("cpu", 1)).to(device)
    targets = torch.randn(count, _NOISE_SIZE, generator=generator("cpu", 2)).to(device)
    labels = torch.arange(classes, device=device).repeat_interleave(shared.images_per_class)
    knobs = type(own.mkdt)(**{**vars(own.mkdt), "experts": 1})
    learned = Learnables(pixels, targets, torch.tensor(own.mkdt.rate, device=device))
    return MKDT(
        knobs, learned=learned, labels=labels, decode=lambda values: values, student=student, store=store, seed=0
    ), student
