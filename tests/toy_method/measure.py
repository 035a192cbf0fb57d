"""What a step of the toy method costs here, measured on noise of the run's own size.

>>> measure(own_settings(config), config, 10, compute=compute, network=open_one, tick=lambda: None)["seconds"]
[0.0004, 0.0004]
"""

import time
from collections.abc import Callable
from typing import Any

import torch

from lgm_core.backbones.precision import forward_seconds
from lgm_core.base.device import Compute, peak_memory
from lgm_core.base.interfaces import Backbone, generator
from lgm_core.base.settings import SharedConfig
from lgm_core.methods.toy.config import ToySettings
from lgm_core.methods.toy.step import Toy


def measure(
    own: ToySettings, shared: SharedConfig, classes: int, *, compute: Compute, network: Callable[[str], Backbone],
    tick: Callable[[], None],
) -> dict[str, Any]:  # fmt: skip
    """Seconds and peak bytes of two sizes of a step, here equal; and of a forward pass, which judging costs."""
    labels = torch.arange(classes).repeat_interleave(shared.images_per_class).to(compute.device)
    noise = torch.rand(len(labels), 3, own.side, own.side, generator=generator("cpu", 0)).to(compute.device)
    distiller, times = Toy(own.toy, images=noise, labels=labels, means=noise[:classes]), []
    for step in range(3):
        began = time.perf_counter()
        distiller.step(step)
        times.append(time.perf_counter() - began)
        tick()
    seconds, memory = min(times), peak_memory(compute.device)
    forward = forward_seconds(network(shared.networks()[0]), compute)
    return {"seconds": [seconds] * 2, "bytes": [memory] * 2, "views": [1, 1], "forward_seconds": forward}
