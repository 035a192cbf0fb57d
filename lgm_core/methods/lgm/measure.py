"""What a step costs here, measured in a few steps on noise: two sizes, from which others are extrapolated.

>>> measure(own_settings(config), config, 10, compute=compute, network=open_one, tick=lambda: None)
{'seconds': [0.31, 0.84], 'bytes': [812000000, 1204000000], 'views': [10, 30], 'forward_seconds': 0.01}
"""

import statistics
import time
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import torch

from lgm_core.backbones.augment import Augment
from lgm_core.backbones.features import Bank
from lgm_core.backbones.precision import forward_seconds
from lgm_core.base.device import Compute, peak_memory
from lgm_core.base.interfaces import Backbone, generator
from lgm_core.base.settings import SharedConfig
from lgm_core.methods.lgm.config import LGMSettings
from lgm_core.methods.lgm.pyramid import PyramidSet
from lgm_core.methods.lgm.step import LinearGradientMatching
from lgm_core.methods.lgm.targets import MeanTarget

_IMAGES, _STEPS = 8, 3  # synthetic images at most, timed steps per size (and one before, untimed)


def measure(
    own: LGMSettings, shared: SharedConfig, classes: int, *, compute: Compute, network: Callable[[str], Backbone],
    tick: Callable[[], None],
) -> dict[str, Any]:  # fmt: skip
    """Seconds per step and peak bytes with 1 and with 3 views of a few images; `views`: views per step in all.

    `network` opens a backbone by its name; `tick` is called after each step.
    """
    backbone = network(shared.networks()[0])
    stepping = backbone.compiled() if shared.device.compile else backbone
    images = max(min(classes * shared.images_per_class, _IMAGES), 2)
    found: dict[str, Any] = {"seconds": [], "bytes": [], "views": []}
    for views in (1, 3):
        varied = replace(own, lgm=replace(own.lgm, views=views))
        found["seconds"].append(_seconds(noise_distiller(varied, images, stepping, compute), tick))
        found["bytes"].append(peak_memory(compute.device))
        found["views"].append(views * images)
    return found | {"images": images, "forward_seconds": forward_seconds(backbone, compute)}


def noise_distiller(
    own: LGMSettings, images: int, backbone: Backbone, compute: Compute, chunk: int = 0
) -> LinearGradientMatching:
    """A distiller whose real data are noise, with an image per class and all levels of the pyramid, to be timed."""
    features = torch.randn(images, 1, backbone.feature_size, generator=generator("cpu", 0))
    target = MeanTarget(Bank(features, torch.arange(images), images), balanced=True, device=compute.device)
    pyramid = replace(own.pyramid, start=own.synthetic.resolution)
    synthetic = PyramidSet(own.synthetic, pyramid, grow_every=1, classes=images, images_per_class=1)
    return LinearGradientMatching(
        replace(own.lgm, target="mean"),
        steps=1000,
        classes=images,
        synthetic=synthetic.to(compute.device),
        backbone=backbone,
        augment=Augment(own.augment, side=backbone.input_size, seed=0, device=compute.device),
        target=target,
        compute=compute,
        keep_moments=True,
        seed=0,
        chunk=chunk,
    )


def _seconds(distiller: LinearGradientMatching, tick: Callable[[], None]) -> float:
    """Median over the timed steps."""
    times = []
    for step in range(1, _STEPS + 2):
        began = time.perf_counter()
        distiller.step(step)  # reads the loss, which waits for the device
        times.append(time.perf_counter() - began)
        tick()
    return statistics.median(times[1:])
