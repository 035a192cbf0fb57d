"""What a set of images is worth to networks that are trained on it from scratch. RCIG specification, section 6.

A set with learned labels is taken with them; images with class numbers, distilled or chosen, go through the same
transform and the same training with centred one-hot labels. Legend: N images with flips, K channels, S side, C classes.

>>> judge(bench, config, judged, key)["top1"]
0.386
"""

from collections.abc import Callable
from typing import Any

from jaxtyping import Float
from torch import Tensor

from lgm_core.backbones.abstract_bench import Bench
from lgm_core.backbones.students import augment_one
from lgm_core.backbones.students.real_data import open_real, shape_of
from lgm_core.backbones.students.student_names import student_name
from lgm_core.backbones.students.training import ScratchRecipe, centred_targets, predicted, train_networks, with_flips
from lgm_core.base.errors import UserError
from lgm_core.base.interfaces import LearnedSet, SoftSet
from lgm_core.base.settings import ScratchConfig, SharedConfig
from lgm_core.datasets.catalog import find_row
from lgm_core.datasets.whitened import Whitened, whitened_pictures
from lgm_core.evaluation.judge import Judged
from lgm_core.evaluation.probe import score_best
from lgm_core.evaluation.protocol import Key

Values = tuple[Float[Tensor, "n k s s"], Float[Tensor, "n c"]]


def judge(bench: Bench, config: SharedConfig, judged: Judged, key: Key) -> dict[str, Any]:
    """Accuracies of `scratch.seeds` networks, trained on the judged images or, for as many steps, on all."""
    bench.phase(f"{key.network} from scratch")
    real, device = open_real(bench, config.scratch, config.dataset), bench.compute.device
    if judged.images is None:
        targets = centred_targets(real.train.labels, real.classes).to(device)
        return _tested(bench, config, key, real, real.train.values, targets, len(targets))
    values, targets = _exact(judged, config, real) or values_of(judged.images, real)
    stored = len(targets)
    if config.scratch.flip:
        values, targets = with_flips(values, targets)
    values, targets = values.to(device), targets.to(device)
    return _tested(bench, config, key, real, lambda rows: values[rows.to(device)], targets, stored)


def values_of(images: LearnedSet, real: Whitened) -> Values:
    """The images as networks see them, and the targets that these are trained on."""
    if isinstance(images, SoftSet):
        return images.values, images.targets
    return whitened_pictures(images.images, real), centred_targets(images.labels, real.classes)


def recipe_of(scratch: ScratchConfig, name: str, stored: int, *, grey: bool = False) -> ScratchRecipe:
    """How the networks of a name are trained on a set of `stored` images."""
    augmented = student_name(name).augmented
    return ScratchRecipe(
        steps=scratch.steps_for(stored),
        learning_rate=scratch.learning_rate,
        warmup=scratch.warmup,
        tail=scratch.tail_for(stored, augmented=augmented),
        batch=scratch.batch if stored > scratch.batch else 0,  # flips do not count
        seeds=scratch.seeds,
        augment=(augment_one.GREY if grey else augment_one.ALL) if augmented else (),
    )


def _tested(
    bench: Bench, config: SharedConfig, key: Key, real: Whitened, images: Callable[[Tensor], Tensor],
    targets: Tensor, stored: int,
) -> dict[str, Any]:  # fmt: skip
    name = key.network
    recipe = recipe_of(config.scratch, name, stored, grey=real.train.pixels.shape[1] == 1)
    networks = train_networks(
        images,
        targets,
        shape_of(name, config.scratch, real),
        recipe=recipe,
        progress=lambda done, total: bench.phase(f"{name} from scratch", done, total),
    )
    bench.phase(f"{name} on the test images")
    best, true = predicted(networks, real.test.batches(250))
    groups = None if bench.test.groups is None else bench.test.groups.to(true.device)
    measured = score_best(best, true, classes=real.classes, groups=groups, group_count=len(bench.test.group_names))
    return {
        "train_images": stored,
        "test_images": len(true),
        "select": "last",
        "steps": recipe.steps + recipe.tail,
        "learning_rate": recipe.learning_rate,
        "side": real.train.pixels.shape[-1],
        "flip": config.scratch.flip,
        **measured,
    }


def _exact(judged: Judged, config: SharedConfig, real: Whitened) -> Values | None:
    """Values and labels that a run learned, or of the real images it chose, exactly: not rounded to pictures.

    Raises `UserError` where the values that were learned belong to another data set, side or transform.
    """
    here, there = _space(config), _space(judged.made)
    if judged.chosen is not None and judged.images is not None and here == there:
        return real.train.values(judged.chosen), centred_targets(judged.images.labels, real.classes)
    if isinstance(judged.images, SoftSet) and here != there:
        raise UserError(
            f"the images of {judged.run!r} were learned as values of {' '.join(there)}, and cannot be judged on "
            f"{' '.join(here)}: leave dataset, data.train_per_class, scratch.resolution and scratch.transform as they "
            "were"
        )
    return None


def _space(config: SharedConfig) -> tuple[str, ...]:
    """What must be equal for whitened values and image indices of one run to mean the same in another."""
    each, scratch = config.data.train_per_class, config.scratch
    which = f"({each} per class, seed {config.seed})" if each else "(all images)"
    transform = scratch.kind_of_transform(find_row(config.dataset).grey)
    return config.dataset, which, f"{scratch.resolution} px", transform
