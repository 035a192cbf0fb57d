"""Several backbones at once: each with its share or its turn, the same bits after a resume, and the ridge objective."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from safetensors.torch import load_file
from sklearn.linear_model import Ridge
from torch import Tensor
from torch.nn.functional import one_hot

from lgm_core.analysis.projection import Pca
from lgm_core.analysis.trail import Trail
from lgm_core.backbones.augment import Augment
from lgm_core.backbones.features import Bank
from lgm_core.base.errors import ConfigError
from lgm_core.base.files import read_json
from lgm_core.base.interfaces import generator
from lgm_core.base.places import Places
from lgm_core.base.real_settings import BaselineConfig
from lgm_core.base.settings import AugmentConfig, joined
from lgm_core.cli.flags import parse_with
from lgm_core.config import RunConfig, validate
from lgm_core.datasets.image_set import ArrayImages
from lgm_core.datasets.rivals import choose_greedy
from lgm_core.engine import start, work
from lgm_core.jobs.study import StudyFlags, plan_study
from lgm_core.methods.lgm.config import LGMConfig, SyntheticConfig
from lgm_core.methods.lgm.gradients import LinearHead
from lgm_core.methods.lgm.objectives.gradient import GradientMatching
from lgm_core.methods.lgm.objectives.ridge import RidgeHead, ridge_head
from lgm_core.methods.lgm.pixels import PixelSet
from lgm_core.methods.lgm.source import Source
from lgm_core.methods.lgm.step import LinearGradientMatching, next_turn, turns
from lgm_core.methods.lgm.targets import BatchTarget, MeanTarget
from lgm_core.presets import change, preset
from lgm_core.reports.labels import row_label
from lgm_core.reports.unseen import own_report
from lgm_core.runs.folder import RunFolder
from lgm_core.runs.recorder import Recorder
from lgm_core.runs.store import RunStore
from lgm_core.workbench import Workbench
from tests.fake_runs import fake_distill, fake_eval

C, WIDTH = 4, 12
CPU = torch.device("cpu")


def _bank(seed: int) -> Bank:
    return Bank(torch.randn(20, 1, WIDTH, generator=generator("cpu", seed)), torch.arange(C).repeat(5), C)


def _distiller(toy, compute, **settings: object) -> LinearGradientMatching:
    """Two sources: the same network, with other real data, views and weights."""
    lgm = LGMConfig(**{"views": 2, "learning_rate": 0.05, "source_weights": (1, 2), **settings})
    augment = Augment(AugmentConfig(), side=16, seed=0, device="cpu")
    sources = []
    for place, weight in enumerate(lgm.weights(2)):
        target = MeanTarget(_bank(place), balanced=True, device=CPU)
        objective = GradientMatching(target, config=lgm, rows=C, width=WIDTH, steps=30, seed=0, device=CPU)
        sources.append(
            Source(
                toy, augment=augment, objective=objective, compute=compute, views=2, seed=0, weight=weight, place=place
            )
        )
    pixels = PixelSet(SyntheticConfig(resolution=18), classes=C, images_per_class=1, random=generator("cpu", 3))
    return LinearGradientMatching(lgm, steps=30, synthetic=pixels, sources=sources, keep_moments=True)


def test_turns_come_as_often_as_their_weight_and_spread_evenly():
    assert turns([1]) == [0] and turns([1, 1, 1]) == [0, 1, 2]
    order = turns([1, 3, 2])
    assert [order.count(place) for place in range(3)] == [1, 3, 2]
    assert all(one != other for one, other in zip(order, order[1:], strict=False))


def test_a_step_in_all_of_them_has_the_weighted_mean_of_their_gradients(toy, compute):
    whole = _distiller(toy, compute, joint="all")
    result = whole.step(0)
    each = [_distiller(toy, compute).sources[place] for place in range(2)]
    images = _distiller(toy, compute).synthetic.images()
    found = [source.gradient(images, torch.arange(C), 0) for source in each]
    images.backward((found[0][1] + 2 * found[1][1]) / 3)
    other = _distiller(toy, compute).synthetic
    other.images().backward((found[0][1] + 2 * found[1][1]) / 3)
    torch.testing.assert_close(whole.synthetic.values.grad, other.values.grad, rtol=1e-4, atol=1e-8)
    assert result.loss == pytest.approx((found[0][0].item() + 2 * found[1][0].item()) / 3)
    assert not torch.equal(found[0][1], found[1][1])


def test_in_turn_a_step_sees_one_of_them_and_the_loss_tells_of_all(toy, compute):
    distiller = _distiller(toy, compute)
    assert set(turns([1, 2])) == {0, 1} and turns([1, 2])[0] == 1
    first, second = distiller.step(0), distiller.step(1)
    assert first.loss == distiller._losses[1].item() and second.loss != first.loss
    losses = distiller._losses.tolist()
    assert second.loss == pytest.approx((losses[0] + 2 * losses[1]) / 3)


@pytest.mark.parametrize(
    "settings", [{}, {"joint": "all"}, {"average": 0.5}, {"flat_radius": 0.02}], ids=lambda settings: str(settings)
)
def test_a_resumed_joint_run_goes_on_with_the_same_bits(settings: dict, toy, compute):
    whole, first, second = (_distiller(toy, compute, **settings) for _ in range(3))
    told = [whole.step(step).loss for step in range(20)]
    for step in range(17):
        first.step(step)
    second.restore({name: tensor.clone() for name, tensor in first.state().items()})
    assert [second.step(step).loss for step in range(17, 20)] == told[17:]
    for name, tensor in whole.state().items():
        assert torch.equal(tensor, second.state()[name]), name
    assert torch.equal(whole.export().images, second.export().images)


def test_seeking_flat_minima_the_loss_is_that_of_the_images_themselves(toy, compute):
    flat, plain = (_distiller(toy, compute, flat_radius=radius) for radius in (0.5, 0.0))
    assert flat.step(0).loss == plain.step(0).loss
    assert not torch.equal(flat.synthetic.images(), plain.synthetic.images())


def test_a_fresh_batch_is_read_ahead_for_the_next_turn_and_once(toy, compute, monkeypatch):
    images = ArrayImages(
        name="toy", shards=[np.zeros((40, 16, 16, 3), np.uint8)], labels=[n % C for n in range(40)], classes="abcd"
    )
    augment, read = Augment(AugmentConfig(), side=16, seed=0, device="cpu"), []
    target = BatchTarget(
        images, toy, augment, compute, batch=8, resize=16, balanced=True, seed=0,
        next_step=lambda step: next_turn(step, 0, (1, 2)),
    )  # fmt: skip
    whole = target._read
    monkeypatch.setattr(target, "_read", lambda step, mine: read.append(step) or whole(step, mine))
    head = LinearHead.draw(classes=C, features=toy.feature_size, std=0.1, random=generator("cpu", 0))
    for step in (1, 1, 4, 4):  # twice each, as flat minima need
        target.gradient(head, step)
    target._reader.shutdown()
    assert read == [1, 4, 7]


def test_the_average_is_that_of_the_last_images(toy, compute):
    distiller, seen = _distiller(toy, compute, average=0.1), []
    for step in range(30):
        distiller.step(step)
        seen.append(distiller.synthetic.images().detach())
    torch.testing.assert_close(distiller.export().images, torch.stack(seen[27:]).mean(dim=0))


def test_a_loss_that_is_no_number_is_told_as_such(toy, compute):
    distiller = _distiller(toy, compute)
    distiller.synthetic.values.data.fill_(torch.nan)
    assert not np.isfinite(distiller.step(0).loss)


def test_the_ridge_head_is_the_one_that_a_library_finds():
    features, labels = torch.randn(9, WIDTH, generator=generator("cpu", 1)), torch.arange(C).repeat(3)[:9]
    found = ridge_head(features, one_hot(labels, C).float(), 0.3)
    known = Ridge(alpha=0.3 * 9, fit_intercept=False).fit(features.numpy(), one_hot(labels, C).numpy())
    np.testing.assert_allclose(found.numpy().T, known.coef_, rtol=1e-3, atol=1e-5)


def test_the_ridge_objective_is_lower_where_the_images_have_the_classes_features():
    bank, labels = _bank(0), torch.arange(C)
    loss = RidgeHead(bank, config=LGMConfig(objective="ridge"), seed=0, device=CPU).at(2)
    means = bank.class_means()
    assert loss(means, labels) < loss(means.roll(1, 0), labels)
    torch.testing.assert_close(loss(means, labels), loss(means, labels))


@pytest.mark.slow
def test_two_backbones_distil_one_set_that_both_are_judged_by(small_run: RunConfig, here):
    both = change(small_run, {"backbone": f"{small_run.backbone}+mobilenet_v2", "lgm": {"source_views": (1, 2)}})
    run = start(validate(change(both, {"record": {"map_images": 20}})), here)
    assert work(run, here) == "finished"
    line = run.metrics()[-1]
    assert {f"loss:{name}" for name in both.networks()} <= set(line)
    assert {f"live:{name}" for name in both.networks()} <= set(line)
    _has_a_map_in_each(run, here)


def _has_a_map_in_each(run: RunFolder, here: Places) -> None:
    """The second network's map is as if it were the only one; a run whose map is of the first alone gets it, too."""
    known, last = run.map(), run.trail()[-1]
    ((other,), (placed,)) = known["others"], last["others"]
    assert (known["backbone"], other["backbone"]) == run.config().networks()
    assert len(known["points"]) == len(other["points"]) == 20 and known["points"] != other["points"]
    axes, result = load_file(run.map_axes), load_file(run.synthetic)
    with Recorder(run, run.config().record, steps=18) as recorder:
        bench = Workbench(run.config(), here, recorder)
        features = bench.seen_clean(result["images"], bench.backbone("mobilenet_v2")).cpu()
        pca = Pca(*(axes[f"1.{name}"] for name in ("mean", "axes", "explained")))
        assert torch.allclose(pca.project(features), torch.tensor(placed["points"]), rtol=1e-3, atol=1e-4)
        recorder.map({name: value for name, value in known.items() if name != "others"}, _without_the_second(axes))
        Trail(bench, run.config(), recorder, here.thumbs).mark(18, result["images"], result["labels"])
    assert run.map()["points"] == known["points"] and run.map()["others"] == known["others"]
    assert load_file(run.map_axes).keys() == axes.keys()


def _without_the_second(axes: dict[str, Tensor]) -> dict[str, Tensor]:
    return {name: value for name, value in axes.items() if not name.startswith("1.")}


def test_real_images_are_chosen_by_two_backbones_at_once(small_run: RunConfig, here):
    both = joined([small_run.backbone, "mobilenet_v2"])
    chosen = replace(small_run, kind="baseline", backbone=both, baseline=BaselineConfig(choice="greedy"))
    run = start(validate(chosen), here)
    assert work(run, here) == "finished"
    assert row_label(run.config()).startswith("greedy choice by ")
    with Recorder(run, run.config().record, steps=18) as recorder:
        bench = Workbench(run.config(), here, recorder)
        backbones, labels = map(bench.backbone, run.config().networks()), torch.as_tensor(bench.train.labels)
        spaces = [bench.clean_bank(bench.train, backbone).features[:, 0] for backbone in backbones]
    each = (spaces, spaces[:1], spaces[1:])
    both, *alone = (choose_greedy(seen, labels, classes=10, per_class=1, seed=0).tolist() for seen in each)
    assert read_json(run.choice)["indices"] == both and both not in alone


def test_a_study_has_a_joint_set_its_own_centroids_and_its_rivals():
    base = preset("preview", name="both", dataset="scenes")
    flags = StudyFlags(distil_with=("mobilenet_v2", "mobilenet_v2+resnet18"), seeds=1, draws=1, rivals=True)
    plan = {config.name: config for config in plan_study(base, flags)}
    assert plan["both-lgm-mobilenet_v2_resnet18-s0"].networks() == ("mobilenet_v2", "resnet18")
    assert plan["both-lgm-mobilenet_v2-s0"].evaluate_on == ("mobilenet_v2", "resnet18")
    choices = {(config.baseline.choice, config.backbone) for config in plan.values() if config.kind == "baseline"}
    joint = "mobilenet_v2+resnet18"
    assert {("centroids", joint), ("greedy", joint), ("best-random", joint), ("greedy", "mobilenet_v2")} <= choices
    twice = plan_study(base, replace(flags, seeds=2))
    seeds = [config.seed for config in twice if (config.baseline.choice, config.backbone) == ("greedy", joint)]
    words = "both scenes --distil-with mobilenet_v2 mobilenet_v2+resnet18 --lgm.joint all --lgm.source-views 3 2"
    config, own = parse_with(words.split(), prog="lgm study", positional=("name", "dataset"), extra=StudyFlags())
    made = [validate(one).lgm for one in plan_study(config, StudyFlags(**own)) if one.kind == "distill"]
    assert [(one.joint, one.source_views) for one in made] == [("turn", ())] * 3 + [("all", (3, 2))] * 3
    assert seeds == [0, 1] and len({config.name for config in twice}) == len(twice)
    assert ("neighbours", joint) in choices and ("greedy", "resnet18") not in choices


def test_a_joint_run_is_known_by_the_worst_backbone_that_took_no_part(here):
    run = fake_distill(RunStore(here.runs), backbone="a+b", evaluate_on=())
    for name, top1 in {"a": 0.1, "b": 0.2, "c": 0.7, "d": 0.6}.items():
        fake_eval(run, name, ["x", "y"], top1)
    report = own_report(run)
    assert report is not None and report["backbone"] == "d"


def test_a_method_of_one_network_refuses_two():
    with pytest.raises(ConfigError, match="RCIG distils with one network at a time; conv and resnet were given"):
        validate(preset("rcig_digits", backbone="conv+resnet"))
