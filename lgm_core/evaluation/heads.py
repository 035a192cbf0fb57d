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
from lgm_core.evaluation.seen import counts, held_out, views_of

_FEW_VIEWS = 20


def judge(bench: Bench, config: SharedConfig, judged: Judged, key: Key) -> dict[str, Any]:
    """Accuracies of heads trained on augmented views of the judged images, or on all training images."""
    probe, whole = config.probe, judged.images is None
    recipe = HeadRecipe(
        epochs=probe.full_epochs if whole else probe.epochs,
        batch=probe.full_batch if whole else probe.batch,
        learning_rate=probe.learning_rate,
        seeds=probe.seeds,
    )
    seen, test = views_of(bench, config, judged, key.network), held_out(bench, key.network)
    best: list[tuple[float, Heads]] = []

    def keep_best(heads: Heads) -> None:
        accuracy = score(heads, test.features, test.labels)["top1"]
        if not best or accuracy > best[0][0]:
            best[:] = [(accuracy, Heads(heads.weight.clone(), heads.bias.clone()))]

    heads = train_heads(
        seen.features,
        seen.labels,
        classes=bench.classes,
        recipe=recipe,
        progress=lambda done, total: bench.phase(f"judging in {key.network}: heads", done, total),
        after_epoch=keep_best if probe.select == "best" else lambda heads: None,
    )
    measured = score(best[0][1] if best else heads, test.features, test.labels, test.groups, test.group_count)
    return counts(seen, test) | {"select": probe.select} | measured


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
