"""Device slots: one run per device; how much memory is free, how many cores are idle."""

import threading

import torch

from lgm_core.base import machine
from lgm_core.base.locks import is_held
from lgm_core.base.machine import free_memory
from lgm_core.engine import start, work
from lgm_core.jobs import slots
from lgm_core.presets import change


def test_slots_follow_what_is_visible(monkeypatch):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "2,5")
    assert slots.device_slots() == ["cuda-2", "cuda-5"] and slots.wanted_slots("cuda:1") == ["cuda-5"]
    assert slots.wanted_slots("auto") == ["cuda-2", "cuda-5"] and slots.wanted_slots("cpu") == ["cpu-0"]
    assert slots.environment_of(["cuda-5"], "auto") == {"CUDA_VISIBLE_DEVICES": "5"}
    assert slots.environment_of(["cuda-2", "cuda-5"], "all") == {"CUDA_VISIBLE_DEVICES": "2,5"}
    assert slots.environment_of(["cuda-5"], "cuda:1") == {} == slots.environment_of(["cpu-0"], "auto")
    assert slots.processes_of("all") == 2 and slots.processes_of("auto") == 1
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    assert slots.processes_of("all") == 1 and slots.wanted_slots("all") == ["cpu-0"]
    assert slots.device_slots() == ["cpu-0"] == slots.wanted_slots("cuda:1")


def test_a_run_on_all_devices_takes_all_slots_or_none(tmp_path):
    both = ["cuda-0", "cuda-1"]
    one = slots.try_slots(tmp_path, both, "other", together=False)
    assert one and one[0] == ["cuda-0"] and slots.try_slots(tmp_path, both, "all", together=True) is None
    assert slots.who_holds(tmp_path, both, together=True) == "cuda-0, where other is running"
    assert not is_held(slots.slot_lock(tmp_path, "cuda-1"))
    one[1].close()
    all_ = slots.try_slots(tmp_path, both, "all", together=True)
    assert all_ and all_[0] == both and slots.try_slots(tmp_path, both, "other", together=False) is None
    all_[1].close()
    assert not any(is_held(slots.slot_lock(tmp_path, slot)) for slot in both)


def test_free_memory_is_told_without_torch():
    assert 10**7 < free_memory("cpu-0") < 10**14
    assert torch.cuda.is_available() or free_memory("cuda-7") == 0


def test_threads_are_as_many_as_cores_that_are_idle(monkeypatch):
    monkeypatch.delenv("OMP_NUM_THREADS")
    monkeypatch.delenv(machine.WATCHED, raising=False)
    monkeypatch.setattr(machine, "_allowed_cores", lambda count: range(count))
    monkeypatch.setattr(machine, "_container_cores", lambda: 0)
    for busy, watched, threads in (
        ([0, 0], "", 2), ([0, 0], "1", 1), ([100, 5], "", 1), ([100, 100], "1", 1), ([10, 0, 90, 2], "1", 2)
    ):  # fmt: skip
        monkeypatch.setattr(machine.psutil, "cpu_percent", lambda interval, percpu, busy=busy: busy)
        with monkeypatch.context() as here:
            here.setenv(machine.WATCHED, watched)
            assert machine.idle_cores() == threads
    monkeypatch.setattr(machine, "_container_cores", lambda: 3)
    monkeypatch.setattr(machine.psutil, "cpu_percent", lambda interval, percpu: [0.0] * 64)
    assert machine.idle_cores() == 3
    monkeypatch.setenv("OMP_NUM_THREADS", "5")
    assert machine.idle_cores() == 5


def test_a_run_keeps_the_threads_that_it_began_with(small_run, here, monkeypatch):
    monkeypatch.setattr("lgm_core.runs.recorder.idle_cores", lambda: 1)
    run, stop = start(change(small_run, {"device": {"threads": 0}}), here), threading.Event()
    stopped = work(run, here, lambda phase, done, total, values: stop.set() if phase == "distilling" else None, stop)
    assert stopped == "stopped" and run.status().threads == 1
    monkeypatch.setattr("lgm_core.runs.recorder.idle_cores", lambda: 2)
    assert work(run, here) == "finished" and run.status().threads == 1
