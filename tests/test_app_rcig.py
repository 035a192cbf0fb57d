"""Launch with RCIG chosen: its presets, networks, settings, command and the run that is started."""

import shlex
from dataclasses import fields
from typing import Any, get_type_hints

import pytest
from streamlit.testing.v1 import AppTest

from lgm_core.backbones.students.student_names import ARCHITECTURES
from lgm_core.cli import compute
from lgm_core.cli.flags import parse_config
from lgm_core.cli.main import main
from lgm_core.config import RunConfig
from lgm_core.evaluation.protocol import judged_by, spread_over
from lgm_core.jobs import local
from lgm_core.methods.catalog import METHODS
from lgm_core.presets import PRESETS, change, preset
from lgm_core.reports.command import command, command_of_run
from lgm_core.runs.store import RunFolder, RunStore
from pages.parts.launch.choices import begin
from pages.parts.launch.form import input_of
from pages.parts.server import background
from tests.app import Open, box, button, given, open_page
from tests.app import command as told
from tests.fake_runs import fake_distill


@pytest.fixture
def page(store: RunStore) -> Open:
    def opened(wrong: bool = False, **query: Any) -> AppTest:
        test = open_page("launch", **query)
        return test if wrong else checked(test)

    return opened


@pytest.fixture
def started(store: RunStore, monkeypatch: pytest.MonkeyPatch) -> list[RunConfig]:
    """The configs of the runs that were started."""
    made: list[RunConfig] = []

    def submit(config: RunConfig, here: object) -> RunFolder:
        made.append(config)
        return fake_distill(store, "queued", name=f"new{len(made)}", method="rcig", backbone="conv")

    monkeypatch.setattr(local, "submit", submit)
    return made


def checked(test: AppTest) -> AppTest:
    assert not test.exception and not test.error and not test.toast, (test.exception, test.error, test.toast)
    return test


def choose(test: AppTest, label: str, name: str) -> AppTest:
    return checked(bar(test, label).set_value(name).run())


def bar(test: AppTest, label: str) -> Any:
    return next(box for box in test.get("button_group") if box.label == label)


def several(test: AppTest, word: str) -> Any:
    return next(box for box in test.multiselect if word in box.label)


def parsed(test: AppTest) -> RunConfig:
    """What the command line of the page means."""
    words = shlex.split(told(test))
    assert words[:4] == ["python", "-m", "lgm_core", "distill"]
    return parse_config(words[4:], prog="lgm distill", positional=("dataset", "backbone"))


def press(test: AppTest, label: str) -> AppTest:
    return button(test, label).click().run()


def test_every_method_has_its_presets_and_groups():
    for name, method in METHODS.items():
        theirs = {other for other, values in PRESETS.items() if values.get("method", "lgm") == name}
        assert set(method.presets) == set(method.preset_words) == theirs and method.default_preset in theirs
        assert name in method.tabs and set(method.fork_tabs) <= set(method.tabs)


@pytest.mark.parametrize("group", list(METHODS["rcig"].tabs))
def test_every_setting_of_rcig_has_an_input(group: str):
    config = getattr(RunConfig(), group)
    hints = get_type_hints(type(config))
    assert all(input_of(hints[setting.name]) and setting.metadata["help"] for setting in fields(config))


def test_launch_begins_with_linear_gradient_matching(page: Open):
    test = page()
    assert bar(test, "Method").value == "lgm" and bar(test, "Preset, or settings by effort").options == [
        "Preview", "Standard", "Paper", "Quick effort", "Normal effort", "Long effort",
    ]  # fmt: skip
    assert [tab.label for tab in test.tabs] == list(METHODS["lgm"].tabs.values())
    assert parsed(test).method == "lgm" and "conv" not in several(test, "distil").options


def test_rcig_brings_its_presets_networks_and_settings(page: Open):
    test = choose(page(), "Method", "rcig")
    presets = bar(test, "Preset")
    assert len(presets.options) == len(METHODS["rcig"].presets) and presets.value == "rcig_digits"
    assert [word.split()[0] for word in several(test, "distil").options] == list(ARCHITECTURES)
    assert [tab.label for tab in test.tabs][:2] == ["RCIG", "Networks from scratch"]
    assert not {"Matching", "Pyramid", "Views"} & {tab.label for tab in test.tabs}
    pool = box(test, "Pool")
    assert pool.help == "networks in the pool (1 to 1000)" and pool.value == 10
    assert given(test, "method") == ["rcig"] and given(test, "dataset") == ["digits"]
    assert parsed(test) == preset("rcig_digits")


def test_a_preset_brings_its_network_and_data_set(page: Open):
    test = choose(choose(page(), "Method", "rcig"), "Preset", "rcig_depth_3_bn")
    assert several(test, "distil").value == ["conv:batch"] and several(test, "to evaluate on").value == [
        "conv:batch:augmented"
    ]
    assert parsed(test) == preset("rcig_depth_3_bn", dataset="digits")
    test = choose(test, "Preset", "rcig_preview")
    assert parsed(test) == preset("rcig_preview") and given(test, "dataset") == ["cifar10"]
    test = choose(test, "Method", "lgm")
    assert given(test, "dataset") == given(page(), "dataset")  # what was chosen before the presets brought their own
    assert parsed(test).method == "lgm" and several(test, "distil").value == list(begin(preset("standard"))[0])


def test_a_link_opens_launch_with_rcig_and_its_settings(page: Open):
    link = ["rcig.width:24", "rcig.flip:true", "scratch.seeds:2"]
    test = page(preset="rcig_digits", backbones=["resnet"], evaluate=["conv:augmented"], set=link)
    assert given(test, "method") == ["rcig"] and box(test, "Pool").value == 10
    assert parsed(test) == preset(
        "rcig_digits", backbone="resnet", evaluate_on=("resnet", "conv:augmented"),
        rcig={"width": 24, "flip": True}, scratch={"seeds": 2},
    )  # fmt: skip


def test_what_is_started_is_what_the_command_says(page: Open, started: list[RunConfig]):
    test = page(method="rcig", preset="rcig_digits")
    box(test, "Steps").set_value(77)
    box(test, "Pool").set_value(4)
    test = checked(test.run())
    assert set(given(test, "set")) == {"steps:77", "rcig.pool:4"}
    wanted = parsed(test)
    test = press(test, "Start")
    assert not test.exception and started == [wanted]
    assert (wanted.method, wanted.backbone, wanted.steps, wanted.rcig.pool) == ("rcig", "conv", 77, 4)


def test_several_networks_are_a_study_with_real_images_to_compare_with(page: Open, started: list[RunConfig]):
    test = page(method="rcig", preset="rcig_digits", backbones=["conv", "resnet"])
    assert told(test).endswith("--distil-with conv resnet") and "--preset rcig_digits" in told(test)
    assert any("6 baselines of real images are included" in said.value for said in test.caption)
    press(test, "Start")
    made = [(run.kind, run.backbone) for run in started if run.kind == "distill"]
    assert made == [("distill", "conv")] * 3 + [("distill", "resnet")] * 3 and all(
        run.method == "rcig" for run in started
    )
    assert [run.baseline.choice for run in started[6:]] == ["random"] * 5 + ["full"]
    assert all(run.evaluate_on == ("conv", "resnet") for run in started)


def test_a_network_that_cannot_be_distilled_with_is_a_sentence(page: Open):
    test = page(wrong=True, method="rcig", preset="rcig_digits", backbones=["conv:augmented"])
    assert not test.exception and "without augmentation" in test.error[0].value


def test_rcig_is_measured_where_it_is_not_known(page: Open, monkeypatch: pytest.MonkeyPatch):
    asked: list[list[str]] = []
    monkeypatch.setattr(background, "start", lambda places, name, arguments: asked.append(arguments))
    press(page(method="rcig", preset="rcig_digits"), "Measure a few steps")
    assert asked == [["estimate", "digits", "conv", "--preset", "rcig_digits"]]


def test_heads_on_frozen_backbones_have_their_settings(page: Open):
    test = page(preset="rcig_digits", evaluate=["mobilenet_v2"], set=["probe.views:7"])
    assert "Heads on frozen backbones" in [tab.label for tab in test.tabs] and parsed(test).probe.views == 7


def test_an_evaluation_is_told_how_to_judge():
    run = preset(
        "rcig_digits", kind="evaluate", source="one", evaluate_on=("conv:augmented", "vgg"),
        scratch={"learning_rate": 1e-4, "flip": True}, lgm={"views": 2},
    )  # fmt: skip
    words = "evaluate one conv:augmented vgg --scratch.flip --scratch.learning-rate 0.0001"
    assert command(run) == f"python -m lgm_core {words}"


def test_the_command_of_an_evaluation_means_the_same_run(store: RunStore, monkeypatch: pytest.MonkeyPatch):
    """The source departed from its preset, the evaluation from its source, in part back to the preset."""
    own = {"scratch": {"learning_rate": 5e-3, "seeds": 3}, "rcig": {"width": 24}, "lgm": {"views": 2}}
    source = store.create(preset("rcig_digits", name="one", study="table", **own), {})
    changes = {"kind": "evaluate", "source": source.id, "evaluate_on": ("vgg",), "name": "", "seed": 3}
    config = change(source.config(), changes, {"scratch": {"learning_rate": 1e-3}, "rcig": {"flip": True}})
    run = store.create(config, {})
    words = shlex.split(command_of_run(run))
    assert words[3:] == [
        "evaluate", "one", "vgg", "--seed", "3", "--scratch.flip", "--scratch.learning-rate", "0.001",
    ]  # fmt: skip
    asked: list[RunConfig] = []
    monkeypatch.setattr(compute, "start_and_work", lambda configs, cluster="": asked.extend(configs) or 1)
    assert main(words[3:]) == 1 and asked == [config]


@pytest.mark.parametrize(
    ("names", "words"),
    [
        (["mobilenet_v2"], "runs"),
        (["mobilenet_v2, paper"], "runs, or over the heads of one run"),
        (["conv", "vgg:augmented"], "runs, or over the networks of one run"),
        (["conv", "mobilenet_v2, paper"], "runs, or over the heads or networks of one run"),
    ],
)
def test_a_spread_is_over_runs_or_over_what_one_run_trains(names: list[str], words: str):
    assert spread_over(names) == words
    assert ("networks trained from scratch" in judged_by(names)) == ("conv" in names)
