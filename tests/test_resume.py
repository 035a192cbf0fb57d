"""Kill -9 at any moment, then the same command goes on and ends with the same bits as a run that nobody disturbed."""

import json
import signal
import subprocess
import sys
import threading
from dataclasses import replace
from pathlib import Path

import pytest
from safetensors.torch import load_file

from lgm_core.base.knobs import to_dict
from lgm_core.base.places import Places
from lgm_core.config import RunConfig
from lgm_core.engine import start, work
from lgm_core.presets import change
from lgm_core.runs.status import written_status
from lgm_core.runs.store import RunFolder

ROOT = Path(__file__).parent.parent

SLOW = pytest.mark.slow


@pytest.fixture
def undisturbed(small_run: RunConfig, here: Places, tmp_path: Path) -> RunFolder:
    places = replace(here, cache=tmp_path / "undisturbed")
    run = start(small_run, places)
    assert work(run, places) == "finished"
    return run


def _same_result(one: RunFolder, other: RunFolder) -> None:
    assert one.synthetic.read_bytes() == other.synthetic.read_bytes()
    assert one.checkpoint.read_bytes() == other.checkpoint.read_bytes()
    own = f"live:{one.config().backbone}"
    losses = [[(line["step"], line["loss"], line.get(own)) for line in run.metrics()] for run in (one, other)]
    assert losses[0] == losses[1]
    assert [f["step"] for f in one.frame_list()] == [f["step"] for f in other.frame_list()]
    assert one.trail() == other.trail() and one.map() == other.map()
    assert one.eval_reports()[0]["top1_seeds"] == other.eval_reports()[0]["top1_seeds"]


def test_the_set_is_shown_before_what_takes_long_and_shown_once(small_run, here):
    run, seen = start(small_run, here), list[str]()

    def stops_in_the_features(phase: str, done: int, total: int, values: object) -> None:
        if phase.startswith("features"):
            seen.append(phase)
            run.ask("stop")

    assert work(run, here, stops_in_the_features) == "stopped" and seen and not run.checkpoint.exists()
    assert [frame["step"] for frame in run.frame_list()] == [-1] and run.metrics() == []
    assert work(run, here) == "finished"
    assert [frame["step"] for frame in run.frame_list()][:2] == [-1, 0]


def test_a_list_of_frames_that_was_made_and_not_written_to_is_none(small_run, here):
    run = start(replace(small_run, steps=2, evaluate_on=()), here)
    run.frames.mkdir()
    run.frame_index.touch()  # killed between the two
    assert work(run, here) == "finished"
    assert [frame["step"] for frame in run.frame_list()] == [-1, 0, 1]


@pytest.mark.parametrize("moment", [pytest.param("growth", marks=SLOW), "checkpoint", pytest.param("bank", marks=SLOW)])
def test_killed_run_ends_with_the_same_bits(moment: str, small_run, undisturbed, here, tmp_path):
    places = replace(here, cache=tmp_path / "killed")
    config = tmp_path / "config.json"
    config.write_text(json.dumps(to_dict(small_run)))
    command = [sys.executable, "-m", "tests.killed_run", moment, str(places.cache), str(config)]
    died = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert died.returncode == -signal.SIGKILL, died.stderr[-2000:]
    run = start(small_run, places)
    assert written_status(run.status_file).state == "running" and not run.synthetic.exists()  # nobody told it more
    assert run.checkpoint.exists() == (moment != "bank")
    assert work(run, places) == "finished"
    assert len(list(places.runs.iterdir())) == 1
    _same_result(run, undisturbed)


@pytest.mark.parametrize("wish", ["pause", pytest.param("stop", marks=SLOW), pytest.param("signal", marks=SLOW)])
def test_asked_run_checkpoints_and_goes_on(wish: str, small_run, undisturbed, here, tmp_path):
    places = replace(here, cache=tmp_path / "asked")
    run = start(small_run, places)
    stop = threading.Event()

    def listener(phase: str, done: int, total: int, values: object) -> None:
        if phase == "distilling" and done == 7 and run.status().state == "running":
            stop.set() if wish == "signal" else run.ask(wish)

    state = work(run, places, listener, stop)
    assert state == {"pause": "paused", "stop": "stopped", "signal": "stopped"}[wish]
    assert run.status().state == state and not run.synthetic.exists()
    assert work(run, places) == "finished"
    _same_result(run, undisturbed)


@pytest.mark.slow
def test_phases_and_jitter_go_on_to_the_same_bits(small_run, here, tmp_path):
    config = change(small_run, {"synthetic": {"parameterisation": "phase"}, "augment": {"colour_jitter": 0.3}})
    config, results = replace(config, evaluate_on=()), []
    for name, stops in (("calm", ()), ("stopped", (7,))):
        places, stop = replace(here, cache=tmp_path / name), threading.Event()

        def listener(phase: str, done: int, total: int, values: object, stops=stops, stop=stop) -> None:
            if phase == "distilling" and done in stops:
                stop.set()

        run = start(config, places)
        assert work(run, places, listener, stop) == ("stopped" if stops else "finished")
        assert work(run, places) == "finished"
        results.append(run.synthetic.read_bytes())
    assert results[0] == results[1]


def test_the_checkpoint_holds_all_levels_and_moments(undisturbed):
    state = load_file(undisturbed.checkpoint)
    levels = [name for name in state if name.startswith("synthetic.level_")]
    assert len(levels) == 6 and len([name for name in state if name.endswith(".exp_avg_sq")]) == 6


def test_a_finished_run_is_not_done_again(small_run, undisturbed, tmp_path):
    places = Places(cache=tmp_path / "undisturbed", weights=(), datasets=())
    assert start(small_run, places).id == undisturbed.id
