"""Runs, Launch and Watch through Streamlit's own test harness, in each state that a run can be in."""

from collections.abc import Callable
from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest

from lgm_core.base.errors import UserError
from lgm_core.base.places import places
from lgm_core.config import RunConfig
from lgm_core.jobs import local
from lgm_core.runs.store import RunFolder, RunStore
from pages.parts.server import background
from tests.app import given, open_page
from tests.fake_runs import ERROR, fake_align, fake_distill, fake_embed, fake_study

Open = Callable[..., AppTest]


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> RunStore:
    monkeypatch.setenv("LGM_CACHE", str(tmp_path))
    monkeypatch.setenv("LGM_WEIGHTS", "")
    monkeypatch.setenv("LGM_DATASETS", "")
    return RunStore(tmp_path / "runs")


@pytest.fixture
def page(store: RunStore) -> Open:
    return open_page


def everything(test: AppTest) -> str:
    """All text of a page, the failures' too."""
    assert not test.exception, test.exception
    kinds = (test.markdown, test.caption, test.error, test.warning, test.info, test.code, test.metric, test.subheader)
    return "\n".join(f"{getattr(e, 'label', '')} {e.value}" for kind in kinds for e in kind)


def press(test: AppTest, label: str) -> AppTest:
    return next(button for button in test.button if button.label == label).click().run()


@pytest.mark.parametrize("name", ["runs", "watch"])
def test_an_empty_folder_says_what_to_do_first(page: Open, name: str):
    words = everything(page(name))
    assert {"runs": "No runs yet", "watch": "Nothing to watch yet"}[name] in words


def test_the_list_of_runs(page: Open, store: RunStore):
    for state in ("running", "failed", "finished", "lost"):
        fake_distill(store, state, name=f"run-{state}")
    table = page("runs").dataframe[0].value
    assert set(table["run"]) == {"run-running", "run-failed", "run-finished", "run-lost"}
    row = table.set_index("run").loc["run-finished"]
    assert list(row["state"]) == ["finished"] and row["progress"] == 100 and row["accuracy"] == pytest.approx(75)
    assert row["judged by"] == "EfficientNet-Lite0, ± 0.4"  # its own, though another judge gives 80
    assert row["picture"].startswith("/app/static/runs/run-finished/frames/000059.webp")


def test_an_address_with_a_state_shows_its_runs_also_when_one_joins_them(page: Open, store: RunStore):
    for state in ("failed", "finished"):
        fake_distill(store, state, name=f"run-{state}")
    opened = page("runs", state="failed")
    assert list(opened.dataframe[0].value["run"]) == ["run-failed"]
    fake_distill(store, "failed", name="another")
    assert set(opened.run().dataframe[0].value["run"]) == {"run-failed", "another"}
    assert given(opened, "state") == ["failed"]


def test_the_list_is_filtered_by_state_and_words(page: Open, store: RunStore):
    for state in ("failed", "finished"):
        fake_distill(store, state, name=f"run-{state}", backbone="clip_vitb16")
    fake_study(store)
    assert set(page("runs", search="clip vitb16 finished").dataframe[0].value["run"]) == {"run-finished"}
    test = page("runs", search="study-that-is-not-here")
    assert not test.dataframe and any(words.value.startswith("0 of 9 runs") for words in test.caption)


@pytest.mark.parametrize(
    ("state", "words", "button"),
    [
        ("queued", "Waiting for a device", "Pause"),
        ("running", "Distilling", "Stop"),
        ("paused", "paused", "Resume"),
        ("stopped", "stopped", "Resume"),
        ("lost", "Resume continues from the last checkpoint", "Resume"),
        ("failed", "ran out of memory", "Retry"),
        ("finished", "Accuracy on real test images", ""),
    ],
)
def test_watch_in_each_state(page: Open, store: RunStore, state: str, words: str, button: str):
    fake_distill(store, state, name="one")
    test = page("watch", run="one")
    assert words in everything(test)
    steering = {b.label for b in test.button} & {"Pause", "Stop", "Resume", "Retry"}
    assert button in steering if button else not steering


def test_watch_opens_a_run_whatever_its_name(page: Open, store: RunStore):
    name = (
        "_demo-lgm-file__weights_small.safetensors-s0__"  # such as one of the backbone file:/weights/small.safetensors
    )
    fake_distill(store, name=name)
    assert "Accuracy on real test images" in everything(page("watch", run=name))


def test_a_failure_is_a_sentence_with_its_log(page: Open, store: RunStore):
    fake_distill(store, "failed", name="one")
    test = page("watch", run="one")
    assert [error.value.replace("\\", "") for error in test.error] == [ERROR]
    assert any("Traceback" in code.value for code in test.code)  # folded away, in the log's tail


@pytest.mark.parametrize(
    ("state", "label", "called"),
    [
        ("running", "Pause", "pause"),
        ("running", "Stop", "stop"),
        ("paused", "Resume", "resume"),
        ("lost", "Resume", "resume"),
        ("failed", "Retry", "retry"),
    ],
)
def test_buttons_ask_the_worker(page: Open, store: RunStore, monkeypatch, state: str, label: str, called: str):
    asked = []
    for verb in ("pause", "stop", "resume", "retry"):
        monkeypatch.setattr(local, verb, lambda run, verb=verb: asked.append((verb, run.id)))
    fake_distill(store, state, name="one")
    everything(press(page("watch", run="one"), label))
    assert asked == [(called, "one")]


def test_what_goes_wrong_at_a_button_is_shown_as_a_sentence(page: Open, store: RunStore, monkeypatch):
    def refuse(run: RunFolder) -> None:
        raise UserError("another process is writing to it")

    monkeypatch.setattr(local, "resume", refuse)
    fake_distill(store, "paused", name="one")
    assert "another process is writing" in everything(press(page("watch", run="one"), "Resume"))


def test_other_kinds_of_run_can_be_watched(page: Open, store: RunStore):
    source = fake_distill(store, name="one")
    for run in (fake_embed(store, source), fake_align(store), fake_study(store)[-1]):
        assert "finished" in everything(page("watch", run=run.id))


def test_names_are_text_not_markup(page: Open, store: RunStore):
    name = "<img src=x onerror=alert(1)> **b** [l](http:x)"
    run = fake_distill(store, "failed", name="one", study=name)
    status = run.status_file.read_text().replace(ERROR, name)
    run.status_file.write_text(status)
    shown = page("watch", run="one").error[0].value
    assert shown.startswith("\\<img") and "\\*\\*b" in shown and "\\[l" in shown


def test_launch_starts_what_was_chosen(page: Open, store: RunStore, monkeypatch):
    made: list[RunConfig] = []

    def submit(config: RunConfig, here: object) -> RunFolder:
        made.append(config)
        return fake_distill(store, "queued", name="new")

    monkeypatch.setattr(local, "submit", submit)
    test = page("launch", dataset="scenes", preset="preview")
    next(box for box in test.number_input if box.label == "Steps").set_value(77)
    test = press(test.run(), "Start")
    assert not test.exception and len(made) == 1
    assert (made[0].dataset, made[0].preset, made[0].steps) == ("scenes", "preview", 77)
    assert made[0].evaluate_on == (made[0].backbone,)
    assert test.query_params["run"] == "new"


def test_launch_shows_an_image_of_the_data_set_beside_a_backbone(page: Open, store: RunStore):
    fake_distill(store, name="one", backbone="mobilenet_v2", dataset="imagenette")
    for dataset, shown in (("imagenette", True), ("scenes", False)):
        test = page("launch", dataset=dataset, backbones=["mobilenet_v2"])
        assert any("runs/one/frames" in html.proto.body for html in test.get("html")) == shown


def test_launch_of_several_backbones_is_a_study(page: Open):
    test = page("launch", dataset="scenes", backbones=["mobilenet_v2", "tf_efficientnet_lite0"], preset="preview")
    everything(test)
    command = test.code[-1].value
    assert " study scenes-" in command and "--distil-with mobilenet_v2 tf_efficientnet_lite0" in command
    assert any(head.value.endswith("runs") for head in test.subheader)


def test_launch_estimates_from_past_runs(page: Open, store: RunStore):
    fake_distill(store, name="one", backbone="mobilenet_v2")
    test = page("launch", dataset="scenes", backbones="mobilenet_v2", preset="standard")
    words = everything(test)
    assert "Estimated from 1 earlier run" in words and {"Time", "Time per step", "Memory"} <= {
        m.label for m in test.metric
    }
    assert test.metric[0].value.startswith("about ") and " min" in test.metric[0].value


def test_launch_offers_to_measure_what_is_not_known(page: Open, monkeypatch):
    started: list[list[str]] = []
    monkeypatch.setattr(background, "start", lambda places, name, arguments: started.append(arguments))
    monkeypatch.setattr("pages.parts.launch.estimate.backbone_status", lambda name: "ready")
    test = press(page("launch", dataset="scenes", backbones="mobilenet_v2", preset="preview"), "Measure a few steps")
    assert "are unknown" in everything(test)
    assert started[0][:5] == ["estimate", "scenes", "mobilenet_v2", "--preset", "preview"]


def test_launch_fetches_in_the_background(page: Open, monkeypatch):
    started: list[list[str]] = []
    monkeypatch.setattr(background, "start", lambda places, name, arguments: started.append(arguments))
    everything(press(page("launch", dataset="imagenette"), "Fetch (342 MB)"))
    assert started == [["fetch", "imagenette"]]


def test_launch_says_what_is_wrong(page: Open):
    test = page("launch", dataset="scenes", preset="preview")
    next(box for box in test.number_input if box.label == "Steps").set_value(3)
    words = everything(test.run())
    assert "the pyramid reaches its full" in words and next(b for b in test.button if b.label == "Start").disabled


@pytest.mark.parametrize(
    ("dataset", "backbone", "words"),
    [
        ("imagenette", "mobilenet_v2", "Fetch (342 MB)"),
        ("scenes", "dinov3_vitb16", "gated"),
        ("imagenet-1k", "mobilenet_v2", "Register at"),
        ("scenes", "no_such_net", "unknown"),
        ("no-such-data", "mobilenet_v2", "unknown"),
    ],
)
def test_launch_says_what_is_here(page: Open, dataset: str, backbone: str, words: str):
    test = page("launch", dataset=dataset, backbones=backbone)
    assert words in everything(test).replace("\\", "") + " ".join(button.label for button in test.button)


def test_pages_find_the_folder_of_the_environment(store: RunStore):
    assert places().runs == store.root
