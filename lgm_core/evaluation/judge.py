"""What a set of images is worth: linear heads on its features in a backbone, tested on real images.

LGM specification, section 9. Legend: N images, R side of an image.

>>> probe_images(bench, images, labels, "mobilenet_v2")["top1"]
0.861
"""

import time
from typing import Any

import torch
from jaxtyping import Float, Int
from torch import Tensor

from lgm_core.backbones.features import view_features
from lgm_core.backbones.students.student_names import is_student
from lgm_core.base.interfaces import SyntheticSet
from lgm_core.evaluation.from_scratch import live_accuracy, report_from_scratch, report_on_all
from lgm_core.evaluation.probe import HeadRecipe, Heads, score, train_heads
from lgm_core.methods.rcig.labelled import LabelledSet
from lgm_core.workbench import VIEW_AUGMENT, Workbench, spread_over_classes

_RESIDENT_BYTES = 4 * 2**30  # a bank below this goes onto the device whole
_VIEW_SEED = 3407


def probe_images(
    bench: Workbench, images: Float[Tensor, "n 3 r r"], labels: Int[Tensor, "n"], backbone_name: str
) -> dict[str, Any]:
    """Report of heads trained on augmented views of `images`; numbers in [0, 1], keys as `probe.score` gives them."""
    if is_student(backbone_name):
        return report_from_scratch(bench, images, labels, backbone_name)
    config, backbone = bench.config.probe, bench.backbone(backbone_name)
    bench.recorder.phase(f"probe in {backbone.name}: views")
    augment = bench.augment(VIEW_AUGMENT, backbone)
    features = view_features(
        images, backbone, augment, bench.compute, views=config.views, batch=bench.config.bank.batch, seed=_VIEW_SEED
    )
    recipe = HeadRecipe(
        epochs=config.epochs, batch=config.batch, learning_rate=config.learning_rate, seeds=config.seeds
    )
    return _report(bench, backbone_name, features, labels, recipe)


def probe_full(bench: Workbench, backbone_name: str) -> dict[str, Any]:
    """Report of heads trained on all training images."""
    if is_student(backbone_name):
        return report_on_all(bench, backbone_name)
    config, backbone = bench.config.probe, bench.backbone(backbone_name)
    bank = bench.view_bank(bench.train, backbone, VIEW_AUGMENT, config.full_views)
    features, device = bank.features, bench.compute.device
    if features.nbytes < _RESIDENT_BYTES:
        features = features.to(device)
    recipe = HeadRecipe(
        epochs=config.full_epochs, batch=config.full_batch, learning_rate=config.learning_rate, seeds=config.seeds
    )
    return _report(bench, backbone_name, features, bank.labels.to(device), recipe)


def evaluation_name(bench: Workbench, backbone_name: str) -> str:
    """File name of a report: backbone and data set."""
    return "".join(c if c.isalnum() or c in "_.-" else "_" for c in f"{backbone_name}-on-{bench.config.dataset}")


def _report(
    bench: Workbench, backbone_name: str, features: Tensor, labels: Tensor, recipe: HeadRecipe
) -> dict[str, Any]:
    began, backbone, device = time.perf_counter(), bench.backbone(backbone_name), bench.compute.device
    test = bench.clean_bank(bench.test, backbone)
    test_features, test_labels = test.features[:, 0].to(device), test.labels.to(device)
    groups = None if bench.test.groups is None else bench.test.groups.to(device)
    best: list[tuple[float, Heads]] = []

    def keep_best(heads: Heads) -> None:
        accuracy = score(heads, test_features, test_labels)["top1"]
        if not best or accuracy > best[0][0]:
            best[:] = [(accuracy, Heads(heads.weight.clone(), heads.bias.clone()))]

    heads = train_heads(
        features,
        labels,
        classes=bench.classes,
        recipe=recipe,
        progress=lambda done, total: bench.recorder.phase(f"probe in {backbone.name}: heads", done, total),
        after_epoch=keep_best if bench.config.probe.select == "best" else lambda heads: None,
    )
    report = score(best[0][1] if best else heads, test_features, test_labels, groups, len(bench.test.group_names))
    return {
        "backbone": backbone_name,
        "dataset": bench.config.dataset,
        "train_images": len(labels),
        "test_images": len(test_labels),
        "select": bench.config.probe.select,
        "seconds": time.perf_counter() - began,
        "classes": list(bench.test.classes),
        "groups": list(bench.test.group_names),
        **report,
    }


class LiveProbe:
    """A short probe of the synthetic set as it is now, on a fixed part of the test images. For watching only."""

    def __init__(self, bench: Workbench) -> None:
        config, steps = bench.config.live, bench.config.steps
        self._bench, self._config = bench, config
        self._steps = (
            {round(k * (steps - 1) / config.times) for k in range(1, config.times + 1)} if config.times else set()
        )
        if not self._steps or is_student(bench.config.backbone):
            return
        self._backbone = bench.backbone(bench.config.backbone)
        bank = bench.clean_bank(bench.test, self._backbone)
        rows = spread_over_classes(bank.labels, config.test_images)
        self._features = bank.features[rows, 0].to(bench.compute.device)
        self._labels = bank.labels[rows].to(bench.compute.device)
        self._augment = bench.augment(VIEW_AUGMENT, self._backbone)

    def due(self, step: int) -> bool:
        return step in self._steps

    def probe(self, synthetic: SyntheticSet) -> dict[str, float]:
        """`live_top1` in [0, 1], by one head trained for a few hundred steps on ten views of each image."""
        if isinstance(synthetic, LabelledSet):
            return live_accuracy(self._bench, synthetic)
        with torch.no_grad():
            images = synthetic.images()
        batch = self._bench.config.bank.batch
        features = view_features(
            images, self._backbone, self._augment, self._bench.compute, views=10, batch=batch, seed=0
        )
        recipe = HeadRecipe(epochs=self._config.steps, batch=len(images), learning_rate=256e-3 / len(images), seeds=1)
        heads = train_heads(features, synthetic.labels, classes=self._bench.classes, recipe=recipe)
        return {"live_top1": score(heads, self._features, self._labels)["top1"]}
