"""What a step of RCIG costs here, measured in a few steps on noise of the run's own sizes.

>>> measure(own_settings(config), config, 10, compute=compute, network=open_one, tick=lambda: None)["seconds"]
[1.4, 1.4]
"""

import statistics
import time
from collections.abc import Callable
from typing import Any

import torch

from lgm_core.backbones.students.networks import Student, build_student, student_shape
from lgm_core.backbones.students.training import centred_targets, training_seconds
from lgm_core.base.device import Compute, peak_memory
from lgm_core.base.interfaces import Backbone, generator
from lgm_core.base.settings import SharedConfig
from lgm_core.datasets.catalog import find_row
from lgm_core.datasets.transforms.transform import Identity
from lgm_core.datasets.whitened import WhitenedSplit
from lgm_core.methods.rcig.config import RCIGSettings
from lgm_core.methods.rcig.labelled import LabelledSet
from lgm_core.methods.rcig.pool import Pool
from lgm_core.methods.rcig.step import RCIG, number_type

_STEPS = 2  # timed, after one that is not


def measure(
    own: RCIGSettings, shared: SharedConfig, classes: int, *, compute: Compute, network: Callable[[str], Backbone],
    tick: Callable[[], None],
) -> dict[str, Any]:  # fmt: skip
    """Seconds per step and peak bytes, in the layout that `lgm.measure` has; both sizes are the run's own.

    `network` is not asked: the run's networks are trained from scratch.
    """
    distiller, student = noisy_rcig(own, shared, classes, compute.device)
    times = []
    for step in range(_STEPS + 1):
        began = time.perf_counter()
        distiller.step(step)
        times.append(time.perf_counter() - began)
        tick()
    seconds, memory = statistics.median(times[1:]), peak_memory(compute.device)
    return {
        "seconds": [seconds, seconds],
        "bytes": [memory, memory],
        "views": [1, 1],
        "images": classes * shared.images_per_class,
        "forward_seconds": training_seconds(student, compute.device),
    }


def noisy_rcig(own: RCIGSettings, shared: SharedConfig, classes: int, device: torch.device) -> tuple[RCIG, Student]:
    """A distiller with noise for data and learning rates that are not searched for; and its network."""
    knobs, scratch, (network,) = own.rcig, own.scratch, shared.networks()
    channels = 1 if find_row(shared.dataset).grey else 3
    shape = student_shape(network, scratch, channels=channels, classes=classes, softplus=knobs.softplus)
    student = build_student(shape, random=generator("cpu", 0)).to(device, number_type(knobs))
    labels = torch.arange(classes).repeat_interleave(shared.images_per_class)
    pixels = torch.randn(len(labels), channels, own.side, own.side, generator=generator("cpu", 1))
    pixels = pixels.to(number_type(knobs))
    learned = LabelledSet(
        pixels, centred_targets(labels, classes).to(pixels), labels, decode=lambda values: values, flip=scratch.flip,
        learn_labels=knobs.learn_labels, decay=knobs.ema,
    ).to(device)  # fmt: skip
    noise = torch.randint(0, 256, (knobs.batch, *pixels.shape[1:]), dtype=torch.uint8, generator=generator("cpu", 2))
    real = WhitenedSplit(noise, torch.arange(knobs.batch) % classes, Identity(), device)
    pool = Pool(student, size=2, life=10**6, most_steps=knobs.pool_steps, rate=knobs.pool_rate, seed=0,
                rows=knobs.pool_rows, compiled=shared.device.compile)  # fmt: skip
    distiller = RCIG(knobs, synthetic=learned, real=real, pool=pool, seed=0)
    distiller.rates.inner, distiller.rates.solve = 1e-3, 1.0
    return distiller, student
