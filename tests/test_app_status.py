"""What Watch says above the player: the same figures from begin to end, and a time left that includes the judging."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from lgm_core.jobs.estimate import Estimate
from lgm_core.runs.store import RunStore
from pages.parts import status
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
