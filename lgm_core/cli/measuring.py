"""Measure what a run costs here: a few steps of its method on noise, and one image in each of its judges.

>>> measure(config, classes=10, places=places())["judges"]
{'mobilenet_v2': 0.0071, 'conv': 0.0009}
"""

from collections.abc import Callable
from functools import cache
from itertools import count
from typing import Any

from lgm_core.backbones import catalog
from lgm_core.backbones.frozen import FrozenBackbone, open_backbone
from lgm_core.backbones.precision import choose_precision, forward_seconds
from lgm_core.backbones.students.networks import build_student, student_shape
from lgm_core.backbones.students.student_names import is_student
from lgm_core.backbones.students.training import training_seconds
from lgm_core.base.device import Compute, open_compute
from lgm_core.base.errors import Unavailable
from lgm_core.base.interfaces import generator
from lgm_core.base.names import load
from lgm_core.base.places import Places
from lgm_core.config import RunConfig
from lgm_core.datasets.catalog import find_row
from lgm_core.methods.catalog import method_of, own_settings

_TICKS = 10  # about as many as the steps of any method


def measure(
    config: RunConfig, *, classes: int, places: Places, progress: Callable[[int, int], None] = lambda done, total: None
) -> dict[str, Any]:
    """What the method measures, the device's title, and seconds per image of each judge whose weights are here.

    A method adds to `judges` what else it times, such as a teacher.
    """
    compute, counted = open_compute(config.device), count(1)
    total = _TICKS + len(config.evaluate_on)

    def tick() -> None:
        progress(min(next(counted), total), total)

    @cache
    def network(name: str) -> FrozenBackbone:
        if (state := catalog.status(catalog.find_row(name), places)) != "ready":
            raise Unavailable(f"the weights of {name} are not on this machine ({state}); nothing is fetched to measure")
        backbone = open_backbone(name, places, normalisation=config.normalisation, device=compute.device)
        if config.device.precision == "auto":
            compute.chosen[backbone.name] = choose_precision(backbone, compute, places.estimates)
        return backbone

    found = load(method_of(config).measure)(
        own_settings(config), config, classes, compute=compute, network=network, tick=tick
    )
    judges = dict(found.get("judges", {}))
    for name in config.evaluate_on:
        if is_student(name):
            judges[name] = _student_seconds(name, config, classes, compute)
        elif catalog.status(catalog.find_row(name), places) == "ready":
            judges[name] = forward_seconds(network(name), compute)
        tick()
    progress(total, total)
    return found | {"device": compute.title(), "judges": judges}


def _student_seconds(name: str, config: RunConfig, classes: int, compute: Compute) -> float:
    channels = 1 if find_row(config.dataset).grey else 3
    shape = student_shape(name, config.scratch, channels=channels, classes=classes)
    return training_seconds(build_student(shape, random=generator("cpu", 0)).to(compute.device), compute.device)
