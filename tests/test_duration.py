"""`lgm distill --minutes`: the number of steps comes from the estimate, is said, and is all that the config holds."""

from dataclasses import replace
from pathlib import Path

import pytest

from lgm_core.base.errors import UserError
from lgm_core.base.places import Places
from lgm_core.cli import compute
from lgm_core.cli.main import main
from lgm_core.config import RunConfig
from lgm_core.jobs.duration import steps_within
from lgm_core.jobs.estimate import estimate
from lgm_core.runs.store import RunStore
from tests.fake_runs import fake_distill


@pytest.fixture
def past(here: Places, monkeypatch: pytest.MonkeyPatch) -> RunConfig:
    """The config of a finished run: a step took a quarter of a second, a judge five seconds."""
    monkeypatch.setenv("LGM_CACHE", str(here.cache))
    return fake_distill(RunStore(here.runs), name="past").config()


@pytest.mark.parametrize("minutes", [20.0, 60.0, 300.0])
def test_a_run_of_that_many_steps_takes_that_long(minutes: float, past: RunConfig, here: Places):
    said: list[str] = []
    config = replace(past, name="", seed=5)
    steps = steps_within(config, minutes, here, said.append)
    guess = estimate(replace(config, steps=steps), here)
    assert guess is not None and guess.seconds_total == pytest.approx(60 * minutes, rel=0.02)
    assert len(said) == 1 and said[0].startswith(f"{steps} steps of 0.25 s") and f"about {minutes:g} minutes" in said[0]


def test_one_minute_is_one(past: RunConfig, here: Places):
    with pytest.raises(UserError, match="^1 minute is too short: "):
        steps_within(replace(past, name="", seed=5), 1.0, here, print)


def test_too_short_a_time_is_refused(past: RunConfig, here: Places):
    with pytest.raises(UserError, match=r"0\.01 minutes is too short: features and judges take .* more --minutes"):
        steps_within(replace(past, seed=5), 0.01, here, print)


def test_the_same_command_goes_on_with_what_has_begun(past: RunConfig, here: Places):
    fake_distill(RunStore(here.runs), "stopped", name="half", steps=77, seed=5)
    said: list[str] = []
    assert steps_within(replace(past, name="", seed=5, steps=1000), 20.0, here, said.append) == 77
    assert "has already started: it continues to its 77 steps" in said[0]
    assert steps_within(replace(past, name="", seed=6, steps=1000), 20.0, here, said.append) != 77


def test_the_command_line_hands_on_the_steps_alone(past: RunConfig, monkeypatch, capsys, tmp_path: Path):
    started: list[RunConfig] = []
    monkeypatch.setattr(compute, "start_and_work", lambda configs, cluster="": started.extend(configs) or 0)
    words = ["distill", "imagenette", past.backbone, "--evaluate-on", *past.evaluate_on, "--seed", "5"]
    assert main([*words, "--minutes", "20"]) == 0
    assert f"{started[0].steps} steps of 0.25 s" in capsys.readouterr().err and started[0].steps != RunConfig().steps
    assert main(words) == 0 and started[1] == replace(started[0], steps=RunConfig().steps)
    assert main([*words, "--minutes", "20", "--steps", "30"]) == 2
    assert "give one of them" in capsys.readouterr().err
    assert main([*words, "--minutes=-1"]) == 2
    assert "minutes must be at least 0 min" in capsys.readouterr().err
