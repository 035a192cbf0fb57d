"""Workers: queued one per device, paused, stopped, lost, tried again, forked; none of it loads torch here."""

import json
import os
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load_file

from lgm_core.base.costs import Measured
from lgm_core.base.errors import ConfigError, Unavailable, UserError
from lgm_core.base.files import write_json
from lgm_core.base.places import Places
from lgm_core.config import RunConfig
from lgm_core.engine import start, work
from lgm_core.jobs import local, slots
from lgm_core.jobs.calibrations import measured_here
from lgm_core.jobs.estimate import calibrate, data_size, estimate
from lgm_core.jobs.forking import prepare_fork
from lgm_core.presets import change
from lgm_core.runs.heart import Heart
from lgm_core.runs.store import RunFolder, RunStore

ROOT = Path(__file__).parent.parent


def until(condition: Callable[[], bool], run: RunFolder) -> None:
    end = time.monotonic() + 180  # a loaded machine may take its time
    while not condition():
        assert run.status().state != "failed" or condition(), f"{run.status()}\n{run.log_tail()}"
        assert time.monotonic() < end, f"{run.status()}\n{run.log_tail()}"
        time.sleep(0.1)


@pytest.fixture
def long_run(small_run: RunConfig) -> RunConfig:
    return change(small_run, {"steps": 30_000, "device": {"device": "cpu", "threads": 1}, "record": {"frames": 20}})


def test_submit_pause_resume_queue_kill_retry_stop(long_run, here):
    first = local.submit(long_run, here)
    assert first.status().state == "queued" and local.submit(long_run, here).id == first.id
    until(lambda: first.status().step > 3, first)
    assert os.getsid(first.status().pid) != os.getsid(0)  # outlives this terminal
    second = local.submit(replace(long_run, seed=1), here)
    assert [(run.id, words) for run, words in local.queue(here)] == [(second.id, f"cpu-0, where {first.id} is running")]

    local.pause(first)
    until(lambda: first.status().state == "paused", first)
    until(lambda: second.status().state == "running", second)  # the device was left
    local.resume(first, here)
    assert [run.id for run, _ in local.queue(here)] == [first.id]
    os.kill(second.status().pid, signal.SIGKILL)
    until(lambda: second.status().state == "lost", second)
    until(lambda: first.status().state == "running", first)  # the dead left its device

    with pytest.raises(UserError, match="is running; only a failed or lost run"):
        local.retry(first, here)
    local.retry(second, here)
    assert [run.id for run, _ in local.queue(here)] == [second.id]
    local.stop(second)
    assert second.status().state == "stopped" and not local.queue(here)
    local.stop(first)
    until(lambda: first.status().state == "stopped", first)
    assert first.checkpoint.exists() and not first.has_writer()


def test_a_wish_for_a_worker_that_is_on_its_way_is_obeyed(long_run, here):
    run = local.submit(long_run, here)
    local.pause(run)
    until(lambda: run.status().state == "paused", run)
    assert not local.queue(here) and not run.metrics_file.exists()


def test_a_worker_that_is_leaving_is_waited_for(here, monkeypatch):
    run = RunStore(here.runs).create(RunConfig(name="one"), {})
    leaving = Heart(run, state="running").__enter__()
    leaving.change(state="paused")  # its last word: it still holds the run, and hears nothing any more
    spawned = []
    monkeypatch.setattr(local, "_queue", lambda run, here: spawned.append(run.has_writer()))
    monkeypatch.setattr(local, "LEAVES_WITHIN", 0.2)
    with pytest.raises(UserError, match="has not ended yet"):
        local.resume(run, here)
    monkeypatch.setattr(local, "LEAVES_WITHIN", 60.0)
    threading.Timer(0.3, leaving.__exit__, (None, None, None)).start()
    local.resume(run, here)
    assert spawned == [False]


def test_an_error_in_a_worker_is_one_sentence(long_run, here, tmp_path):
    broken = tmp_path / "broken.safetensors"
    broken.write_text("no weights")
    run = local.submit(replace(long_run, backbone=f"file:{broken}?timm=test_efficientnet"), here)
    until(lambda: run.status().state == "failed", run)
    assert "broken.safetensors" in run.status().error and "Traceback" not in run.status().error


def test_what_is_not_here_is_said_before_a_folder_is_made(long_run, here):
    gone = f"folder:{here.cache / 'gone'}"
    for changes, words in (
        ({"backbone": "file:/nowhere.safetensors?timm=test_efficientnet"}, "nowhere.safetensors"),
        ({"evaluate_on": ("file:/nowhere.safetensors?timm=test_efficientnet",)}, "nowhere.safetensors"),
        ({"dataset": "imagenette"}, "lgm_core fetch imagenette"),
        ({"dataset": gone}, "does not exist. Remedy: create"),
        ({"dataset": "imagenet"}, "Register"),
    ):
        with pytest.raises(Unavailable, match=words):
            local.submit(replace(long_run, **changes), here)
    assert not here.runs.exists()


def test_a_dead_worker_is_lost_at_once_queued_or_running(here):
    run = RunStore(here.runs).create(RunConfig(name="one"), {})
    dead = subprocess.Popen([sys.executable, "-c", ""])
    with Heart(run, state="running") as heart:
        heart.change(step=3)
        alive = heart.status
    for state in ("queued", "running"):
        write_json(run.status_file, asdict(replace(alive, state=state, pid=dead.pid, heartbeat=time.time() - 5)))
        until(lambda: run.status().state == "lost", run)  # a zombie, as its parent has not waited for it
        write_json(run.status_file, asdict(replace(alive, state=state, heartbeat=time.time() - 5)))
        assert run.status().state == state
    dead.wait()
    write_json(run.status_file, asdict(replace(alive, pid=dead.pid, heartbeat=time.time() - 5)))
    assert run.status().state == "lost"
    write_json(run.status_file, asdict(replace(alive, pid=dead.pid, host="elsewhere", heartbeat=time.time() - 5)))
    assert run.status().state == "running"
    write_json(run.status_file, asdict(replace(alive, pid=dead.pid)))
    with Heart(run, state="running") as heart:
        stale = asdict(replace(heart.status, heartbeat=time.time() - 60))
        write_json(run.status_file, stale)
        assert run.status().state == "running"  # held up, not dead: it has the lock
    write_json(run.status_file, stale)
    assert run.status().state == "lost"
    local.stop(run)
    assert run.status().state == "stopped"


@pytest.fixture
def finished(small_run: RunConfig, here: Places) -> RunFolder:
    run = start(replace(small_run, name="whole"), here)
    assert work(run, here) == "finished"
    return run


@pytest.mark.slow
def test_a_fork_at_the_checkpoint_goes_on_as_one_longer_run_does(small_run, finished, here):
    longer = prepare_fork(finished, 17, {"steps": 24}, here)
    assert longer.config().source == "whole" and longer.config().fork_step == 18 and longer.config().name == ""
    assert prepare_fork(finished, 17, {"steps": 24}, here).id == longer.id
    assert work(longer, here) == "finished"
    assert [line["step"] for line in longer.metrics()] == list(range(18, 24))
    whole = start(replace(small_run, steps=24, name="longer"), here)
    assert work(whole, here) == "finished"
    assert [m["loss"] for m in longer.metrics()] == [m["loss"] for m in whole.metrics()][18:]
    assert longer.synthetic.read_bytes() == whole.synthetic.read_bytes()


def test_the_set_before_the_first_step_is_no_place_to_fork_from(finished, here):
    assert finished.frame_list()[0]["step"] == -1
    with pytest.raises(UserError, match="before its first step .* has nothing to take over; .*under a new --name"):
        prepare_fork(finished, -1, {}, here)


@pytest.mark.slow
def test_a_fork_from_a_frame_starts_with_its_picture(finished, here):
    step = [frame["step"] for frame in finished.frame_list()][3]
    fork = prepare_fork(finished, step, {"lgm": {"learning_rate": 1e-6}}, here)
    pictures = load_file(fork.start)["images"]
    assert pictures.shape == (10, 3, 32, 32) and pictures.dtype == np.uint8
    assert work(fork, here) == "finished"
    assert fork.metrics()[0]["step"] == step + 1 == fork.config().fork_step
    images = load_file(fork.synthetic)["images"]
    assert np.abs(images - pictures / 255).mean() < 0.01  # a rate of almost nothing leaves them
    levels = [name for name in load_file(fork.checkpoint) if name.startswith("synthetic.level_")]
    assert len(levels) == 6


def test_forks_that_cannot_be_are_refused_in_plain_words(finished, here):
    with pytest.raises(UserError, match="no frame of step 17; the nearest is that of step 18"):
        prepare_fork(finished, 16, {}, here)
    with pytest.raises(ConfigError, match="begins at step 18, but the run ends at 18; raise steps"):
        prepare_fork(finished, 17, {}, here)
    with pytest.raises(ConfigError, match="keeps images_per_class = 1"):
        prepare_fork(finished, 17, {"images_per_class": 2, "steps": 30}, here)
    assert [run.id for run in RunStore(here.runs).runs()] == ["whole"]


def test_the_estimate_comes_from_past_runs_and_scales_with_the_views(small_run, finished, here):
    one = estimate(replace(small_run, steps=100), here)
    assert one is not None and one.from_runs == ("whole",) and one.fits and one.seconds_prepare == 0
    assert one.seconds_per_step == pytest.approx(finished.status().seconds_per_step)
    assert one.seconds_total > 100 * one.seconds_per_step and one.bytes > 10**8
    many = estimate(change(small_run, {"lgm": {"views": 20}, "images_per_class": 100}), here)
    assert many is not None and many.seconds_per_step == pytest.approx(1000 * one.seconds_per_step)
    assert not many.fits
    most = re.search(r"Lower lgm.views to (\d+)|Lower images_per_class", many.remedy)
    assert most is not None and int(most[1] or 0) < 20
    assert estimate(change(small_run, {"backbone": "mobilenet_v2"}), here) is None


def test_a_calibration_measures_and_is_kept(small_run, here):
    config = change(small_run, {"device": {"device": "cpu", "threads": 1}})
    said: list[str] = []
    guess = calibrate(config, here, said.append)
    assert len(said) > 5 and said[-1].startswith("measuring: 100%|")
    assert guess.from_runs == () and guess.seconds_per_step > 0 and guess.device == "cpu, 1 thread"
    again = estimate(config, here)
    assert again is not None and again.seconds_per_step == guess.seconds_per_step
    kept = measured_here(config, data_size(config), here)
    assert isinstance(kept, Measured) and kept.views == (8, 24) and min(kept.seconds) > 0
    with (
        slots.try_slot(here.slots, ["cpu-0"], "a")[1],  # type: ignore[index]
        pytest.raises(UserError, match="busy"),
    ):
        calibrate(config, here)


def test_asking_from_the_dashboard_loads_no_torch(here, long_run):
    script = (
        "import sys, json\nsys.modules['torch'] = None\n"
        "from lgm_core.jobs import local, estimate\nfrom lgm_core.runs.start import start\n"
        "from lgm_core.config import RunConfig\nfrom lgm_core.base.knobs import from_dict\n"
        "from lgm_core.base.places import places\n"
        "run = start(from_dict(RunConfig, json.loads(sys.argv[1])), places())\nlocal.stop(run)\n"
        "print(run.status().state, estimate.estimate(run.config(), places()), local.queue(places()))"
    )
    from lgm_core.base.knobs import to_dict

    environment = os.environ | {"LGM_CACHE": str(here.cache)}
    done = subprocess.run(
        [sys.executable, "-c", script, json.dumps(to_dict(long_run))], cwd=ROOT, env=environment,
        capture_output=True, text=True,
    )  # fmt: skip
    assert done.stdout.split() == ["stopped", "None", "[]"], done.stderr
