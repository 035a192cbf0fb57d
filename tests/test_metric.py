"""Gradients compared where classes vary little in themselves, and class by class."""

import numpy as np
import pytest
import torch
from torch.nn.functional import cosine_similarity

from lgm_core.backbones.features import Bank
from lgm_core.base.errors import ConfigError, UserError
from lgm_core.base.knobs import from_dict, read_dict
from lgm_core.config import RunConfig, renamed, validate
from lgm_core.engine import start, work
from lgm_core.jobs.study import StudyFlags, plan_study
from lgm_core.methods.lgm import metric as metric_file
from lgm_core.methods.lgm.config import LGMConfig
from lgm_core.methods.lgm.gradients import class_distance, cosine_distance, squared_distance
from lgm_core.methods.lgm.metric import Metric, metric_of
from lgm_core.methods.lgm.objectives.catalog import OBJECTIVES, Side
from lgm_core.methods.lgm.objectives.gradient import GradientMatching
from lgm_core.methods.lgm.targets import MeanTarget
from lgm_core.presets import change, preset
from lgm_core.runs.store import RunStore
from tests.fake_runs import fake_distill

CLASSES, WIDTH = 3, 5
CPU = torch.device("cpu")


def bank_of_three() -> Bank:
    """Classes of unequal size, which vary along one direction above all."""
    random = torch.Generator().manual_seed(1)
    labels = torch.tensor([0] * 10 + [1] * 4 + [2] * 7)
    spread = torch.tensor([5.0, 1.0, 0.5, 0.2, 0.1])
    features = torch.randn(CLASSES, WIDTH, generator=random)[labels][:, None]
    return Bank((features + spread * torch.randn(21, 2, WIDTH, generator=random)).half(), labels, CLASSES)


def covariance_of(bank: Bank) -> np.ndarray:
    each = [bank.features[bank.labels == c].flatten(0, 1).double().numpy() for c in range(CLASSES)]
    return sum(np.cov(one.T, bias=True) for one in each) / CLASSES


@pytest.mark.parametrize("power", [0.5, 1.0])
@pytest.mark.parametrize("kind", ["full", "diagonal"])
@pytest.mark.parametrize("rows", [4, 4096])
def test_products_are_those_of_the_inverse_mean_covariance(
    rows: int, kind: str, power: float, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(metric_file, "_ROWS", rows)
    bank, beta = bank_of_three(), 0.7
    covariance = covariance_of(bank) if kind == "full" else np.diag(np.diag(covariance_of(bank)))
    whole = covariance / (np.trace(covariance) / WIDTH) + beta * np.eye(WIDTH)
    values, vectors = np.linalg.eigh(whole)
    inverse = (vectors * values ** (-2 * power)) @ vectors.T
    gradient = torch.randn(CLASSES, WIDTH + 1, generator=torch.Generator().manual_seed(2))
    found = Metric.of_bank(bank, kind, power=power, device=CPU)(gradient, beta)[:, :-1].double().numpy()
    weights = gradient[:, :-1].double().numpy()
    np.testing.assert_allclose(found @ found.T, weights @ inverse @ weights.T, rtol=1e-4, atol=1e-5)


def test_the_bias_is_left_as_it_is_and_a_high_floor_changes_no_angle():
    gradient = torch.randn(CLASSES, WIDTH + 1, generator=torch.Generator().manual_seed(2))
    metric = Metric.of_bank(bank_of_three(), "diagonal", power=0.5, device=CPU)
    found = metric(gradient, 1e6)
    torch.testing.assert_close(found[:, -1], gradient[:, -1])
    assert cosine_similarity(found[:, :-1].flatten(), gradient[:, :-1].flatten(), dim=0) > 1 - 1e-6


def test_the_floor_goes_from_one_end_to_the_other_by_a_constant_factor():
    lowered = LGMConfig(whiten="full", whiten_beta=10.0, whiten_beta_end=0.1)
    assert [lowered.beta_at(step, 3) for step in range(3)] == pytest.approx([10, 1, 0.1])
    assert LGMConfig(whiten_beta=2.0).beta_at(7, 9) == 2


def test_the_distance_of_classes_is_the_mean_over_their_rows():
    random = torch.Generator().manual_seed(3)
    left, right = torch.randn(2, CLASSES, WIDTH + 1, generator=random)
    rows = [cosine_distance(left[c : c + 1], right[c : c + 1]) for c in range(CLASSES)]
    torch.testing.assert_close(class_distance(left, right), torch.stack(rows).mean())
    assert class_distance(left, 3 * left).abs() < 1e-6 < cosine_distance(left, left * torch.tensor([[1.0], [2], [9]]))


def test_the_squared_distance_is_in_units_of_the_real_one():
    left, right = torch.randn(2, CLASSES, WIDTH + 1, generator=torch.Generator().manual_seed(4))
    torch.testing.assert_close(squared_distance(5 * left, 5 * right), squared_distance(left, right))
    assert squared_distance(right, right) == 0 and squared_distance(0 * left, right) == pytest.approx(1)


@pytest.mark.slow
def test_a_run_whitens_and_its_images_are_others(small_run: RunConfig, here):
    plain, other = (start(change(small_run, {"lgm": lgm}), here) for lgm in ({"whiten": "none"}, {"whiten": "full"}))
    assert plain.id != other.id and work(plain, here) == work(other, here) == "finished"
    assert plain.synthetic.read_bytes() != other.synthetic.read_bytes()
    assert other.metrics()[-1]["loss"] < other.metrics()[0]["loss"]


@pytest.mark.parametrize(
    ("lgm", "words"),
    [
        ({"whiten": "full", "target": "batch"}, "lgm.whiten needs the bank of real features, which lgm.target batch"),
        (
            {"objective": "ridge", "whiten": "none", "target": "batch"},
            "lgm.objective ridge needs the bank of real features",
        ),
        (
            {"objective": "ridge", "whiten": "full"},
            "lgm.whiten full is a metric .* which lgm.objective ridge has not; add --lgm.whiten",
        ),
        (
            {"whiten": "none", "whiten_beta_end": 0.1},
            "lgm.whiten-beta-end changes nothing without a metric: leave it out, or add --lgm.whiten full",
        ),
        ({"whiten": "none", "whiten_beta": 3.0}, "lgm.whiten-beta changes nothing without a metric"),
        ({"whiten": "none", "whiten_power": 1.0}, "lgm.whiten-power changes nothing without a metric"),
        ({"whiten": "none", "real_power": 0.5}, "lgm.real-power changes nothing without a metric: leave it out, or"),
        (
            {"objective": "ridge", "whiten_beta_end": 0.1},
            "lgm.whiten-beta-end changes nothing without the metric that lgm.objective ridge has not: leave it out, or "
            "choose another objective",
        ),
        ({"target": "batch", "whiten_beta_end": 0.1}, "without the metric that lgm.target batch has not"),
        ({"head_std": 0.1}, "lgm.head-std changes nothing without the random heads that lgm.target mean has not"),
        ({"objective": "ridge", "head_std": 0.1, "target": "bank"}, "lgm.target changes nothing without the real grad"),
        ({"ridge_lambda": 0.5}, "lgm.ridge-lambda changes nothing without the ridge that another objective has not"),
        ({"source_weights": (3,)}, "lgm.source-weights changes nothing without several backbones, A.B: leave it out"),
        ({"objective": "ridge", "balance": False}, "lgm.balance changes nothing without the real gradient that lgm"),
        ({"bank_rows": 99}, "lgm.bank-rows changes nothing without the rows in each step that lgm.target mean does"),
        ({"target": "bank", "head_rate": 0.1}, "lgm.head-rate changes nothing without heads that are trained: leave"),
        ({"average": 1e-4}, "lgm.average 0.0001 of 100 steps is not one step: give 0.01 or more, or leave it out"),
        ({"joint": "all"}, "lgm.joint changes nothing without several backbones"),
        ({"source_views": (3, 2)}, "lgm.source-views has 2 values for 1 backbone: give one for each, in their order"),
    ],
)
def test_settings_that_make_no_sense_together_are_refused_by_name(lgm: dict, words: str):
    with pytest.raises(ConfigError, match=words):
        validate(preset("preview", lgm=lgm))


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"parameterisation": "pixels"}, "pyramid.fine-rate changes nothing without a pyramid: leave it out, or add"),
        ({"initial": "real"}, "synthetic.noise-scale changes nothing without initial noise: leave it out, or add"),
        ({"parameterisation": "phase"}, "synthetic.noise-scale changes nothing without initial noise"),
    ],
)
def test_settings_of_images_that_are_made_otherwise_are_refused_but_for_a_presets(changes: dict, words: str):
    whole = preset("standard", name="x", synthetic={"noise_scale": 0.3}, pyramid={"fine_rate": 0.7})
    group, name = words.split()[0].replace("-", "_").split(".")
    kept = {group: {name: getattr(getattr(whole, group), name)}}
    with pytest.raises(ConfigError, match=words):
        validate(change(RunConfig(), {"synthetic": changes}, kept))
    assert [validate(one).variant for one in plan_study(whole, StudyFlags(ablate=True)) if one.kind == "distill"]
    for noise in ({"initial": "real"}, {"parameterisation": "pixels", "initial": "zero"}):
        assert validate(preset("paper", synthetic=noise)).synthetic.noise_scale == 1
    assert not validate(preset("paper", lgm={"target": "mean", "objective": "ridge"})).lgm.balance


@pytest.mark.parametrize(
    ("backbone", "lgm"),
    [
        ("mobilenet_v2+resnet18", {"joint": "all", "source_weights": (1, 2)}),
        ("mobilenet_v2", {"target": "bank", "head_std": 0.1, "whiten_beta": 3.0, "whiten_power": 1.0}),
        ("mobilenet_v2", {"target": "batch", "head_std": 0.1, "balance": False}),
        ("mobilenet_v2", {"target": "bank", "head_steps": 3, "head_rate": 0.1, "bank_rows": 99, "average": 0.01}),
        ("mobilenet_v2", {"objective": "ridge", "ridge_lambda": 0.5, "ridge_temperature": 1.0}),
    ],
)
def test_settings_that_change_something_are_taken(backbone: str, lgm: dict):
    validate(preset("preview", backbone=backbone, lgm=lgm))


def test_a_run_of_before_with_such_settings_still_opens(store: RunStore):
    run = fake_distill(store, name="idle", backbone="mobilenet_v2", lgm={"joint": "all", "ridge_lambda": 0.5})
    assert run.config().lgm.joint == "all" and run.notes() == [] and run.why_not_resumed() == ""
    validate(change(run.config(), {"kind": "evaluate", "source": run.id, "evaluate_on": ("resnet18",)}))


def test_one_backbone_is_not_named_twice():
    for kind in ("distill", "baseline"):
        with pytest.raises(ConfigError, match="mobilenet_v2 is named twice in mobilenet_v2.resnet18.mobilenet_v2"):
            validate(preset("preview", kind=kind, backbone="mobilenet_v2+resnet18+mobilenet_v2"))


@pytest.mark.parametrize(("images", "kind"), [(3, False), (7, False), (30, True)])
def test_by_itself_it_whitens_only_where_the_covariance_can_be_told(images: int, kind: bool):
    labels, told = torch.arange(CLASSES).repeat(images), list[str]()
    features = torch.randn(len(labels), 2, 40, generator=torch.Generator().manual_seed(6))
    bank = Bank(features, labels, CLASSES)
    side = Side(
        config=LGMConfig(), bank=lambda: bank, rows=CLASSES, width=40, steps=9, seed=0, device=CPU,
        metric=lambda: metric_of(LGMConfig(), lambda: bank, device=CPU, note=told.append),
        target=lambda: MeanTarget(bank, balanced=True, device=CPU),
    )  # fmt: skip
    made = OBJECTIVES["cosine-per-class"](side)
    assert isinstance(made, GradientMatching) and (made.metric is not None) == kind
    words = f"Gradients are not whitened: {6 * images} rows around 3 means are too few"  # 42 rows have a rank of 39
    assert [text.startswith(words) for text in told] == ([] if kind else [True])
    if not kind:
        with pytest.raises(
            UserError, match=f"lgm.real-power needs .* whitened, but {6 * images} rows .*--lgm.whiten full"
        ):
            metric_of(LGMConfig(real_power=0.5), lambda: bank, device=CPU, note=told.append)


@pytest.mark.parametrize("kind", ["diagonal", "full"])
def test_classes_in_which_nothing_varies_have_no_metric(kind: str):
    labels = torch.arange(CLASSES).repeat(3)
    bank = Bank(torch.randn(CLASSES, 1, WIDTH)[labels], labels, CLASSES)
    with pytest.raises(UserError, match=f"lgm.whiten {kind} needs features that vary within a class.* has only 3 rows"):
        Metric.of_bank(bank, kind, power=0.5, device=CPU)


def test_runs_of_before_there_was_a_choice_keep_the_papers_objective():
    old, _ = read_dict(LGMConfig, {"views": 3})
    assert (old.objective, old.whiten, old.clusters) == ("cosine", "none", False)
    assert preset("paper").lgm.objective == "cosine" and preset("paper").lgm.whiten == "none"


def test_settings_of_earlier_runs_keep_their_meaning():
    old = renamed({"lgm": {"whiten": 0.5, "distance": "per_class"}})
    assert old == {"lgm": {"whiten": "full", "whiten_beta": 0.5, "objective": "cosine-per-class"}}
    assert from_dict(LGMConfig, old["lgm"]).objective == "cosine-per-class"
    assert renamed({"lgm": {"whiten": 0.0, "distance": "whole"}}) == {"lgm": {"whiten": "none", "objective": "cosine"}}
