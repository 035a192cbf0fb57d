"""Sets that mean one class to one backbone and another to a second one: the step, the judging, the study, its table."""

from pathlib import Path

import pytest
import torch

from lgm_core.backbones.augment import Augment
from lgm_core.backbones.features import Bank
from lgm_core.base.errors import ConfigError, UnknownName
from lgm_core.base.files import read_json
from lgm_core.base.interfaces import HardSet, generator
from lgm_core.base.settings import AugmentConfig
from lgm_core.base.tensor_files import save_tensors
from lgm_core.cli.console import print_sides
from lgm_core.config import RunConfig, validate
from lgm_core.engine import start, work
from lgm_core.evaluation.contrast import sides
from lgm_core.jobs.pairs import PairFlags, plan_pairs
from lgm_core.methods.catalog import own_settings
from lgm_core.methods.lgm import assembly
from lgm_core.methods.lgm.config import LGMConfig, SyntheticConfig
from lgm_core.methods.lgm.confused import swapped_pairs
from lgm_core.methods.lgm.objectives.gradient import GradientMatching
from lgm_core.methods.lgm.pixels import PixelSet
from lgm_core.methods.lgm.source import Source
from lgm_core.methods.lgm.step import LinearGradientMatching
from lgm_core.methods.lgm.targets import MeanTarget
from lgm_core.presets import change, preset
from lgm_core.reports.allegiance import taken_sides, with_first
from lgm_core.reports.labels import row_label
from lgm_core.reports.live_curves import live_keys
from lgm_core.reports.page import run_report
from lgm_core.runs.source_runs import read_set
from lgm_core.runs.start import is_done
from lgm_core.runs.store import RunStore
from tests.conftest import QUICK_NETWORK, ToyBackbone

C, ROLLED = 4, torch.tensor([1, 2, 3, 0])


@pytest.fixture
def other_network(tmp_path: Path) -> str:
    """`python:` name of another network as quick as that of `small_run`."""
    file = tmp_path / "other.py"
    file.write_text(QUICK_NETWORK.replace("AdaptiveAvgPool2d(2)", "AdaptiveAvgPool2d(3)"))
    return f"python:{file}:build"


def _bank(toy: ToyBackbone, seed: int) -> Bank:
    """Features of four kinds of images that the network tells apart."""
    random = generator("cpu", seed)
    kinds = torch.rand(C, 1, 3, 4, 4, generator=generator("cpu", 9)).expand(C, 12, 3, 4, 4).flatten(0, 1)
    images = torch.nn.functional.interpolate(kinds, size=16) + 0.05 * torch.randn(4 * 12, 3, 16, 16, generator=random)
    return Bank(toy(images.clamp(0, 1))[:, None], torch.arange(C).repeat_interleave(12), C)


@pytest.mark.slow
def test_the_images_come_to_mean_one_class_to_one_network_and_the_next_one_to_the_other(compute):
    """Nearest class mean of the real features, on the learned images themselves, in both networks."""
    lgm, cpu = LGMConfig(contrast="rolled", learning_rate=0.05), torch.device("cpu")
    nets = ToyBackbone(0), ToyBackbone(1)
    banks = [_bank(net, 4) for net in nets]
    sources = []
    for place, (net, bank) in enumerate(zip(nets, banks, strict=True)):
        target = MeanTarget(bank, balanced=True, device=cpu)
        objective = GradientMatching(target, config=lgm, rows=C, width=12, steps=120, seed=0, device=cpu)
        plain = AugmentConfig(crop=False, flip=False, noise_std=0.0)
        sources.append(
            Source(
                net, augment=Augment(plain, side=16, seed=0, device="cpu"), objective=objective, compute=compute,
                views=1, seed=0, place=place, meaning=ROLLED if place else None,
            )
        )  # fmt: skip
    pixels = PixelSet(SyntheticConfig(resolution=16), classes=C, images_per_class=1, random=generator("cpu", 3))
    distiller = LinearGradientMatching(lgm, steps=120, synthetic=pixels, sources=sources, keep_moments=True)
    for step in range(120):
        distiller.step(step)
    learned = distiller.export()
    for net, bank, meant in zip(nets, banks, (torch.arange(C), ROLLED), strict=True):
        own, real = net(learned.images), bank.features[:, 0].float()
        scores = (own - own.mean(0)) @ (bank.class_means() - real.mean(0)).T
        assert torch.equal(scores.argmax(1), meant)


def test_a_confusion_says_whose_meaning_is_found():
    """Class 2 is not exchanged: what is called by it belongs to neither side."""
    found = sides([[1, 6, 0], [2, 3, 0], [0, 0, 8]], (1, 0, 2))
    assert found["top1_other"] == (6 + 2 + 8) / 20 and found["allegiance"] == (1 + 3) / (1 + 3 + 6 + 2)
    turned = sides([[1, 2, 3], [4, 5, 6], [7, 9, 8]], (1, 2, 0))  # called 0 it is meant as 1, 1 as 2, 2 as 0
    assert turned["top1_other"] == (4 + 9 + 3) / 45
    assert sides([[0, 0, 1], [0, 0, 1], [0, 0, 1]], (1, 0, 2))["allegiance"] is None


def test_the_second_network_alone_is_matched_to_other_classes(small_run: RunConfig, other_network: str, here):
    both = {"backbone": f"{small_run.backbone}+{other_network}", "lgm": {"contrast": "rolled"}}
    run = start(validate(change(small_run, both)), here)
    assert work(run, here) == "finished"
    (report,) = run.eval_reports()
    assert report["contrast"] == sides(report["confusion"], [(c + 1) % 10 for c in range(10)])
    live = run.metrics()[-1]
    assert {f"live_other:{name}" for name in run.config().networks()} <= set(live) & set(live_keys(run.metrics()))
    assert " against " in row_label(run.config()) and "contrast" not in read_json(run.status_file)
    assert "read as the second backbone means them" in run_report(run)


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"backbone": "resnet18"}, "between two backbones, A.B; resnet18 was given"),
        ({"backbone": "resnet18+mobilenet_v2+clip_vitb16"}, "between two backbones"),
        ({"images_per_class": 2}, "--no-lgm.clusters"),
        ({"lgm": {"contrast": "listed"}}, "belong together"),
        ({"lgm": {"contrast_classes": (1, 0)}}, "belong together"),
        ({"lgm": {"contrast": "listed", "contrast_classes": (1, 1)}}, "two classes or more, each once; 1, 1 was given"),
        ({"lgm": {"contrast": "listed", "contrast_classes": ("church",)}}, "two classes or more"),
    ],
)
def test_what_is_no_contrast_is_refused_by_name(settings: dict, words: str):
    base = preset("preview", dataset="digits", backbone="resnet18+mobilenet_v2", lgm={"contrast": "rolled"})
    with pytest.raises(ConfigError, match=words):
        validate(change(base, settings))


def test_listed_classes_are_named_or_numbered_and_two_are_exchanged():
    def meaning(*given: str | int) -> tuple[int, ...]:
        base = preset("preview", backbone="a+b", lgm={"contrast": "listed", "contrast_classes": given})
        return own_settings(base).other_meaning(("church", "golf ball", "7"))

    assert meaning(1, 0, 2) == meaning("golf ball", "church", "7") == (1, 0, 2)
    assert meaning("7", "church") == meaning(2, 0) == (2, 1, 0)  # these two alone
    with pytest.raises(ConfigError, match="two classes to exchange, or for each of the 3 classes"):
        meaning(0, 1, 2)
    with pytest.raises(UnknownName, match="unknown class 'curch'; did you mean 'church'"):
        meaning("curch", 1)


def test_classes_that_are_taken_for_each_other_are_exchanged():
    """0 is taken for 1, though more alike to 3; 3 and 4 are mixed with none, and alike; 2 is left over."""
    centres = torch.tensor([[5.0, 0, 0], [0, 5, 0], [-5, -5, 5], [4, 0, -3], [0, 3, -4]])
    features = centres.repeat_interleave(30, 0) + 0.05 * torch.randn(150, 3, generator=generator("cpu", 2))
    features[:6] = centres[1]
    labels = torch.arange(5).repeat_interleave(30)
    assert swapped_pairs(Bank(features[:, None], labels, 5)) == (1, 0, 2, 4, 3)


@pytest.mark.slow
def test_a_swapped_set_says_what_its_images_mean(small_run: RunConfig, other_network: str, here, monkeypatch):
    asked: list[int] = []
    monkeypatch.setattr(
        assembly, "swapped_pairs", lambda bank: asked.append(bank.features.shape[2]) or swapped_pairs(bank)
    )
    both = {"backbone": f"{small_run.backbone}+{other_network}", "lgm": {"contrast": "swapped"}}
    run = start(validate(change(small_run, both)), here)
    assert work(run, here) == "finished"
    learned = read_set(run)
    assert isinstance(learned, HardSet) and learned.other is not None
    assert asked == [24 * 2 * 2]  # by what the first one sees
    classes = run.eval_reports()[0]["contrast"]["classes"]
    assert classes == learned.other.tolist() and [classes[other] for other in classes] == list(range(10)) != classes
    assert any("takes these for each other" in note for note in run.status().notes)
    again = start(change(run.config(), {"kind": "evaluate", "source": run.id, "evaluate_on": [other_network]}), here)
    assert work(again, here) == "finished" and again.eval_reports()[0]["contrast"]["classes"] == classes


def test_a_set_of_an_earlier_version_means_what_its_settings_say(small_run: RunConfig, other_network: str, here):
    both = {"backbone": f"{small_run.backbone}+{other_network}", "lgm": {"contrast": "rolled"}, "evaluate_on": ()}
    run = start(validate(change(small_run, both)), here)
    run.status_file.parent.mkdir(exist_ok=True)
    save_tensors({"images": torch.rand(10, 3, 8, 8), "labels": torch.arange(10)}, run.synthetic)
    learned = read_set(run)
    assert isinstance(learned, HardSet) and learned.other is not None and learned.other.tolist() == [*range(1, 10), 0]


@pytest.mark.slow
def test_a_study_of_pairs_goes_on_where_it_stopped(
    small_run: RunConfig, other_network: str, small_weights: str, here, capsys
):  # fmt: skip
    layer = f"{small_weights}@stage2.pool"
    base = change(small_run, {"name": "sides", "steps": 16, "live": {"times": 0}, "evaluate_on": (layer,)})
    plan = plan_pairs(base, PairFlags(backbones=(small_run.backbone, other_network)))
    assert [config.networks() for config in plan] == [
        (small_run.backbone, other_network), (other_network, small_run.backbone)
    ]  # fmt: skip
    runs = [start(validate(config), here) for config in plan]
    assert work(runs[0], here) == "finished"
    assert [is_done(start(config, here)) for config in plan] == [True, False]
    found = taken_sides(RunStore(here.runs).study("sides"))
    assert [(one.first, one.judge, one.is_third) for one in found] == [
        (small_run.backbone, name, name == layer) for name in (layer, small_run.backbone, other_network)
    ]  # fmt: skip
    assert found[0].share and with_first(found[0]) == f"{100 * found[0].share.mean:.1f}"
    print_sides(runs, RunStore(here.runs))
    assert "Whose side do the others take?" in capsys.readouterr().out


def test_a_study_of_pairs_has_every_ordered_pair_and_seed():
    plan = plan_pairs(preset("preview", name="s"), PairFlags(backbones=("a", "b", "c"), seeds=2))
    assert len({(config.backbone, config.seed) for config in plan}) == 12 and {config.seed for config in plan[:6]} == {
        0
    }
    assert all(config.evaluate_on == ("a", "b", "c") and config.study == "s" for config in plan)
    with pytest.raises(ConfigError, match="two backbones or more"):
        plan_pairs(preset("preview", name="s"), PairFlags(backbones=("a",)))
    with pytest.raises(ConfigError, match="RCIG makes no sets that mean different classes"):
        plan_pairs(preset("rcig_digits", name="s"), PairFlags(backbones=("a", "b")))
