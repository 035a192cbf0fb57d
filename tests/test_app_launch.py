"""What Launch opens with, what it accepts, and where it goes: with a GPU and without, names, limits, protocols."""

import pytest
from streamlit.testing.v1 import AppTest

from lgm_core.backbones.catalog import ALIASES, find_row
from lgm_core.cli.flags import parse_config
from lgm_core.methods.catalog import METHODS
from lgm_core.runs.store import RunStore
from pages.parts.launch.plan import to_watch
from tests.app import Open, box, button, command, given, open_whole
from tests.fake_runs import fake_distill


@pytest.fixture
def page(store: RunStore) -> Open:
    return open_whole


def test_without_a_gpu_launch_opens_with_what_is_quick(page: Open, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "-1")
    assert command(page("launch")).startswith(
        "python -m lgm_core distill details mobilenet_v3_small --preset preview --evaluate-on mobilenet_v3_small"
    )
    linked = page("launch", preset="standard", dataset="scenes", backbones="mobilenet_v2")
    assert " distill scenes mobilenet_v2 --evaluate-on" in command(linked)
    assert " distill digits conv" in command(page("launch", method="rcig"))


def test_with_a_gpu_launch_opens_with_what_gives_results(page: Open, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "0")
    assert command(page("launch")).startswith("python -m lgm_core distill scenes tf_efficientnet_lite0 --evaluate-on")


@pytest.mark.parametrize("alias", ["mobilenet_v3", "clip_vitb"])
def test_an_alias_means_in_the_picker_what_it_means_on_the_command_line(page: Open, alias: str):
    test = page("launch", dataset="scenes", backbones=alias, preset="preview")
    assert f" distill scenes {ALIASES[alias]} " in command(test)
    assert find_row(alias).name == ALIASES[alias] and test.query_params["backbones"] == ALIASES[alias]
    (shown,) = [one for one in test.multiselect[0].options if alias in one and find_row(alias).title in one][:1]
    assert ALIASES[alias] in shown  # typing the name finds it


def test_a_value_out_of_range_disables_start_and_says_why_beside_the_input(page: Open):
    test = page("launch", dataset="scenes", preset="preview")
    assert not button(test, "Start").disabled
    box(test, "Steps").set_value(20_000_000)
    test.run()
    assert not test.exception and button(test, "Start").disabled
    (why,) = [caption.value for caption in test.caption if "Must be" in caption.value]
    assert "between 1 and 10000000" in why
    assert any("20000000 was given" in error.value.replace("\\", "") for error in test.error)
    box(test, "Steps").set_value(300)
    assert not button(test.run(), "Start").disabled and "--steps 300" in command(test)


def test_a_value_out_of_range_is_told_where_an_effort_looks_at_it(page: Open):
    test = page("launch", dataset="imagenette", preset="normal", backbones="mobilenet_v2")
    box(test, "Images per class").set_value(0)
    test.run()
    assert not test.exception and button(test, "Start").disabled
    assert any("Must be between 1 and 1000" in caption.value for caption in test.caption)


def test_the_protocols_that_judge_are_chosen(page: Open):
    test = page("launch", dataset="scenes", preset="preview")
    assert box(test, "Judge by").value == ["nearest-mean"]
    box(test, "Judge by").set_value(["converged", "paper"])
    assert "--protocol converged paper" in command(test.run())
    again = page("launch", dataset="scenes", preset="preview", set=test.query_params["set"])
    assert command(again) == command(test) and box(again, "Judge by").value == ["converged", "paper"]
    box(test, "Judge by").set_value([])
    assert button(test.run(), "Start").disabled and test.error
    assert box(page("launch", method="rcig"), "Judge by").value == ["nearest-mean", "scratch"]


def test_start_opens_the_run_that_runs(store: RunStore):
    ended, waits = fake_distill(store, name="ended"), fake_distill(store, "queued", name="waits")
    runs = fake_distill(store, "running", name="runs")
    assert to_watch([ended, waits, runs]).id == "runs" and to_watch([ended, waits]).id == "waits"
    assert to_watch([ended]).id == "ended"


def test_watch_opens_with_the_run_that_runs(page: Open, store: RunStore):
    fake_distill(store, "running", name="runs")
    for name in ("waits", "waits-too"):
        fake_distill(store, "queued", name=name)
    assert page("watch").query_params["run"] == "runs"


def about_time(test: AppTest) -> list[str]:
    return [caption.value for caption in test.caption if caption.value.endswith("on this machine.")]


def test_what_is_said_of_time_comes_from_the_estimate(page: Open, store: RunStore):
    fake_distill(store, name="earlier", backbone="mobilenet_v2")
    test = page("launch", dataset="scenes", backbones="mobilenet_v2", preset="standard")
    metric = next(metric.value for metric in test.metric if metric.label == "Time")
    assert about_time(test) == [f"{metric.capitalize()} on this machine."] and metric.startswith("about ")
    study = page("launch", dataset="scenes", backbones="mobilenet_v2", preset="standard", as_study="true")
    assert about_time(study) == [f"The first run: {metric} on this machine."]


def test_nothing_is_said_of_time_that_is_not_known(page: Open):
    test = page("launch", dataset="details", backbones="mobilenet_v3_small", preset="preview")
    assert not about_time(test) and not [metric for metric in test.metric if metric.label == "Time"]
    for row in METHODS.values():
        assert not [
            words for words in row.preset_words.values() if "minute" in words.lower() or "hour" in words.lower()
        ]


def test_each_alone_and_one_set_for_all_make_one_study_with_rivals_and_parts(page: Open):
    link = {"dataset": "scenes", "preset": "preview", "backbones": ["mobilenet_v2", "mobilenet_v3_small"]}
    joint = "mobilenet_v2+mobilenet_v3_small"
    assert "--distil-with mobilenet_v2 mobilenet_v3_small" in command(page("launch", **link))
    together = page("launch", sets="together", **link)
    assert f" distill scenes {joint} " in command(together) and together.subheader[-1].value == "One run"
    each = page("launch", **link)
    for bar in each.button_group:
        if bar.label == "What to make of them":
            bar.set_value("together")
    each.run()  # that several sets make a study was not the choice of a user who wants one set
    assert not each.exception and f" distill scenes {joint} " in command(each)
    test = page("launch", sets="both", **link)
    words = command(test)
    assert f"--distil-with mobilenet_v2 mobilenet_v3_small {joint}" in words and "--rivals" not in words
    plain = next(head.value for head in test.subheader if head.value.endswith("runs"))
    for label in ("Rivals", "Ablate"):
        next(toggle for toggle in test.toggle if toggle.label == label).set_value(True)
    test.run()
    assert not test.exception and "--rivals" in command(test) and "--ablate" in command(test)
    more = next(head.value for head in test.subheader if head.value.endswith("runs"))
    assert int(more.split()[0]) > int(plain.split()[0]) + 3 * 3 * 8  # three sets of three seeds, nearly all parts
    told = [caption.value for caption in test.caption if "baselines of real images" in caption.value]
    assert len(told) == 1 and "but for 18 that are chosen by accuracy" in told[0]
    box(test, "Images per class").set_value(4)
    test.run()
    several = next(head.value for head in test.subheader if head.value.endswith("runs"))
    assert int(several.split()[0]) == int(more.split()[0]) + 3 * 2  # herding and k-centres, of each of the sets
    offered = {toggle.label for toggle in page("launch", method="rcig", as_study="true").toggle}
    assert "Baselines" in offered and not offered & {"Rivals", "Ablate"}


def test_an_effort_looks_at_the_images_of_a_class_and_the_sets(page: Open):
    link = {"dataset": "imagenette", "preset": "normal", "backbones": ["mobilenet_v2", "mobilenet_v3_small"]}
    assert "--steps 1200" in command(page("launch", sets="both", **link))
    assert "--steps 600" in command(page("launch", sets="each", **link))
    test = page("launch", sets="together", **link)
    box(test, "Images per class").set_value(50)
    words = command(test.run())
    assert (
        not test.exception and "--steps 3000" in words and "--lgm.views 2" in words and "--images-per-class 50" in words
    )


def test_an_effort_looks_at_how_the_backbones_of_a_set_are_joined_as_on_the_command_line(page: Open):
    words = "imagenette mobilenet_v2+mobilenet_v3_small --effort normal"
    link = {"dataset": "imagenette", "preset": "normal", "backbones": ["mobilenet_v2", "mobilenet_v3_small"]}
    test = page("launch", sets="together", **link)
    for joint in ("all", "turn", "all"):
        next(one for one in test.selectbox if one.label == "Joint").set_value(joint)
        test.run()
        asked = parse_config(
            [*words.split(), "--lgm.joint", joint], prog="lgm distill", positional=("dataset", "backbone")
        )
        assert not test.exception and box(test, "Steps").value == asked.steps == {"all": 600, "turn": 1200}[joint]
    again = page("launch", sets="together", **link, set=test.query_params["set"])
    assert command(again) == command(test) and "--steps 600" in command(again)
    other = page("launch", sets="together", **link, set=[*given(test, "set"), "steps:1200"])
    assert "--steps 1200" in command(other) and "--lgm.joint all" in command(other)
