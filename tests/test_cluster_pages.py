"""Launch sends runs to a cluster, Runs and Watch say what they wait for."""

from pathlib import Path

import pytest

from lgm_core.base.files import read_json, write_json
from lgm_core.base.places import places
from lgm_core.jobs import local
from lgm_core.runs.store import RunStore
from tests.app import Open, button, command, open_whole
from tests.fake_runs import fake_distill


@pytest.fixture
def page(store: RunStore, monkeypatch: pytest.MonkeyPatch) -> Open:
    monkeypatch.setattr("lgm_core.jobs.sending.find_spec", lambda package: package)
    monkeypatch.delenv("LGM_CLUSTER", raising=False)
    return open_whole


def test_launch_sends_a_study_to_the_cluster_that_is_chosen(page: Open, monkeypatch: pytest.MonkeyPatch):
    sent = []
    monkeypatch.setattr(local, "hand_over", lambda runs, here, cluster: sent.append((len(runs), cluster)))
    test = page("launch", dataset="details", preset="preview", as_study="true")
    assert "--cluster" not in command(test) and all(box.label != "Ray at" for box in test.text_input)
    test = page("launch", dataset="details", preset="preview", as_study="true", where="Ray")
    (address,) = [box for box in test.text_input if box.label == "Ray at"]
    assert address.value == "auto" and command(test).endswith("--cluster auto")
    address.set_value("head:6379")
    assert command(test.run()).endswith("--cluster head:6379")
    button(test, "Start").click().run()
    assert not test.exception and sent == [(sent[0][0], "head:6379")] and sent[0][0] > 3
    one = page("launch", dataset="scenes", preset="preview", where="Slurm")
    assert command(one).endswith("--cluster slurm")


def test_launch_offers_the_cluster_of_the_setting(page: Open, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("LGM_CLUSTER", "head:6379")
    assert command(page("launch", dataset="scenes", preset="preview")).endswith("--cluster head:6379")


def test_launch_says_what_is_not_installed(page: Open, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("lgm_core.jobs.sending.find_spec", lambda package: None)
    test = page("launch", dataset="scenes", preset="preview", where="Ray")
    assert any("Ray is not installed" in warning.value for warning in test.warning), [w.value for w in test.warning]
    assert button(test, "Start").disabled


def test_runs_and_watch_say_what_a_run_on_a_cluster_waits_for(page: Open, store: RunStore):
    fake_distill(store, "running", name="source")
    run = fake_distill(store, "queued", name="waits")
    assert "waits for" not in page("runs").dataframe[0].value
    file = places().clusters / "ray-1-waits.json"
    file.parent.mkdir(parents=True)
    write_json(file, {"address": "head:6379", "runs": ["waits"]})
    local.mark_queued(run, file.name, "head:6379")
    table = page("runs").dataframe[0].value.set_index("run")
    assert dict(table["waits for"]) == {"waits": "a free place on Ray at head:6379", "source": ""}
    captions = " ".join(its.value for its in page("watch", run="waits").caption)
    assert "Waiting for a free place on Ray at head\\:6379" in captions, captions
    _make_it_wait_for(run.config_file, "source")
    assert set(page("runs").dataframe[0].value["waits for"]) == {"the run source", ""}


def _make_it_wait_for(config_file: Path, source: str) -> None:
    values = read_json(config_file)
    values["config"] |= {"kind": "evaluate", "source": source}
    write_json(config_file, values, sealed=True)
