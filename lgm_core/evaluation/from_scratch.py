"""What a set of images is worth to networks that are trained on it from scratch. RCIG specification, section 6.

A distilled set of RCIG is taken with its learned labels; hard-labelled images, distilled otherwise or chosen, go
through the same transform and the same training with centred one-hot labels.
Legend: N images with flips, K channels, R side, C classes.

>>> report_from_scratch(bench, images, labels, "conv:augmented")["top1"]
0.386
"""

import time
from collections.abc import Callable
from typing import Any

import torch
from jaxtyping import Float, Int
from safetensors.torch import load_file
from torch import Tensor
from torch.nn.functional import interpolate

from lgm_core.backbones.students import augment_one
from lgm_core.backbones.students.real_data import open_real, shape_of, transform_kind
from lgm_core.backbones.students.student_names import student_name
from lgm_core.backbones.students.training import ScratchRecipe, predicted, train_networks
from lgm_core.base.errors import UserError
from lgm_core.base.files import read_json
from lgm_core.config import RunConfig
from lgm_core.datasets.whitened import Whitened
from lgm_core.evaluation.probe import score_best
from lgm_core.methods.rcig.config import LIVE_RATE
from lgm_core.methods.rcig.labelled import LabelledSet, centred_targets, with_flips
from lgm_core.runs.store import RunFolder, RunStore
from lgm_core.workbench import Workbench, spread_over_classes

Rows = Callable[[Tensor], Tensor]


def report_from_scratch(
    bench: Workbench, images: Float[Tensor, "n 3 r r"], labels: Int[Tensor, "n"], name: str
) -> dict[str, Any]:
    """Report of `config.scratch.seeds` networks; keys as `probe.score` gives them. `images` in [0, 1]."""
    bench.recorder.phase(f"{name} from scratch")
    real = open_real(bench)
    values, targets = _exact(bench, real, labels) or (
        whitened_pictures(images, real),
        centred_targets(labels, real.classes),
    )
    stored = len(targets)
    if bench.config.rcig.flip:
        values, targets = with_flips(values, targets)
    device = bench.compute.device
    values, targets = values.to(device), targets.to(device)
    return _report(bench, real, lambda rows: values[rows.to(device)], targets, name, stored)


def report_on_all(bench: Workbench, name: str) -> dict[str, Any]:
    """Report of networks trained on all training images, for the same number of steps."""
    real = open_real(bench)
    targets = centred_targets(real.train.labels, real.classes).to(bench.compute.device)
    return _report(bench, real, real.train.values, targets, name, len(targets))


def live_accuracy(bench: Workbench, synthetic: LabelledSet) -> dict[str, float]:
    """`live_top1` of one network of the run's own kind, trained for a few hundred steps. For watching only."""
    real, config = open_real(bench), bench.config
    published = synthetic.published()
    values, targets = published.pixels, published.targets
    if synthetic.flip:
        values, targets = with_flips(values, targets)
    recipe = ScratchRecipe(steps=config.live.steps, learning_rate=LIVE_RATE * config.scratch.learning_rate, seeds=1)
    shape = shape_of(config, config.backbone, real)
    networks = train_networks(lambda rows: values[rows.to(values.device)], targets, shape, recipe=recipe)
    some = spread_over_classes(real.test.labels, config.live.test_images)
    best, true = predicted(networks, [(real.test.values(some), real.test.labels[some].to(values.device))])
    return {"live_top1": (best[0, :, 0] == true).double().mean().item()}


def whitened_pictures(images: Float[Tensor, "n 3 r r"], real: Whitened) -> Float[Tensor, "n k s s"]:
    """Images in [0, 1] as the networks see them: averaged to the run's side, grey where the data are, transformed."""
    side, channels = real.train.pixels.shape[-1], real.train.pixels.shape[1]
    images = images.to(real.train.device)
    if images.shape[-1] != side:
        larger = images.shape[-1] > side
        mode = "area" if larger and images.shape[-1] % side == 0 else "bilinear"
        images = interpolate(images, size=(side, side), mode=mode, **({} if mode == "area" else {"antialias": True}))
    with torch.no_grad():
        return real.transform(images.mean(1, keepdim=True) if channels == 1 else images)


def recipe_of(config: RunConfig, name: str, stored: int) -> ScratchRecipe:
    """How the networks of a name are trained on a set of `stored` images."""
    scratch, augmented = config.scratch, student_name(name).augmented
    steps = scratch.steps or (1000 if stored == 10 else 2000)
    return ScratchRecipe(
        steps=steps,
        learning_rate=scratch.learning_rate,
        warmup=scratch.warmup,
        tail=0 if augmented else round(scratch.tail * steps),
        batch=scratch.batch if stored > scratch.batch else 0,  # flips do not count
        seeds=scratch.seeds,
        augment=augment_one.ALL if augmented else (),
    )


def _report(bench: Workbench, real: Whitened, images: Rows, targets: Tensor, name: str, stored: int) -> dict[str, Any]:
    began, config = time.perf_counter(), bench.config
    recipe = recipe_of(config, name, stored)
    if recipe.augment and real.train.pixels.shape[1] == 1:
        recipe = ScratchRecipe(**{**vars(recipe), "augment": augment_one.GREY})
    networks = train_networks(
        images,
        targets,
        shape_of(config, name, real, width=config.scratch.width),
        recipe=recipe,
        progress=lambda done, total: bench.recorder.phase(f"{name} from scratch", done, total),
    )
    bench.recorder.phase(f"{name} on the test images")
    best, true = predicted(networks, real.test.batches(250))
    groups = None if bench.test.groups is None else bench.test.groups.to(true.device)
    report = score_best(best, true, classes=real.classes, groups=groups, group_count=len(bench.test.group_names))
    return {
        "backbone": name,
        "dataset": config.dataset,
        "train_images": stored,
        "test_images": len(true),
        "select": "last",
        "steps": recipe.steps + recipe.tail,
        "learning_rate": recipe.learning_rate,
        "side": real.train.pixels.shape[-1],
        "flip": config.rcig.flip,
        "seconds": time.perf_counter() - began,
        "classes": list(bench.test.classes),
        "groups": list(bench.test.group_names),
        **report,
    }


def _exact(bench: Workbench, real: Whitened, labels: Tensor) -> tuple[Tensor, Tensor] | None:
    """Values and labels as they are, not by way of pictures: those that a run learned, or the real images it chose.

    Raises `UserError` where the values that were learned belong to another data set, side or transform.
    """
    run, config = _images_from(bench), bench.config
    known = [_space(config), _space(run.config())]
    if run.choice.exists() and known[0] == known[1]:
        rows = torch.tensor(read_json(run.choice)["indices"])
        return real.train.values(rows), centred_targets(labels, real.classes)
    if not run.synthetic.exists():
        return None
    tensors = load_file(run.synthetic)
    if "targets" not in tensors:
        return None
    if known[0] != known[1]:
        raise UserError(
            f"the images of {run.id!r} were learned as values of {' '.join(known[1])}, and cannot be judged "
            f"on {' '.join(known[0])}: leave dataset, data.train_per_class, rcig.resolution and "
            "rcig.transform as they were"
        )
    return tensors["pixels"], tensors["targets"]


def _space(config: RunConfig) -> tuple[str, ...]:
    """What whitened values, and numbers of images, belong to."""
    each = config.data.train_per_class
    which = f"({each} per class, seed {config.seed})" if each else "(all images)"
    return config.dataset, which, f"{config.rcig.resolution} px", transform_kind(config)


def _images_from(bench: Workbench) -> RunFolder:
    config = bench.config
    if config.kind == "evaluate":
        return RunStore(bench.places.runs).open(config.source)
    return bench.recorder.run
