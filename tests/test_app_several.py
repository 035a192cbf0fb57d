"""Several runs at once on the page Runs: each is done or refused, and one line says which."""

import shutil
from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest

from lgm_core.base.errors import UserError
from lgm_core.jobs import local
from lgm_core.runs.store import RunFolder, RunStore
from lgm_core.runs.trash import Trash
from pages.parts.listing.several import outcomes
from tests.fake_runs import fake_distill


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> RunStore:
    monkeypatch.setenv("LGM_CACHE", str(tmp_path))
    store = RunStore(tmp_path / "runs")
    for state in ("running", "paused", "lost", "finished"):
        fake_distill(store, state, name=state, frames=2)
    return store


def _actions() -> None:
    from lgm_core.base.places import places
    from lgm_core.runs.store import RunStore
    from pages.parts.listing.several import show_actions

    show_actions([run.id for run in RunStore(places().runs).runs()])


def pressed(test: AppTest, label: str) -> tuple[list[str], list[str]]:
    """What was done, and what was not, after a click."""
    next(button for button in test.button if button.label == label).click().run()
    assert not test.exception, test.exception
    said = [[line.value.replace("\\", "") for line in kind] for kind in (test.success, test.warning)]
    return said[0], said[1]


def test_each_run_is_resumed_or_the_reason_is_said(store: RunStore, monkeypatch: pytest.MonkeyPatch):
    resumed: list[str] = []

    def resume(run: RunFolder, here: object) -> None:
        if run.status().state == "finished":
            raise UserError("it is finished")
        resumed.append(run.id)

    monkeypatch.setattr(local, "resume", resume)
    done, refused = pressed(AppTest.from_function(_actions, default_timeout=300).run(), "Resume")
    assert done == ["Resumed: running, paused, lost."] and refused == ["Not resumed: finished (it is finished)"]
    assert resumed == ["running", "paused", "lost"]


@pytest.mark.parametrize(("label", "done"), [("Stop", "Asked to stop"), ("Pause", "Asked to pause")])
def test_only_active_runs_are_stopped_or_paused(
    store: RunStore, monkeypatch: pytest.MonkeyPatch, label: str, done: str
):
    monkeypatch.setattr(local, label.lower(), lambda run: None)
    said, refused = pressed(AppTest.from_function(_actions, default_timeout=300).run(), label)
    assert said == [f"{done}: running."] and "finished (it is finished already)" in refused[0]


@pytest.mark.parametrize(
    ("state", "shut"), [("finished", "Resume Pause Stop"), ("running", "Resume"), ("lost", "Pause Stop")]
)
def test_what_no_ticked_run_can_do_cannot_be_pressed(store: RunStore, state: str, shut: str):
    for other in {"running", "paused", "lost", "finished"} - {state}:
        shutil.rmtree(store.root / other)
    test = AppTest.from_function(_actions, default_timeout=300).run()
    assert [button.label for button in test.button if button.disabled] == shut.split()


def test_a_reason_is_said_once():
    def refuse(name: str) -> None:
        raise UserError(f"the run {name!r} is finished; fork it" if name != "c" else "it has no images")

    assert outcomes(["a", "b", "c"], "resumed", refuse) == [
        (False, "Not resumed: a, b (it is finished; fork it); c (it has no images)")
    ]


def test_runs_are_put_into_the_trash_and_back(store: RunStore):
    test = AppTest.from_function(_actions, default_timeout=300).run()
    done, refused = pressed(test, "Delete")
    assert done == ["Moved to the trash: paused, lost, finished."] and "running (it is running" in refused[0]
    assert Trash(store).names() == ["finished", "lost", "paused"] and [run.id for run in store.runs()] == ["running"]
    assert test.run().success, "it stands there for a while: the page draws itself anew every few seconds"
    done, refused = pressed(test, "Put back")
    assert done == ["Put back: paused, lost, finished."] and not refused and len(store.runs()) == 4
    assert "Put back" not in [button.label for button in test.button]


def test_what_to_know_of_a_deletion_stands_in_the_line():
    assert outcomes(["a"], "put away", lambda name: [f"{name} is the source of b."]) == [
        (True, "Put away: a. a is the source of b\\.")
    ]
