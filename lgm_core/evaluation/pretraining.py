"""The protocol "pretrain": a network is pre-trained on a set by regression, then a linear head on few labels is tested.

MKDT specification, section 5. What was learned with targets is taken with them, and with the step size that it was
learned with; of all other images, distilled or real, the targets are the teacher's representations.
Legend: N images of the set, K channels, S side, D entries of a target, T test images.

>>> judge(bench, config, judged, key)["top1"]  # with as many labels of key.dataset as the key says
0.414
"""

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import torch
from jaxtyping import Float, Int
from torch import Tensor

from lgm_core.backbones.abstract_bench import Bench
from lgm_core.backbones.representations import open_teacher, target_size
from lgm_core.backbones.students.networks import Student
from lgm_core.backbones.students.real_data import open_standardised
from lgm_core.backbones.students.regression import RegressionRecipe, pretrained, target_shape
from lgm_core.base.errors import Unmeasured, UserError
from lgm_core.base.interfaces import LearnedSet, TargetSet, generator
from lgm_core.base.settings import SharedConfig
from lgm_core.datasets.spread import spread_over_classes
from lgm_core.datasets.whitened import Whitened, WhitenedSplit, open_whitened, whitened_pictures
from lgm_core.evaluation.judge import Judged
from lgm_core.evaluation.label_probe import best_classes, head_on
from lgm_core.evaluation.probe import score_best
from lgm_core.evaluation.protocol import Key

_BATCH, _LABELS = 500, 0x6C61626C

Rows = Callable[[Tensor], Tensor]


@dataclass(frozen=True)
class _Pretrained:
    """Networks, one a seed, how many images and steps they saw, at what rate, and their features of test images."""

    networks: list[Student]
    images: int
    recipe: RegressionRecipe
    tested: dict[str, list[Tensor]]


def judge(bench: Bench, config: SharedConfig, judged: Judged, key: Key) -> dict[str, Any]:
    """Accuracies of a linear head on networks that were pre-trained on the judged images. Raises `Unmeasured`."""
    data = _downstream(bench, config, key.dataset)
    with_labels = [
        labelled_rows(data.train.labels, key, seed, classes=data.classes) for seed in range(config.pretrain.seeds)
    ]
    made = _once(bench, config, judged, key.network)
    images = bench.test if key.dataset == config.dataset else bench.further(key.dataset)[1]
    if key.dataset not in made.tested:
        made.tested.clear()
        bench.phase(f"{key.network} on the test images of {key.dataset}")
        made.tested[key.dataset] = [_features(network, data.test) for network in made.networks]
    best = []
    for seed, network in enumerate(made.networks):
        bench.phase(f"labels of {key.dataset} for {key.network}", seed, len(made.networks))
        rows = with_labels[seed]
        labels = data.train.labels[rows].to(bench.compute.device)
        head = head_on(_features(network, data.train, rows), labels, classes=data.classes, kind=config.pretrain.probe)
        best.append(best_classes(head, made.tested[key.dataset][seed]))
    device = best[0].device
    groups = None if images.groups is None else images.groups.to(device)
    measured = score_best(
        torch.stack(best), data.test.labels.to(device), classes=data.classes, groups=groups,
        group_count=len(images.group_names),
    )  # fmt: skip
    return {
        "classes": list(images.classes),
        "groups": list(images.group_names),
        "train_images": made.images,
        "test_images": len(data.test),
        "labelled_images": len(with_labels[0]),
        "select": "last",
        "steps": made.recipe.steps_for(made.images),
        "learning_rate": made.recipe.learning_rate,
        "teacher": config.pretrain.teacher,
        **measured,
    }


def live_accuracy(bench: Bench, config: SharedConfig, learned: TargetSet, network: str) -> float:
    """Accuracy in [0, 1] after `live.steps` steps on the set, with the largest share of labels, on some test images."""
    real, device = open_standardised(bench, config.scratch, config.dataset), bench.compute.device
    values, targets = learned.values.to(device), learned.targets.to(device)
    recipe = replace(recipe_of(config, learned), steps=config.live.steps)
    shape = target_shape(network, config.scratch, channels=values.shape[1], size=targets.shape[1])
    made = pretrained(
        lambda rows: values[rows.to(device)], lambda rows: targets[rows.to(device)], shape, count=len(values),
        recipe=recipe, random=generator("cpu", 0), device=device,
    )  # fmt: skip
    key = Key(network=network, protocol="pretrain", dataset=config.dataset, fraction=max(config.label_fraction))
    rows = labelled_rows(real.train.labels, key, 0, classes=real.classes)
    labels = real.train.labels[rows].to(device)
    head = head_on(_features(made, real.train, rows), labels, classes=real.classes, kind=config.pretrain.probe)
    some = spread_over_classes(real.test.labels, config.live.test_images)
    guessed = head(_features(made, real.test, some)).argmax(dim=1)
    return (guessed == real.test.labels[some].to(device)).double().mean().item()


def labelled_rows(labels: Int[Tensor, "n"], key: Key, seed: int, *, classes: int) -> Int[Tensor, "p"]:
    """Training images with labels: a share of all, without regard to their classes, at least one; or so many of each.

    Fewer labels are the first of more. Raises `Unmeasured` where a class has fewer images than asked for.
    """
    count, each = len(labels), key.labels_per_class
    order = torch.randperm(count, generator=generator("cpu", seed, _LABELS))
    if not each:
        return order[: max(int(key.fraction * count + 1e-9), 1)]
    sizes = torch.bincount(labels, minlength=classes)
    if sizes.min() < each:
        raise Unmeasured(
            f"{each:,} labels per class were asked for, but class {int(sizes.argmin())} of {key.dataset} has "
            f"{int(sizes.min()):,} training images; give fewer (--labels-per-class)"
        )
    return torch.cat([order[labels[order] == label][:each] for label in range(classes)])


def recipe_of(config: SharedConfig, learned: LearnedSet | None) -> RegressionRecipe:
    """How networks are pre-trained on a set: with the step size that it was learned with, if it has one.

    Raises `Unmeasured` where that is not above 0: nothing keeps it there while it is learned.
    """
    knobs = config.pretrain
    own = learned.rate if isinstance(learned, TargetSet) and knobs.learned_rate else None
    rate = knobs.learning_rate if own is None else float(own)
    if not 0 < rate < math.inf:
        raise Unmeasured(
            f"the set was learned with a step size of {rate:.3g}, with which nothing can be trained; distil it anew "
            "with a lower mkdt.rate_rate, or judge it with --pretrain.no-learned-rate"
        )
    return RegressionRecipe(
        epochs=knobs.epochs, steps=knobs.steps, batch=knobs.batch, optimiser=knobs.optimiser, learning_rate=rate,
        momentum=knobs.momentum, weight_decay=knobs.weight_decay,
    )  # fmt: skip


def _once(bench: Bench, config: SharedConfig, judged: Judged, network: str) -> _Pretrained:
    """Kept for further data sets and shares of labels, and let go with the next network."""
    wanted = (network, "pretrained")
    if wanted not in judged.seen:
        judged.seen.clear()
        judged.seen[wanted] = _pretrain(bench, config, judged, network)
    return judged.seen[wanted]


def _pretrain(bench: Bench, config: SharedConfig, judged: Judged, name: str) -> _Pretrained:
    real, device = open_standardised(bench, config.scratch, config.dataset), bench.compute.device
    size, count, values, targets = _set_of(bench, config, judged, real)
    recipe = recipe_of(config, judged.images)
    shape = target_shape(name, config.scratch, channels=real.train.pixels.shape[1], size=size)
    networks, seeds = [], config.pretrain.seeds
    for seed in range(seeds):

        def progress(done: int, total: int, seed: int = seed) -> None:
            bench.phase(f"pre-training {name}", seed * total + done, seeds * total)

        networks.append(
            pretrained(values, targets, shape, count=count, recipe=recipe, random=generator("cpu", seed),
                       device=device, progress=progress)
        )  # fmt: skip
    return _Pretrained(networks, count, recipe, {})


def _set_of(bench: Bench, config: SharedConfig, judged: Judged, real: Whitened) -> tuple[int, int, Rows, Rows]:
    """Entries of a target, number of images, and what gives rows of images and of targets, on the device."""
    images, device = judged.images, bench.compute.device
    if images is not None and not len(images.images):
        return target_size(bench, config), 0, torch.as_tensor, torch.as_tensor
    here, there = _space(config), _space(judged.made)
    if isinstance(images, TargetSet):
        if here != there:
            raise UserError(
                f"the images of {judged.run!r} were learned as values of {' '.join(there)}, and cannot be pre-trained "
                f"on as {' '.join(here)}: leave dataset, data.train_per_class and scratch.resolution as they were; "
                "--evaluate-data names another data set to test on"
            )
        values, targets = images.values.to(device), images.targets.to(device)
    else:
        teacher = open_teacher(bench, config)
        if images is None:
            return teacher.size, len(real.train), real.train.values, teacher.of_rows
        if judged.chosen is not None and here[:2] == there[:2]:
            values, targets = real.train.values(judged.chosen), teacher.of_rows(judged.chosen)
        else:
            values, targets = whitened_pictures(images.images, real), teacher.of_images(images.images.to(device))
    return (
        targets.shape[1], len(targets), lambda rows: values[rows.to(device)], lambda rows: targets[rows.to(device)]
    )  # fmt: skip


def _space(config: SharedConfig) -> tuple[str, str, str]:
    """What must be equal for values and numbers of images of one run to mean the same in another."""
    each = config.data.train_per_class
    which = f"({each} per class, seed {config.seed})" if each else "(all images)"
    return config.dataset, which, f"{config.scratch.resolution} px"


def _downstream(bench: Bench, config: SharedConfig, dataset: str) -> Whitened:
    """The data set that is tested on, with channels of mean 0 and deviation 1 of its own."""
    own = open_standardised(bench, config.scratch, config.dataset)
    if dataset == config.dataset:
        return own
    train, test = bench.further(dataset)
    channels, side = own.train.pixels.shape[1], config.scratch.resolution
    return bench.once(
        f"standardised {dataset}",
        lambda: open_whitened(
            train, test, side=side, channels=channels, kind="standardise", cache=bench.cache,
            device=bench.compute.device, progress=bench.phase,
        ),
    )  # fmt: skip


@torch.no_grad()
def _features(network: Student, split: WhitenedSplit, rows: Tensor | None = None) -> Float[Tensor, "n d"]:
    rows = torch.arange(len(split)) if rows is None else rows
    return torch.cat([network.features(split.values(part)) for part in rows.split(_BATCH)])
