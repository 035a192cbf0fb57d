"""One run on several devices: one writer, one result, another number of processes at each start; deaths are noticed.

A machine that seems to have two GPUs, of which torch sees none: two processes on the CPU.
"""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import psutil
import pytest
import torch

from lgm_core.base.costs import Measured, Room
from lgm_core.base.errors import UserError
from lgm_core.config import RunConfig
from lgm_core.engine import start, work
from lgm_core.jobs import local, slots, tickets
from lgm_core.jobs.crew import wanted_together
from lgm_core.jobs.estimate import _from_measured, data_size
from lgm_core.jobs.following import _differing
from lgm_core.jobs.waiter import _slots_for
from lgm_core.jobs.worker import on_device
from lgm_core.methods.lgm import estimate as lgm_estimate
from lgm_core.presets import change, preset
from lgm_core.runs.source_runs import read_set
from lgm_core.runs.store import RunFolder

ROOT = Path(__file__).parent.parent


@pytest.fixture
def two_gpus(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "0,1")


@pytest.fixture
def on_all(small_run: RunConfig) -> RunConfig:
    return change(small_run, {"device": {"device": "all", "threads": 1}, "steps": 20})


def _files(run: RunFolder) -> set[str]:
    """All but what is asked of a writer, and the claims, a number for each writer."""
    names = {str(path.relative_to(run.path)) for path in run.path.rglob("*") if path.is_file()}
    return {name for name in names if not name.endswith(".claim")} - {"control.json"}


def _helpers() -> list[psutil.Process]:
    return [child for child in psutil.Process().children() if "work" in child.cmdline()]


def _same(one: RunFolder, other: RunFolder) -> None:
    """One set of files, one line per step, the same images up to the order of sums."""
    assert _files(one) == _files(other)
    assert [line["step"] for line in one.metrics()] == [line["step"] for line in other.metrics()]
    torch.testing.assert_close(read_set(other).images, read_set(one).images, rtol=0, atol=1e-5)
    assert "another state" not in other.log_file.read_text()


@pytest.mark.slow
def test_a_run_goes_on_with_another_number_of_processes(on_all: RunConfig, here, tmp_path, two_gpus):
    alone = start(on_all, replace(here, cache=tmp_path / "alone"))
    assert work(alone, replace(here, cache=tmp_path / "alone")) == "finished"
    assert "one device here" in alone.status().notes[0]
    run = start(on_all, here)

    def pause(phase: str, done: int, total: int, values: object) -> None:
        if phase == "distilling" and done == 7:
            assert slots.who_holds(here.slots, ["cuda-0", "cuda-1"], together=True).count(run.id) == 2
            run.ask("pause")

    assert on_device(run, here, pause) == "paused"
    assert run.status().device.endswith("2 processes") and not _helpers()
    assert 0 < run.status().step < 20
    assert work(run, here) == "finished"
    _same(alone, run)


def test_a_state_that_differs_by_a_bit_is_noticed():
    state = {"a": torch.tensor([0.0, 1.0]), "b": torch.ones(2), "chunk": torch.tensor(3)}
    assert not _differing({name: tensor.clone() for name, tensor in state.items()}, state)
    assert _differing({"a": torch.tensor([1e-30, 1.0]), "chunk": torch.tensor(0)}, state) == ["a", "b"]


def test_who_waits_for_the_first_device_takes_all_and_the_others_let_nobody_past(on_all: RunConfig, here, two_gpus):
    run = start(on_all, here)
    wanted, together = wanted_together("all")
    assert (wanted, together) == (["cuda-0", "cuda-1"], True) and wanted_together("auto") == (wanted, False)
    tickets.write_ticket(tickets.new_ticket(here.queue, run), run, wanted, {}, together=together)
    (ticket,) = tickets.waiting_tickets(here.queue)
    busy = slots.try_slot(here.slots, ["cuda-1"], "another")
    assert busy and _slots_for(ticket, "cuda-0", here) is None
    busy[1].close()
    assert _slots_for(ticket, "cuda-1", here) is None
    held = _slots_for(ticket, "cuda-0", here)
    assert held and held[0] == wanted
    held[1].close()


def test_an_estimate_divides_the_real_data_among_devices_and_says_so(small_run: RunConfig, two_gpus):
    found = Measured(views=(4, 12), seconds=(0.1, 0.3), bytes=(0, 0), forward_seconds=0.01, device="cuda")
    one, both = (
        _from_measured(config, lgm_estimate, data_size(config), Room(kind="cuda", free=0), found)
        for config in (small_run, change(small_run, {"device": {"device": "all"}}))
    )
    assert one.seconds_prepare == 2 * both.seconds_prepare > 0 and one.seconds_per_step == both.seconds_per_step
    assert "divided among 2 devices" in both.words_of_devices and not one.words_of_devices


@pytest.mark.slow
def test_a_dead_process_fails_the_run_which_can_be_taken_up(on_all: RunConfig, here, two_gpus, capfd):
    run = start(on_all, here)

    def kill(phase: str, done: int, total: int, values: object) -> None:
        if phase == "distilling" and done == 7:
            _helpers()[0].kill()

    with pytest.raises(UserError, match="a process of this run, one of 2, has ended"):
        on_device(run, here, kill)
    assert run.status().state == "failed" and "has ended" in run.status().error
    assert work(run, here) == "finished"


def _rcig() -> RunConfig:
    return preset(
        "rcig_digits", steps=6, evaluate_on=("conv",), data={"train_per_class": 20, "test_per_class": 10},
        device={"threads": 1, "device": "all"}, rcig={"pool": 3, "pool_life": 20, "batch": 64},
        live={"times": 0}, record={"frames": 4, "checkpoint_seconds": 0.0},
        scratch={"width": 4, "steps": 60, "warmup": 10, "seeds": 2, "learning_rate": 3e-3},
    )  # fmt: skip


def _mkdt() -> RunConfig:
    return preset(
        "mkdt_preview", dataset="digits", steps=6, images_per_class=2, evaluate_on=("conv:instance",),
        label_fraction=(0.5,), data={"train_per_class": 12, "test_per_class": 6, "resize": 224},
        device={"threads": 1, "device": "all", "precision": "float32"}, scratch={"resolution": 8, "width": 4},
        pretrain={"teacher": "conv:instance", "teacher_steps": 20, "seeds": 1, "epochs": 3, "steps": 0},
        mkdt={"experts": 3, "student_steps": 3, "batch": 8, "expert_batch": 40, "initial": "high-loss", "rate": 0.01,
              "image_rate": 1.0, "target_rate": 0.1, "rate_rate": 1e-6},
        live={"times": 0}, record={"frames": 3, "checkpoint_seconds": 0.0},
    )  # fmt: skip


@pytest.mark.slow
@pytest.mark.parametrize("config", [_rcig, _mkdt])
def test_other_methods_come_to_the_same_on_two_processes(config: Callable[[], RunConfig], here, tmp_path, two_gpus):
    alone = start(config(), replace(here, cache=tmp_path / "alone"))
    work(alone, replace(here, cache=tmp_path / "alone"))
    run = start(config(), here)
    assert on_device(run, here) == "finished" and run.status().device.endswith("2 processes")
    _same(alone, run)


@pytest.mark.slow
def test_one_two_and_one_process_again_make_the_run_of_one(on_all: RunConfig, here, tmp_path, two_gpus):
    alone = start(on_all, replace(here, cache=tmp_path / "alone"))
    work(alone, replace(here, cache=tmp_path / "alone"))
    run = start(on_all, here)
    for last, how in ((5, work), (12, on_device)):

        def stop(phase: str, done: int, total: int, values: object, last: int = last) -> None:
            if phase == "distilling" and done == last:
                run.ask("stop")

        assert how(run, here, stop) == "stopped"
    assert work(run, here) == "finished"
    _same(alone, run)


def _worker(words: list[str], here, run: RunFolder) -> subprocess.Popen:
    own = os.environ | {"LGM_CACHE": str(here.cache), "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    return subprocess.Popen([sys.executable, *words, "-m", "lgm_core", "work", str(run.path)], cwd=ROOT, env=own)


def _wait_for_step(run: RunFolder, step: int) -> None:
    deadline = time.monotonic() + 60
    while run.status().step < step:
        assert time.monotonic() < deadline and run.status().active, run.status()
        time.sleep(0.1)


@pytest.mark.slow
def test_a_run_on_all_devices_waits_in_the_queue_until_all_are_free(on_all: RunConfig, here, two_gpus):
    busy = slots.try_slot(here.slots, ["cuda-1"], "another")
    assert busy
    run = local.submit(on_all, here)
    time.sleep(1)
    assert local.queue(here)[0][1] == "cuda-1, where another is running" and run.status().state == "queued"
    busy[1].close()
    deadline = time.monotonic() + 90
    while run.status().state != "finished":
        assert time.monotonic() < deadline and run.status().active, run.status()
        time.sleep(0.2)
    assert run.status().device.endswith("2 processes")


@pytest.mark.slow
def test_a_killed_worker_leaves_no_process_behind(on_all: RunConfig, here, two_gpus):
    run = start(replace(on_all, steps=10_000), here)
    with _worker([], here, run) as worker:
        _wait_for_step(run, 5)
        (helper,) = psutil.Process(worker.pid).children()
        worker.kill()
        helper.wait(20)
    assert not run.has_writer()


@pytest.mark.slow
@pytest.mark.parametrize("ending", ["finished", "stopped", "killed"])
def test_torchrun_does_a_run_as_one_process_does(ending: str, on_all: RunConfig, here, tmp_path):
    steps = 20 if ending == "finished" else 10_000
    config = change(on_all, {"device": {"device": "cpu"}, "steps": steps})
    run = start(config, here)
    torchrun = ["-m", "torch.distributed.run", "--nproc-per-node", "2", "--standalone"]
    with _worker(torchrun, here, run) as agent:
        if ending != "finished":
            _wait_for_step(run, 5)
            ranks = psutil.Process(agent.pid).children()
            assert len(ranks) == 2
            if ending == "stopped":
                agent.send_signal(signal.SIGTERM)
            else:
                max(ranks, key=lambda one: one.pid).kill()
        agent.wait(90)
    assert run.status().state == {"finished": "finished", "stopped": "stopped", "killed": "failed"}[ending]
    assert not run.has_writer() and run.checkpoint.exists()
    if ending == "finished":
        alone = start(config, replace(here, cache=tmp_path / "alone"))
        work(alone, replace(here, cache=tmp_path / "alone"))
        _same(alone, run)


@pytest.mark.slow
def test_torchrun_with_another_verb_is_refused(here):
    words = ["--nproc-per-node", "2", "--standalone", "-m", "lgm_core", "list", "runs"]
    own = os.environ | {"LGM_CACHE": str(here.cache), "PYTHONPATH": str(ROOT)}
    done = subprocess.run(
        [sys.executable, "-m", "torch.distributed.run", *words], env=own, capture_output=True, text=True
    )
    assert done.returncode and "torchrun starts several processes" in done.stderr
