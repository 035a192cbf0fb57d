"""A run that describes one backbone on one data set: what it tells apart, how it spreads images, what it costs.

>>> describe(bench, config, recorder)  # findings.json
>>> recorder.run.findings()["rank_me"]
213.4
"""

import time
from typing import Any

import torch
from torch import Tensor

from lgm_core.analysis.first_moments import explained
from lgm_core.analysis.real_accuracy import Real, accuracies, open_real
from lgm_core.analysis.spectrum import eigenvalues, hardest_pairs, participation_ratio, rank_me, separation
from lgm_core.analysis.thumbnails import Thumbnails, drawing
from lgm_core.backbones.abstract_bench import Bench
from lgm_core.backbones.catalog import find_row
from lgm_core.backbones.fitting import bytes_per_view
from lgm_core.base.interfaces import Backbone
from lgm_core.base.machine import processor
from lgm_core.base.settings import SharedConfig
from lgm_core.evaluation.converged import ConvergedHead
from lgm_core.runs.recorder import Recorder

_SHOWN = 256  # entries of the spectrum
_EXAMPLES = 48  # images per direction of a confused pair
_IMAGES = {"cpu": 16, "cuda": 256}  # per pass of the speed test
_SECONDS = 1.5  # for each of its two parts, at least one pass


def describe(bench: Bench, config: SharedConfig, recorder: Recorder) -> None:
    """The card: accuracies, spectrum, separation, first moments, hardest pairs with examples, speed, memory."""
    name = config.networks()[0]
    backbone = bench.backbone(name)
    thumbnails = Thumbnails(bench.test, config.dataset, "test", bench.cache / "thumbs")
    with drawing(thumbnails, recorder):
        real = open_real(bench, name)
        bench.phase(f"judging {name}")
        found = accuracies(real, k=config.look.k)
        features = real.train.features[:, 0].cpu()
        spectrum = eigenvalues(features)
        values = _identity(name, backbone, recorder) | {
            "kind": "backbone", "dataset": config.dataset, "classes": list(bench.test.classes),
            "thumbs": thumbnails.key, "k": config.look.k,
            "train_images": len(real.train.labels), "test_images": len(real.test.labels),
            "groups": list(bench.test.group_names),
            "judges": found,
            "spectrum": [float(f"{value:.5g}") for value in (spectrum / spectrum.sum())[:_SHOWN].tolist()],
            "dimension": participation_ratio(spectrum),
            "rank_me": rank_me(features),
            "separation": separation(features, real.train.labels.cpu(), classes=bench.classes),
            "moments": explained(features, real.train.labels.cpu(), classes=bench.classes),
            "hardest": _hardest(real, found["probe"]["confusion"]),
        }  # fmt: skip
        recorder.findings(values)
        bench.phase(f"timing {name}")
        recorder.findings(values | {"cost": _cost(bench, backbone)})


def _identity(name: str, backbone: Backbone, recorder: Recorder) -> dict[str, Any]:
    row = find_row(name)
    return {
        "backbone": name, "title": row.title, "licence": row.licence, "citation": row.citation,
        "feature": recorder.run.weights().get(name, {}).get("feature", row.feature),
        "feature_size": backbone.feature_size, "input_size": backbone.input_size,
    }  # fmt: skip


def _hardest(real: Real, confusion: list[list[int]]) -> list[dict[str, Any]]:
    """The pairs of classes that the probe takes for each other, and test images of both mistakes."""
    head = ConvergedHead(real.train, classes=real.test.classes)
    predicted = torch.cat([head.scores(part.float()).argmax(dim=1) for part in real.test.features.split(4096)])

    def examples(true: int, taken_for: int) -> list[int]:
        return _indices((real.test.labels == true) & (predicted == taken_for))

    return [
        {"pair": [a, b], "counts": [ab, ba], "images": [examples(a, b), examples(b, a)]}
        for a, b, ab, ba in hardest_pairs(confusion)
    ]


def _indices(chosen: Tensor) -> list[int]:
    return chosen.nonzero().flatten()[:_EXAMPLES].tolist()


def _cost(bench: Bench, backbone: Backbone) -> dict[str, Any]:
    """Images per second of a forward pass, and with its backward to the images; parameters; memory."""
    compute, side = bench.compute, backbone.input_size
    count = _IMAGES.get(compute.device.type, 16)
    images = torch.rand(count, 3, side, side, device=compute.device)

    def forward() -> None:
        with torch.no_grad():
            compute.features(backbone, images).sum().item()

    def both() -> None:
        given = images.clone().requires_grad_()
        (gradient,) = torch.autograd.grad(compute.features(backbone, given).sum(), given)
        gradient.sum().item()

    weights = sum(tensor.numel() * tensor.element_size() for tensor in backbone.state_dict().values())
    return {
        "forward": count / _seconds(forward), "forward_backward": count / _seconds(both),
        "device": compute.title(), "precision": compute.precision_of(backbone), "threads": torch.get_num_threads(),
        "machine": str(compute.describe()["device_name"]) if compute.device.type == "cuda" else processor(),
        "parameters": sum(parameter.numel() for parameter in backbone.parameters()),
        "weight_bytes": weights, "view_bytes": bytes_per_view(backbone, compute), "batch": count,
    }  # fmt: skip


def _seconds(run) -> float:
    """Of the quickest of several passes; the first only warms up."""
    run()
    times: list[float] = []
    while not times or sum(times) < _SECONDS:
        began = time.perf_counter()
        run()
        times.append(time.perf_counter() - began)
    return min(times)
