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
from lgm_core.methods.lgm.gradients import LinearHead
from lgm_core.methods.lgm.lgm_settings import LGMSettings
from lgm_core.methods.lgm.metric import metric_of
from lgm_core.methods.lgm.objectives.catalog import Side, objective_of
from lgm_core.methods.lgm.pyramid import PyramidSet
from lgm_core.methods.lgm.source import Source
from lgm_core.methods.lgm.step import LinearGradientMatching
from lgm_core.methods.lgm.targets import BankTarget, MeanTarget

_ROWS = 4096  # of a bank at most
_IMAGES, _STEPS = 8, 3  # synthetic images at most, timed steps per size (and one before, untimed)


def measure(
    own: LGMSettings, shared: SharedConfig, classes: int, *, compute: Compute, network: Callable[[str], Backbone],
    tick: Callable[[], None],
) -> dict[str, Any]:  # fmt: skip
    """Seconds per step and peak bytes with 1 and with 3 views of a few images; `views`: views per step in all.

    These steps have the target `mean`, which costs nothing. What the target `bank` costs, with its heads that are
    trained first, is measured apart: `row_seconds`, for each row of the bank in a step.
    With several backbones a step's seconds are those of all of them, or, in turn, their mean by weight.
    `network` opens a backbone by its name; `tick` is called after each step.
    """
    images = max(min(classes * shared.images_per_class, _IMAGES), 2)
    names = shared.networks()
    weights = own.lgm.weights(len(names))
    share = sum(weights) if own.lgm.joint == "turn" else 1
    found: dict[str, Any] = {"seconds": [0.0, 0.0], "bytes": [0, 0], "views": [images, 3 * images], "images": images}
    found["forward_seconds"] = found["row_seconds"] = 0.0
    for name, weight in zip(names, weights if own.lgm.joint == "turn" else (1,) * len(names), strict=True):
        backbone = network(name)
        stepping = backbone.compiled() if shared.device.compile else backbone
        for place, views in enumerate((1, 3)):
            varied = replace(own, lgm=replace(own.lgm, views=views))
            distiller = noise_distiller(varied, images, stepping, compute)
            seconds = _seconds(distiller.step, tick)  # it reads the loss, which waits for the device
            found["seconds"][place] += seconds * weight / share
            found["bytes"][place] = max(found["bytes"][place], peak_memory(compute.device))
        found["forward_seconds"] += forward_seconds(backbone, compute)
        if own.lgm.target == "bank":
            found["row_seconds"] += _row_seconds(own, shared, classes, backbone, compute, tick) * weight / share
    return found


def noise_distiller(
    own: LGMSettings, images: int, backbone: Backbone, compute: Compute, chunk: int = 0
) -> LinearGradientMatching:
    """A distiller whose real data are noise, with an image per class and all levels of the pyramid, to be timed."""
    features = torch.randn(2 * images, 1, backbone.feature_size, generator=generator("cpu", 0))
    bank = Bank(features, torch.arange(images).repeat(2), images)
    lgm = replace(own.lgm, target="mean", real_power=0.0, source_views=(), source_weights=())  # its cost is nothing
    side = Side(
        config=lgm, bank=lambda: bank, target=lambda: MeanTarget(bank, balanced=True, device=compute.device),
        metric=lambda: metric_of(lgm, lambda: bank, device=compute.device, note=lambda text: None), rows=images,
        width=backbone.feature_size, steps=1000, seed=0, device=compute.device,
    )  # fmt: skip
    source = Source(
        backbone,
        augment=Augment(own.augment, side=backbone.input_size, seed=0, device=compute.device),
        objective=objective_of(side),
        compute=compute,
        views=lgm.views,
        seed=0,
        chunk=chunk,
    )
    pyramid = replace(own.pyramid, start=own.synthetic.resolution)
    synthetic = PyramidSet(own.synthetic, pyramid, grow_every=1, classes=images, images_per_class=1)
    return LinearGradientMatching(
        lgm, steps=1000, synthetic=synthetic.to(compute.device), sources=[source], keep_moments=True
    )


def _row_seconds(
    own: LGMSettings, shared: SharedConfig, classes: int, backbone: Backbone, compute: Compute, tick: Callable[[], None]
) -> float:
    """Of the gradient of a bank of noise, with as many steps of training before it as heads have on average."""
    rows, heads = min(own.lgm.bank_rows, _ROWS), classes * own.clusters_per_class(shared.images_per_class)
    features = torch.randn(2 * rows, 1, backbone.feature_size, generator=generator("cpu", 0))
    bank = Bank(features, torch.arange(2 * rows) % heads, heads)
    target = BankTarget(bank, balanced=own.lgm.balance, rows=rows, seed=0, device=compute.device)
    head = LinearHead(torch.zeros(heads, backbone.feature_size, device=compute.device))
    average = (own.lgm.head_steps + 1) // 2

    def gradient(step: int) -> None:
        trained = target.trained(head, step, steps=average, rate=own.lgm.head_rate)
        target.gradient(trained, step).sum().item()  # which waits for the device

    return _seconds(gradient, tick) / rows


def _seconds(do: Callable[[int], object], tick: Callable[[], None]) -> float:
    """Median over the timed steps."""
    times = []
    for step in range(1, _STEPS + 2):
        began = time.perf_counter()
        do(step)
        times.append(time.perf_counter() - began)
        tick()
    return statistics.median(times[1:])
