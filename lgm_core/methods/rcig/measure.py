"""What a step of RCIG costs here, measured in a few steps on noise of the run's own sizes.

>>> measure_rcig(config, classes=10, tick=lambda: None)["seconds"]
[1.4, 1.4]
"""

import statistics
import time
from collections.abc import Callable
from typing import Any

import torch
from torch.nn.functional import mse_loss

from lgm_core.backbones.students.networks import Student, StudentShape, build_student
from lgm_core.backbones.students.student_names import student_name
from lgm_core.base.device import open_compute, peak_memory
from lgm_core.base.interfaces import generator
from lgm_core.config import RunConfig
from lgm_core.datasets.catalog import find_row
from lgm_core.datasets.transforms.transform import Identity
from lgm_core.datasets.whitened import WhitenedSplit
from lgm_core.methods.rcig.labelled import LabelledSet, centred_targets
from lgm_core.methods.rcig.pool import Pool
from lgm_core.methods.rcig.step import RCIG, number_type

_STEPS = 2  # timed, after one that is not


def measure_rcig(config: RunConfig, *, classes: int, tick: Callable[[], None]) -> dict[str, Any]:
    """Seconds per step and peak bytes, in the layout of `calibration.measure`; both sizes are the run's own."""
    compute = open_compute(config.device)
    distiller, student = noisy_rcig(config, classes, compute.device)
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
        "images": classes * config.images_per_class,
        "device": compute.title(),
        "forward_seconds": forward_and_back(student, compute.device),
    }


def noisy_rcig(config: RunConfig, classes: int, device: torch.device) -> tuple[RCIG, Student]:
    """A distiller with noise for data and learning rates that are not searched for; and its network."""
    knobs, told = config.rcig, student_name(config.backbone)
    channels = 1 if find_row(config.dataset).grey else 3
    shape = StudentShape(
        architecture=told.architecture, norm=told.norm, side=knobs.resolution, channels=channels, classes=classes,
        width=knobs.width, depth=knobs.depth, softplus=knobs.softplus,
    )  # fmt: skip
    student = build_student(shape, random=generator("cpu", 0)).to(device, number_type(knobs))
    labels = torch.arange(classes).repeat_interleave(config.images_per_class)
    pixels = torch.randn(len(labels), channels, knobs.resolution, knobs.resolution, generator=generator("cpu", 1))
    pixels = pixels.to(number_type(knobs))
    learned = LabelledSet(
        pixels, centred_targets(labels, classes).to(pixels), labels, decode=lambda values: values, flip=knobs.flip,
        learn_labels=knobs.learn_labels, decay=knobs.ema,
    ).to(device)  # fmt: skip
    noise = torch.randint(0, 256, (knobs.batch, *pixels.shape[1:]), dtype=torch.uint8, generator=generator("cpu", 2))
    real = WhitenedSplit(noise, torch.arange(knobs.batch) % classes, Identity(), device)
    pool = Pool(student, size=2, life=10**6, most_steps=knobs.pool_steps, rate=knobs.pool_rate, seed=0,
                rows=knobs.pool_rows, compiled=config.device.compile)  # fmt: skip
    distiller = RCIG(knobs, synthetic=learned, real=real, pool=pool, seed=0)
    distiller.rates.inner, distiller.rates.solve = 1e-3, 1.0
    return distiller, student


def forward_and_back(student: Student, device: torch.device, images: int = 64) -> float:
    """Seconds per image of a forward and a backward pass through the network."""
    shape = student.shape
    batch = torch.randn(images, shape.channels, shape.side, shape.side, device=device).to(student.head.weight)
    wanted = torch.zeros(images, shape.classes).to(batch)
    times = []
    for _ in range(3):
        began = time.perf_counter()
        loss = mse_loss(student(batch), wanted)
        torch.autograd.grad(loss, list(student.parameters()))[0].sum().item()
        times.append(time.perf_counter() - began)
    return min(times) / images
