"""What a step costs: ours, the bare forward + backward of the same views, and the paper's literal step, in alternation.

>>> lgm bench mobilenet_v3_small tf_efficientnet_lite0 --views 10 --classes 10
"""

import json
import statistics
import time
from collections.abc import Callable
from pathlib import Path
from typing import Annotated

import torch
import tyro
from torch import Tensor
from torch.nn.functional import cross_entropy

from lgm_core.augment import Augment, Choices
from lgm_core.backbones.frozen import open_backbone
from lgm_core.config import AugmentConfig, DeviceConfig, LGMConfig, PyramidConfig, SyntheticConfig
from lgm_core.console import print_rows
from lgm_core.device import Compute, open_compute
from lgm_core.distillers.lgm import LinearGradientMatching
from lgm_core.distillers.targets import RealTarget
from lgm_core.gradients import LinearHead
from lgm_core.interfaces import Backbone, SyntheticSet, generator
from lgm_core.places import places
from lgm_core.synthetic.pyramid import PyramidSet


def bench(
    backbones: Annotated[tuple[str, ...], tyro.conf.Positional] = ("mobilenet_v3_small", "tf_efficientnet_lite0"),
    views: int = 10,
    classes: int = 10,
    rounds: int = 7,
    device: str = "auto",
    precision: str = "auto",
    literal: bool = True,
    json_file: Annotated[Path | None, tyro.conf.arg(name="json")] = None,
) -> int:
    """Time one step three ways, in turn in one process, and print the medians.

    ours: the engine's step. bare: forward + backward, to the pixels, of the same number of views, nothing else.
    literal: the paper's, with an unfrozen backbone, the head's gradient by autograd, differentiated twice, and the
    forward of a fresh real batch (its decoding is left out of the time).

    Args:
        backbones: what to measure.
        views: views per synthetic image.
        classes: one synthetic image each.
        rounds: repetitions; the median counts.
        device: auto, cpu, cuda or cuda:N.
        precision: auto, float32 or bfloat16.
        literal: measure the paper's step too.
        json_file: write the rows there.
    """
    compute = open_compute(DeviceConfig(device=device, precision=precision))  # type: ignore[arg-type]
    rows = [_measure(name, views, classes, rounds, literal, compute) for name in backbones]
    headings = [
        "backbone",
        "views",
        "classes",
        "device",
        "step, s",
        "bare, s",
        "step / bare",
        "literal, s",
        "literal / step",
    ]
    print_rows(headings, [_shown(row) for row in rows])
    if json_file is not None:
        json_file.write_text(json.dumps(rows, indent=1))
    return 0


def _measure(name: str, views: int, classes: int, rounds: int, literal: bool, compute: Compute) -> dict:
    ours = Bench(name, views=views, classes=classes, compute=compute)
    ways: dict[str, Callable[[], object]] = {"step": ours.step, "bare": ours.bare}
    if literal:
        ways["literal"] = LiteralStep(name, views=views, classes=classes, compute=compute).step
    times: dict[str, list[float]] = {way: [] for way in ways}
    for turn in range(rounds + 2):
        for way, run in ways.items():
            seconds = _timed(run, compute.device)
            if turn >= 2:  # the first two warm up
                times[way].append(seconds)
    median = {way: statistics.median(values) for way, values in times.items()}
    facts = compute.describe()
    return {
        "backbone": name,
        "views": views,
        "classes": classes,
        "device": facts["device_name"],
        "precision": facts["precision"],
        "threads": facts["threads"],
        "seconds_per_step": median["step"],
        "seconds_bare": median["bare"],
        "ratio_to_bare": median["step"] / median["bare"],
        "seconds_literal": median.get("literal"),
        "ratio_to_literal": median["literal"] / median["step"] if literal else None,
    }


def _timed(run: Callable[[], object], device: torch.device) -> float:
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    began = time.perf_counter()
    run()
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    return time.perf_counter() - began


def _shown(row: dict) -> list[str]:
    literal = row["seconds_literal"]
    return [
        row["backbone"],
        str(row["views"]),
        str(row["classes"]),
        f"{row['device']}, {row['precision']}, {row['threads']} threads",
        f"{row['seconds_per_step']:.3f}",
        f"{row['seconds_bare']:.3f}",
        f"{row['ratio_to_bare']:.2f}",
        f"{literal:.3f}" if literal else "-",
        f"{row['ratio_to_literal']:.1f}" if literal else "-",
    ]


class _FixedTarget(RealTarget):
    """A stand-in of the right shape: what the target holds does not change what a step costs."""

    zero_head = True

    def __init__(self, gradient: Tensor) -> None:
        self._gradient = gradient

    def gradient(self, head: LinearHead, step: int) -> Tensor:
        return self._gradient


class Bench:
    """The engine's step at full pyramid and the default resolution; the bare forward + backward of as many views."""

    def __init__(self, name: str, *, views: int, classes: int, compute: Compute) -> None:
        device = compute.device
        self.compute, self.backbone = compute, open_backbone(name, places(), device=device)
        size = self.backbone.input_size
        synthetic = _full_pyramid(SyntheticConfig().resolution, classes).to(device)
        target = torch.randn(classes, self.backbone.feature_size + 1, device=device)
        self.distiller = LinearGradientMatching(
            LGMConfig(views=views),
            steps=1000,
            classes=classes,
            synthetic=synthetic,
            backbone=self.backbone,
            augment=Augment(AugmentConfig(), side=size, seed=0, device=device),
            target=_FixedTarget(target),
            compute=compute,
            keep_moments=True,
            seed=0,
        )
        self.views = torch.rand(views * classes, 3, size, size, device=device).requires_grad_()
        self._step = 0

    def step(self) -> None:
        self._step += 1
        self.distiller.step(self._step)

    def bare(self) -> None:
        features = self.compute.features(self.backbone, self.views)
        torch.autograd.grad(features.sum(), self.views)


class LiteralStep:
    """The paper's step as its public code does it: the oracle for parity, and the yardstick for speed.

    The backbone's parameters ask for gradients; the head's gradient of both sides comes from autograd, the synthetic
    one with `create_graph`; the real side is the forward of a fresh batch of as many images as there are views.
    """

    def __init__(self, name: str, *, views: int, classes: int, compute: Compute) -> None:
        self.compute, self.classes, self.views = compute, classes, views
        self.backbone = open_backbone(name, places(), device=compute.device).requires_grad_(True)
        size = self.backbone.input_size
        self.synthetic: SyntheticSet = _full_pyramid(round(size * 256 / 224), classes).to(compute.device)
        self.augment = Augment(AugmentConfig(), side=size, seed=0, device=compute.device)
        self.real = torch.rand(views * classes, 3, size, size, device=compute.device)
        self.optimiser = torch.optim.Adam(self.synthetic.parameters(), lr=2e-3)

    def step(self) -> None:
        head = LinearHead.draw(
            classes=self.classes, features=self.backbone.feature_size, std=0.01, random=generator("cpu", 0)
        )
        labels = self.synthetic.labels.repeat(self.views)
        choices = self.augment.draw(self.classes, views=self.views, random=generator("cpu", 1))
        self.optimiser.zero_grad()
        with self.compute.autocast():
            real = self.backbone(self.real)
        loss = literal_loss(real, labels, self.backbone, self.synthetic, self.augment, choices, head, self.compute)
        loss.backward()
        self.optimiser.step()


def literal_loss(
    real_features: Tensor,
    real_labels: Tensor,
    backbone: Backbone,
    synthetic: SyntheticSet,
    augment: Augment,
    choices: Choices,
    head: LinearHead,
    compute: Compute,
) -> Tensor:
    """1 - cos of the two head gradients, each by autograd: what the closed form must equal."""
    weight = head.weight.to(compute.device).clone().requires_grad_()
    bias = torch.zeros(len(weight), device=compute.device, requires_grad=True)

    def gradient(features: Tensor, labels: Tensor, graph: bool) -> Tensor:
        loss = cross_entropy(features @ weight.T + bias, labels)
        return torch.cat([g.flatten() for g in torch.autograd.grad(loss, (weight, bias), create_graph=graph)])

    real = gradient(real_features, real_labels, graph=False).detach()
    views = augment(synthetic.images(), choices)
    with compute.autocast():
        features = backbone(views)
    ours = gradient(features.float(), synthetic.labels[choices.image], graph=True)
    return 1 - torch.cosine_similarity(real, ours, dim=0)


def _full_pyramid(side: int, classes: int) -> PyramidSet:
    return PyramidSet(
        SyntheticConfig(resolution=side), PyramidConfig(start=side), grow_every=1, classes=classes, images_per_class=1
    )
