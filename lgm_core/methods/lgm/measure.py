"""What a step costs here, measured in a few steps on noise: two sizes, so that any other can be told from them.

>>> measure(config, classes=10, places=places())
{'seconds': [0.31, 0.84], 'bytes': [812000000, 1204000000], 'views': [10, 30], 'device': 'cpu, 2 threads', ...}
"""

import statistics
import time
from collections.abc import Callable
from dataclasses import replace
from itertools import count
from typing import Any

import torch

from lgm_core.backbones.augment import Augment
from lgm_core.backbones.features import Bank
from lgm_core.backbones.frozen import open_backbone
from lgm_core.backbones.precision import choose_precision
from lgm_core.base.device import Compute, open_compute, peak_memory
from lgm_core.base.interfaces import Backbone, generator
from lgm_core.base.places import Places
from lgm_core.config import RunConfig
from lgm_core.methods.lgm.pyramid import PyramidSet
from lgm_core.methods.lgm.step import LinearGradientMatching
from lgm_core.methods.lgm.targets import MeanTarget
from lgm_core.methods.rcig.measure import measure_rcig

_IMAGES, _STEPS = 8, 3  # synthetic images at most, timed steps per size (and one before, untimed)


def measure(
    config: RunConfig, *, classes: int, places: Places, progress: Callable[[int, int], None] = lambda done, total: None
) -> dict[str, Any]:
    """Seconds per step and peak bytes with 1 and with 3 views of a few images; `views`: views per step in all."""
    total, counted = 2 * (_STEPS + 1) + 2, count(1)

    def tick() -> None:
        progress(next(counted), total)

    if config.method == "rcig":
        return measure_rcig(config, classes=classes, tick=tick)
    compute = open_compute(config.device)
    backbone = open_backbone(config.backbone, places, normalisation=config.normalisation, device=compute.device)
    if config.device.precision == "auto":
        compute.chosen[backbone.name] = choose_precision(backbone, compute, places.estimates)
    tick()
    images = max(min(classes * config.images_per_class, _IMAGES), 2)
    found: dict[str, Any] = {"seconds": [], "bytes": [], "views": []}
    for views in (1, 3):
        distiller = _distiller(config, images, views, backbone, compute)
        found["seconds"].append(_seconds(distiller, tick))
        found["bytes"].append(peak_memory(compute.device))
        found["views"].append(views * images)
    forward = _forward(backbone, compute)
    tick()
    return found | {"images": images, "device": compute.title(), "forward_seconds": forward}


def _distiller(
    config: RunConfig, images: int, views: int, backbone: Backbone, compute: Compute
) -> LinearGradientMatching:
    features = torch.randn(images, 1, backbone.feature_size, generator=generator("cpu", 0))
    target = MeanTarget(Bank(features, torch.arange(images), images), balanced=True, device=compute.device)
    side = config.synthetic.resolution
    pyramid = replace(config.pyramid, start=side)
    return LinearGradientMatching(
        replace(config.lgm, views=views, chunk=0, target="mean"),
        steps=100,
        classes=images,
        synthetic=PyramidSet(config.synthetic, pyramid, grow_every=1, classes=images, images_per_class=1).to(
            compute.device
        ),
        backbone=backbone,
        augment=Augment(config.augment, side=backbone.input_size, seed=0, device=compute.device),
        target=target,
        compute=compute,
        keep_moments=True,
        seed=0,
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


def _forward(backbone: Backbone, compute: Compute) -> float:
    """Seconds per image of a forward pass alone."""
    images = torch.rand(16, 3, backbone.input_size, backbone.input_size, device=compute.device)
    with torch.no_grad():
        compute.features(backbone, images)
        began = time.perf_counter()
        compute.features(backbone, images).sum().item()
    return (time.perf_counter() - began) / len(images)
