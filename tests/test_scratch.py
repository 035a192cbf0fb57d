"""How networks are trained from scratch for a run: recipe, shape, transform, flips, operations; what they are given."""

from dataclasses import replace

import pytest
import torch
from safetensors.torch import load_file

from lgm_core.backbones.students.real_data import check_whitening, shape_of
from lgm_core.base.errors import ConfigError, UserError
from lgm_core.base.files import read_json
from lgm_core.base.places import Places
from lgm_core.config import RunConfig
from lgm_core.datasets.catalog import find_row
from lgm_core.datasets.open import open_dataset
from lgm_core.datasets.transforms.transform import Identity
from lgm_core.datasets.whitened import Whitened, WhitenedSplit, open_whitened
from lgm_core.evaluation import from_scratch as scratch_report
from lgm_core.evaluation.from_scratch import recipe_of
from lgm_core.methods.rcig.presets import paper_preset
from lgm_core.presets import change, preset
from lgm_core.runs.store import RunFolder
from tests.one_thread import one_thread  # noqa: F401 (a fixture)
from tests.test_rcig_run import finish, finished, run, small  # noqa: F401 (fixtures)


@pytest.mark.parametrize(
    ("stored", "name", "changes", "steps", "tail", "batch", "operations"),
    [
        (10, "conv", {}, 1000, 0, 0, 0),
        (100, "conv:augmented", {}, 2000, 0, 0, 6),
        (200, "conv", {}, 2000, 0, 0, 0),  # 400 with flips, which do not count
        (500, "conv", {}, 2000, 0, 256, 0),
        (10, "conv", {"steps": 70}, 70, 0, 0, 0),
        (10, "conv", {"tail": 1.5}, 1000, 1500, 0, 0),
        (10, "conv:augmented", {"tail": 1.5}, 1000, 0, 0, 6),
    ],
)
def test_the_recipe_of_the_specification(stored, name, changes, steps, tail, batch, operations):
    recipe = recipe_of(preset("rcig_preview", scratch=changes).scratch, name, stored)
    assert (recipe.steps, recipe.tail, recipe.batch, len(recipe.augment)) == (steps, tail, batch, operations)
    assert (recipe.learning_rate, recipe.warmup, recipe.seeds) == (1e-4, 500, 5)


def _noise(side: int, channels: int = 3) -> Whitened:
    pixels = torch.zeros(4, channels, side, side, dtype=torch.uint8)
    split = WhitenedSplit(pixels, torch.arange(4), Identity(), torch.device("cpu"))
    return Whitened(train=split, test=split, transform=Identity(), classes=4)


def test_networks_are_judged_with_relu_and_the_runs_width():
    scratch = preset("rcig_preview").scratch
    judged = shape_of("conv:batch:augmented", scratch, _noise(32))
    assert (judged.softplus, judged.width, judged.norm, judged.blocks) == (0, 32, "batch", 3)
    named = shape_of("conv:width8:depth4", scratch, _noise(32), softplus=60.0)
    assert (named.softplus, named.width, named.blocks) == (60, 8, 4)
    sides = (8, 28, 32, 64, 128)
    shapes = [shape_of("conv", replace(scratch, resolution=side), _noise(side)) for side in sides]
    assert [shape.blocks for shape in shapes] == [2, 3, 3, 4, 5] and [shape.side for shape in shapes] == list(sides)


@pytest.mark.parametrize(
    ("dataset", "side", "asked", "kind"),
    [
        ("mnist", 28, "auto", "standardise"),
        ("cifar10", 32, "auto", "zca"),
        ("imagenette", 64, "auto", "zca"),
        ("imagenette", 128, "auto", "block_zca"),
        ("cifar10", 32, "identity", "identity"),
    ],
)
def test_the_transform_follows_the_data(dataset: str, side: int, asked: str, kind: str):
    scratch = preset("rcig_preview", scratch={"resolution": side, "transform": asked}).scratch
    assert scratch.kind_of_transform(find_row(dataset).grey) == kind


@pytest.mark.parametrize(("kind", "channels", "side"), [("block_zca", 3, 256), ("zca", 3, 128), ("zca", 1, 112)])
def test_whitening_beyond_what_can_be_computed_is_said(kind: str, channels: int, side: int):
    with pytest.raises(ConfigError, match="eigenvectors of a"):
        check_whitening(kind, channels, side)
    check_whitening(kind, channels, side // 2 - 2)
    check_whitening("standardise", channels, side)


@pytest.mark.parametrize(
    ("dataset", "per_class", "side", "name"),
    [
        ("cifar10", 1, 32, "depth_3"), ("cifar100", 10, 32, "depth_3"), ("cifar100", 50, 32, "cifar100_50"),
        ("mnist", 10, 28, "depth_3_no_flip"), ("tiny_imagenet", 1, 64, "depth_4_200"),
        ("tiny_imagenet", 10, 64, "depth_4_big"), ("imagenet64", 1, 64, "depth_4_big"),
        ("imagewoof", 10, 128, "depth_5"),
    ],
)  # fmt: skip
def test_an_imported_set_has_the_papers_configuration(dataset: str, per_class: int, side: int, name: str):
    chosen = paper_preset(dataset, per_class, side)
    assert chosen == f"rcig_{name}" and preset(chosen).scratch.resolution == side


class _Given:
    """What `train_networks` is given, in place of training."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.images, self.targets, self.recipe = torch.empty(0), torch.empty(0), None
        self._train = scratch_report.train_networks
        monkeypatch.setattr(scratch_report, "train_networks", self)

    def __call__(self, images, targets, shape, *, recipe, progress):
        self.images, self.targets, self.recipe = images(torch.arange(len(targets))), targets, recipe
        return self._train(images, targets, shape, recipe=recipe, progress=progress)


def _again(config: RunConfig, **changes: object) -> RunConfig:
    return change(config, {"name": "", "source": "", "scratch": {"steps": 4}}, changes)


@pytest.mark.slow
def test_chosen_images_are_the_very_ones_that_a_distillation_starts_from(
    run: RunFolder,  # noqa: F811
    here: Places,
    monkeypatch: pytest.MonkeyPatch,
):
    """And not what is left of them after they were pictures of another size; also when another run evaluates them."""
    given = _Given(monkeypatch)
    chosen = finish(_again(run.config(), kind="baseline", evaluate_on=("conv",)), here)
    rows = torch.tensor(read_json(chosen.choice)["indices"])
    train, test = open_dataset("digits", (), train_per_class=20, test_per_class=10, seed=0)
    real = open_whitened(train, test, side=8, channels=1, kind="standardise", cache=here.cache)
    wanted = real.train.values(rows)
    assert torch.equal(given.images, wanted) and wanted.shape == (10, 1, 8, 8)
    finish(_again(run.config(), kind="evaluate", source=chosen.id, evaluate_on=("conv:augmented",)), here)
    assert torch.equal(given.images, wanted)


@pytest.mark.parametrize("flip", [True, False])
def test_mirror_images_follow_the_setting_and_grey_ones_keep_their_colour(
    flip: bool,
    run: RunFolder,  # noqa: F811
    here: Places,
    monkeypatch: pytest.MonkeyPatch,
):
    given = _Given(monkeypatch)
    names = ("conv:augmented",)
    made = finish(_again(run.config(), kind="evaluate", source=run.id, evaluate_on=names, scratch={"flip": flip}), here)
    learned = load_file(run.synthetic)["pixels"]
    assert len(given.images) == len(given.targets) == (20 if flip else 10)
    assert torch.equal(given.images[:10], learned)
    assert not flip or torch.equal(given.images[10:], learned.flip(-1))
    assert given.recipe.augment == ("crop", "rotate", "translate", "cutout")
    report = made.eval_reports()[0]
    assert (report["flip"], report["side"], report["train_images"]) == (flip, 8, 10)


@pytest.mark.parametrize(
    "changes",
    [{"scratch": {"resolution": 16}}, {"scratch": {"transform": "identity"}}, {"data": {"train_per_class": 30}}],
)
def test_learned_values_are_not_judged_under_another_transform(
    changes: dict,
    run: RunFolder,  # noqa: F811
    here: Places,
):
    from lgm_core.engine import start, work

    made = start(_again(run.config(), kind="evaluate", source=run.id, evaluate_on=("conv",), **changes), here)
    with pytest.raises(
        UserError, match="leave dataset, data.train_per_class, scratch.resolution and scratch.transform"
    ):
        work(made, here)
