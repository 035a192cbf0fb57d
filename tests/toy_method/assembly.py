"""From the settings to the toy method, ready to step.

>>> distiller = assemble(own_settings(config), config, bench)
"""

import torch

from lgm_core.backbones.abstract_bench import Bench
from lgm_core.base.interfaces import generator
from lgm_core.base.settings import SharedConfig
from lgm_core.methods.toy.config import ToySettings
from lgm_core.methods.toy.step import Toy


def assemble(own: ToySettings, shared: SharedConfig, bench: Bench) -> Toy:
    """Images at their start (noise, or the picture that a fork begins from) and the mean pictures of the classes."""
    classes, means = torch.as_tensor(bench.train.labels), []
    for label in range(bench.classes):
        bench.phase("mean pictures", label, bench.classes)
        members = (classes == label).nonzero().flatten()
        means.append(bench.pictures(bench.train, members, own.side).mean(dim=0))
    labels = torch.arange(bench.classes).repeat_interleave(shared.images_per_class)
    images = torch.rand(len(labels), 3, own.side, own.side, generator=generator("cpu", shared.seed))
    if bench.start:
        images = bench.start["images"].float() / 255
    device = bench.compute.device
    return Toy(own.toy, images=images.to(device), labels=labels.to(device), means=torch.stack(means))
