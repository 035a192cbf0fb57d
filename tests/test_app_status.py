"""What Watch says above the player: the same figures from begin to end, and a time left that includes the judging."""

from dataclasses import replace
from itertools import cycle
from pathlib import Path
from typing import Any

import pytest

from lgm_core.jobs.estimate import Estimate
from lgm_core.runs import heart
from lgm_core.runs.store import RunFolder, RunStore
from pages.parts import status
from pages.parts.player import player
from tests.app import open_whole
from tests.fake_runs import BACKBONES, CLASSES, fake_distill, fake_eval

JUDGING = Estimate(
    seconds_per_step=1.0, seconds_prepare=7.0, seconds_evaluate=100.0, seconds_total=0.0, bytes=0, memory_here=0,
    remedy="", device="cpu", from_runs=(),
)  # fmt: skip


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> RunStore:
    monkeypatch.setenv("LGM_CACHE", str(tmp_path))
    return RunStore(tmp_path / "runs")


def judged(monkeypatch: pytest.MonkeyPatch, found: Any) -> None:
    monkeypatch.setattr(status, "estimate", lambda config, here: found)
    status._judging.clear()


def test_time_left_includes_the_evaluations_that_follow(store: RunStore, monkeypatch: pytest.MonkeyPatch):
    run = fake_distill(store, "running", name="one", steps=61)
    now = replace(run.status(), step=20, seconds_per_step=0.5)
    judged(monkeypatch, None)
    assert status.seconds_left(run, now) == 20  # forty steps
    judged(monkeypatch, JUDGING)
    assert status.seconds_left(run, now) == 20 + 100
    fake_eval(run, BACKBONES[0], list(CLASSES), 0.8)  # the first of two judges
    assert status.seconds_left(run, replace(now, step=60, phase="judging in another")) == 50
    assert status.seconds_left(run, replace(now, state="paused")) == 0


def test_the_figures_of_an_active_run_stay_in_their_places(store: RunStore, monkeypatch: pytest.MonkeyPatch):
    judged(monkeypatch, None)
    run = fake_distill(store, "running", name="one")
    early = replace(run.status(), step=0, seconds_per_step=0.0, device_memory=0, phase="opening the data set")
    labels = [[label for label, _, _ in status.figures(run, now)] for now in (early, run.status())]
    assert labels[0] == labels[1] == ["Step", "Speed", "Time left", "Memory"]
    assert [value for _, value, _ in status.figures(run, early)] == ["0 of 60", "–", "–", "–"]


def test_a_page_is_drawn_by_one_state_even_where_the_run_changes_its_own_meanwhile(
    store: RunStore, monkeypatch: pytest.MonkeyPatch
):
    """A player of a paused run asks for nothing; that the run has gone on is told by a change of the panel's state."""
    fake_distill(store, "running", name="one")
    found, states, seen = RunFolder.status, cycle(("running", "paused")), []
    monkeypatch.setattr(RunFolder, "status", lambda run: replace(found(run), state=next(states)))
    monkeypatch.setattr(status, "_panel", lambda path, before: seen.append(before[0]))
    data = player.player_data
    monkeypatch.setattr(player, "player_data", lambda *given: (told := data(*given), seen.append(told["state"]))[0])
    for _ in range(2):
        open_whole("watch", run="one")
        assert len(seen) == 2 and seen[0] == seen[1], seen
        seen.clear()
        next(states)


def test_the_time_of_a_run_is_that_of_all_its_workers_and_not_of_waiting(
    store: RunStore, monkeypatch: pytest.MonkeyPatch
):
    run = fake_distill(store, "paused", name="one", steps=61)
    now = 1e9
    monkeypatch.setattr(heart.time, "time", lambda: now)
    for seconds in (30, 12):
        with heart.Heart(run, state="queued") as beating:
            now += 500  # for a device
            beating.change(state="running", started=now)
            now += seconds
            beating.change(state="paused")
        found = {label: value for label, value, _ in status.figures(run, run.status())}
        assert found["Time"] == {30: "11 min 0 s", 12: "11 min 12 s"}[seconds]  # the one before took 630 s
