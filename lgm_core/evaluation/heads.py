"""The paper's protocol: linear heads on a set's features in a frozen backbone, tested on real images.

LGM specification, section 9. Legend: N images, V views, D features.

>>> judge(bench, config, judged, key)["top1"]
0.861
"""

from typing import Any

import torch
from jaxtyping import Float, Int
from torch import Tensor

from lgm_core.backbones.abstract_bench import VIEW_AUGMENT, Bench
from lgm_core.backbones.features import view_features
from lgm_core.base.settings import SharedConfig
from lgm_core.evaluation.judge import Judged
from lgm_core.evaluation.probe import HeadRecipe, Heads, score, train_heads
from lgm_core.evaluation.protocol import Key

_RESIDENT_BYTES = 4 * 2**30  # a bank below this goes onto the device whole
_VIEW_SEED = 3407
_FEW_VIEWS = 20


def judge(bench: Bench, config: SharedConfig, judged: Judged, key: Key) -> dict[str, Any]:
    """Accuracies of heads trained on augmented views of the judged images, or on all training images."""
    probe = config.probe
    if judged.images is None:
        features, labels = _all_training_images(bench, config, key.network)
        recipe = HeadRecipe(
            epochs=probe.full_epochs, batch=probe.full_batch, learning_rate=probe.learning_rate, seeds=probe.seeds
        )
    else:
        features, labels = _views(bench, config, judged, key.network)
        recipe = HeadRecipe(
            epochs=probe.epochs, batch=probe.batch, learning_rate=probe.learning_rate, seeds=probe.seeds
        )
    return _tested(bench, config, key.network, features, labels, recipe)


def wrongness(
    bench: Bench, config: SharedConfig, trained_on: tuple[Tensor, Tensor], features: Float[Tensor, "n d"],
    labels: Int[Tensor, "n"],
) -> Float[Tensor, "n"]:  # fmt: skip
    """1 - probability of the true class of each real image, under one head trained on views of (images, labels).

    `features`: of the real images, in the run's backbone.
    """
    probe, backbone, device = config.probe, bench.backbone(config.networks()[0]), bench.compute.device
    seen = view_features(
        trained_on[0].to(device), backbone, bench.augment(VIEW_AUGMENT, backbone), bench.compute,
        views=min(probe.views, _FEW_VIEWS), batch=bench.batch, seed=0,
    )  # fmt: skip
    heads = train_heads(
        seen,
        trained_on[1].to(device),
        classes=bench.classes,
        recipe=HeadRecipe(epochs=probe.epochs, batch=probe.batch, learning_rate=probe.learning_rate, seeds=1),
        progress=lambda done, total: bench.phase("a head on the first source", done, total),
    )
    right = [
        heads.logits(part.to(device))[0].softmax(dim=1).gather(1, own.to(device)[:, None])[:, 0].cpu()
        for part, own in zip(features.split(8192), labels.split(8192), strict=True)
    ]
    return 1 - torch.cat(right)


def _views(
    bench: Bench, config: SharedConfig, judged: Judged, network: str
) -> tuple[Float[Tensor, "n v d"], Int[Tensor, "n"]]:
    assert judged.images is not None
    backbone, device = bench.backbone(network), bench.compute.device
    bench.phase(f"probe in {backbone.name}: views")
    images, labels = judged.images.images.to(device), judged.images.labels.to(device)
    features = view_features(
        images, backbone, bench.augment(VIEW_AUGMENT, backbone), bench.compute, views=config.probe.views,
        batch=bench.batch, seed=_VIEW_SEED,
    )  # fmt: skip
    return features, labels


def _all_training_images(
    bench: Bench, config: SharedConfig, network: str
) -> tuple[Float[Tensor, "n v d"], Int[Tensor, "n"]]:
    bank = bench.view_bank(bench.train, bench.backbone(network), VIEW_AUGMENT, config.probe.full_views)
    device, features = bench.compute.device, bank.features
    if features.nbytes < _RESIDENT_BYTES:
        features = features.to(device)
    return features, bank.labels.to(device)


def _tested(
    bench: Bench, config: SharedConfig, network: str, features: Tensor, labels: Tensor, recipe: HeadRecipe
) -> dict[str, Any]:
    backbone, device = bench.backbone(network), bench.compute.device
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
        progress=lambda done, total: bench.phase(f"probe in {backbone.name}: heads", done, total),
        after_epoch=keep_best if config.probe.select == "best" else lambda heads: None,
    )
    measured = score(best[0][1] if best else heads, test_features, test_labels, groups, len(bench.test.group_names))
    counts = {"train_images": len(labels), "test_images": len(test_labels), "select": config.probe.select}
    return counts | measured
