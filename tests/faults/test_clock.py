"""The clock is set, back or forward, between two looks.

What lives is not called lost, what is dead is, the queue keeps its order, a file that changed is read anew, and what
another process is writing is not cleared away.
"""

import itertools
import os
import platform
import subprocess
import sys
import threading
import time
from dataclasses import asdict, replace
from pathlib import Path

import pytest

from lgm_core.base.files import write_json
from lgm_core.base.litter import sweep, sweep_old
from lgm_core.base.places import Places
from lgm_core.base.remembered import Remembered
from lgm_core.config import RunConfig
from lgm_core.jobs import local, tickets
from lgm_core.runs import lease
from lgm_core.runs.heart import Heart
from lgm_core.runs.status import Status
from lgm_core.runs.store import RunFolder, RunStore

BOTH_WAYS = pytest.mark.parametrize("seconds", [-3600.0, 3600.0], ids=["back", "forward"])
TIME, TIME_NS = time.time, time.time_ns


@pytest.fixture
def set_clock(monkeypatch: pytest.MonkeyPatch):
    """Set the clock so many seconds off; `time.monotonic` goes on, as it does."""

    def by(seconds: float) -> None:
        monkeypatch.setattr(time, "time", lambda: TIME() + seconds)
        monkeypatch.setattr(time, "time_ns", lambda: TIME_NS() + int(seconds * 1e9))

    return by


@pytest.fixture
def run(here: Places) -> RunFolder:
    return RunStore(here.runs).create(RunConfig(name="one"), {})


@BOTH_WAYS
def test_who_is_alive_is_never_lost_and_the_next_beat_has_the_new_time(seconds: float, run: RunFolder, set_clock):
    for state in ("queued", "running"):
        with Heart(run, state=state) as heart:
            set_clock(seconds)
            assert run.status().state == state and run.has_writer()
            heart.change()
            assert abs(run.status().heartbeat - time.time()) < 60
            set_clock(0)
            assert run.status().state == state  # and set right again, before the next beat


@BOTH_WAYS
def test_who_died_is_lost_whatever_the_clock_says_now(seconds: float, run: RunFolder, set_clock):
    dead = subprocess.Popen([sys.executable, "-c", ""])
    dead.wait()
    for pid in (dead.pid, 0):  # known to be dead, and one of whom nothing is known but that nobody holds the lock
        status = Status(state="running", pid=pid, host=platform.node(), heartbeat=time.time())
        write_json(run.status_file, asdict(status))
        assert run.status().state == "running"
        set_clock(seconds)
        assert run.status().state == "lost"
        write_json(run.status_file, asdict(replace(status, state="queued", ticket="1-1-one.json")))
        assert run.status().state == "lost"  # its ticket is not in the queue
        set_clock(0)


def test_another_machine_may_be_ahead(run: RunFolder):
    ahead = Status(state="running", pid=7, host="elsewhere", heartbeat=time.time() + 3600)
    write_json(run.status_file, asdict(ahead))
    assert run.status().state == "running"


def test_the_queue_keeps_the_order_of_asking(here: Places, set_clock, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(local, "attend", lambda here: None)
    store, places = RunStore(here.runs), [0.0, -3600.0, 3600.0, 0.0, -TIME() + 5.0, 0.0]  # five seconds after 1970
    for number, seconds in enumerate(places):
        run = store.create(RunConfig(name=f"run-{9 - number}"), {})
        set_clock(seconds)
        ticket = tickets.new_ticket(here.queue, run, first=number == 5)
        tickets.write_ticket(ticket, run, ["cpu-7"], {})
    asked = [run.id for run, _ in local.queue(here)]
    assert asked == ["run-4", "run-9", "run-8", "run-7", "run-6", "run-5"]


def test_a_clock_that_began_in_1970_and_is_then_set_right_turns_no_order_round(here: Places, set_clock, monkeypatch):
    monkeypatch.setattr(local, "attend", lambda here: None)
    for name, seconds in (("z", -TIME() + 5.0), ("a", 0.0)):
        run = RunStore(here.runs).create(RunConfig(name=name), {})
        set_clock(seconds)
        tickets.write_ticket(tickets.new_ticket(here.queue, run), run, ["cpu-7"], {})
    assert [run.id for run, _ in local.queue(here)] == ["z", "a"]


@BOTH_WAYS
def test_a_file_that_changed_is_read_anew(seconds: float, tmp_path: Path, set_clock):
    file, reads = tmp_path / "a.txt", []

    def read(path: Path) -> str:
        reads.append(path.read_text())
        return reads[-1]

    remembered = Remembered(read)
    file.write_text("one")
    os.utime(file, (time.time() - 60,) * 2)
    assert remembered.of(file) == "one" == remembered.of(file) and len(reads) == 1
    set_clock(seconds)
    file.write_text("two")
    os.utime(file, (time.time(),) * 2)  # the time of the clock as it is set
    assert remembered.of(file) == "two"
    file.write_text("six")  # within the same tick of the clock
    os.utime(file, ns=(file.stat().st_mtime_ns,) * 2)
    assert remembered.of(file) == "six"


def test_what_was_written_before_the_clock_was_set_back_is_read_once(tmp_path: Path, set_clock):
    file, reads = tmp_path / "a.txt", []
    file.write_text("one")
    set_clock(-3600)
    remembered = Remembered(lambda path: reads.append(path))
    remembered.of(file), remembered.of(file)
    assert len(reads) == 1


def test_what_is_being_written_is_no_litter_when_the_clock_is_set_forward(tmp_path: Path, set_clock):
    dead = subprocess.Popen([sys.executable, "-c", ""])
    dead.wait()
    ours, theirs = (tmp_path / f".status.json.{pid}-1.new" for pid in (os.getpid(), dead.pid))
    ours.touch(), theirs.touch()
    sweep_old(tmp_path)
    assert ours.exists() and theirs.exists()
    set_clock(10 * 86400)
    sweep_old(tmp_path)
    assert ours.exists() and not theirs.exists()
    sweep(tmp_path, but=("status.json",))
    assert ours.exists()


def test_a_writer_on_another_machine_keeps_its_run_whatever_this_clock_says(run: RunFolder, monkeypatch):
    """Its heartbeat looks an hour old, and goes on."""
    monkeypatch.setattr(lease, "HEARTBEAT_SECONDS", 30.0)  # the first sign of life ends the wait
    there = Status(state="running", pid=7, host="elsewhere", heartbeat=TIME() - 3600)
    write_json(run.status_file, asdict(there))
    over = threading.Event()

    def beat() -> None:
        for number in itertools.count(1):
            write_json(run.status_file, asdict(replace(there, heartbeat=there.heartbeat + number)))
            if over.wait(0.1):
                return

    thread = threading.Thread(target=beat)
    thread.start()
    try:
        with pytest.raises(lease.Occupied, match="its heartbeat goes on, by a clock that differs"):
            Heart(run, state="running").__enter__()
    finally:
        over.set()
        thread.join()
    monkeypatch.setattr(lease, "HEARTBEAT_SECONDS", 0.5)
    with Heart(run, state="running"):  # now it is silent
        assert run.status().host == platform.node()


def test_a_writer_whose_clock_was_set_back_claims_its_run_anew(run: RunFolder, set_clock):
    with Heart(run, state="running") as heart:
        before = run.claims()
        set_clock(-3600)
        heart.change(step=3)
        assert run.claims() != before and run.status().step == 3
