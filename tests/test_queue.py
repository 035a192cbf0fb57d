"""The queue: one process waits per device, runs go in the order of asking, and death stops nothing."""

import os
import signal
import threading
import time
from collections.abc import Callable
from dataclasses import replace

import psutil
import pytest

from lgm_core.base.places import Places
from lgm_core.config import RunConfig
from lgm_core.engine import start
from lgm_core.jobs import local, tickets
from lgm_core.jobs.slots import slot_lock, try_slot
from lgm_core.jobs.worker import on_device
from lgm_core.presets import change
from lgm_core.runs.store import RunFolder
from tests.test_jobs import until


@pytest.fixture
def on_cpu(small_run: RunConfig) -> RunConfig:
    return change(small_run, {"device": {"device": "cpu", "threads": 1}})


@pytest.fixture
def held(here: Places):
    """The device is taken by another run until the test says otherwise: a function that frees it."""
    slot = try_slot(here.slots, ["cpu-0"], "another")
    assert slot is not None
    yield slot[1].close
    slot[1].close()


def waiters(here: Places) -> list[psutil.Process]:
    """The processes of this program that work with these folders."""
    return [process for process in psutil.Process().children() if here_of(process) == str(here.cache)]


def here_of(process: psutil.Process) -> str:
    try:
        return process.environ().get("LGM_CACHE", "") if "lgm_core" in process.cmdline() else ""
    except psutil.Error:
        return ""


def wait_for(condition: Callable[[], object]) -> None:
    end = time.monotonic() + 120
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.05)


@pytest.mark.slow
def test_one_process_waits_whatever_the_length_and_the_order_is_that_of_asking(on_cpu, here, held):
    runs = [local.submit(replace(on_cpu, name=name), here) for name in ("c", "a", "b")]
    first = local.submit(replace(on_cpu, name="z", seed=9), here, first=True)
    queue = local.queue(here)
    assert [run.id for run, _ in queue] == ["z", "c", "a", "b"]
    assert {words for _, words in queue} == {"cpu-0, where another is running"}
    assert len(waiters(here)) == 1 and not any(run.has_writer() for run in runs)
    held()
    for run in (first, *runs):
        until(lambda run=run: run.status().state == "finished", run)
    ends = [run.synthetic.stat().st_mtime for run in (first, *runs)]
    assert ends == sorted(ends)
    wait_for(lambda: not waiters(here))  # nothing is left to wait for


@pytest.mark.slow
def test_the_queue_goes_on_whoever_is_killed(on_cpu, here, held):
    """First the one that waits, then each that computes, two seconds after it began."""
    runs = [local.submit(change(on_cpu, {"name": name, "steps": 30_000}), here) for name in "abcd"]
    for waiter in waiters(here):
        waiter.kill()
        waiter.wait(20)
    held()
    assert [run.id for run, _ in local.queue(here)] == list("abcd")  # who looks at the queue sees to it
    for run in runs[:-1]:
        until(lambda run=run: run.status().state == "running" and run.status().step > 0, run)
        others = [process for process in waiters(here) if process.pid != run.status().pid]
        for other in others:
            other.kill()  # the one that waits: the one that computes starts another
        time.sleep(2.5)
        os.kill(run.status().pid, signal.SIGKILL)
    until(lambda: runs[-1].status().step > 0, runs[-1])
    assert [run.status().state for run in runs[:-1]] == ["lost"] * 3 and not local.queue(here)
    local.stop(runs[-1])
    until(lambda: runs[-1].status().state == "stopped", runs[-1])


def test_a_run_waits_for_its_source_and_others_go_before(on_cpu, here):
    source = start(replace(on_cpu, name="source"), here)
    looking = local.submit(replace(on_cpu, kind="evaluate", source="source", name="looking"), here)
    other = local.submit(replace(on_cpu, name="other"), here)
    until(lambda: other.status().state == "finished", other)
    assert local.queue(here)[0][1] == "the run source" and looking.status().state == "queued"
    local.stop(looking)
    assert looking.status().state == "stopped" and source.status().heartbeat == 0
    wait_for(lambda: not waiters(here))


@pytest.mark.slow
def test_a_queued_run_whose_ticket_is_gone_is_lost_and_may_be_resumed(on_cpu, here, held, monkeypatch):
    run = local.submit(on_cpu, here)
    assert run.status().state == "queued"
    monkeypatch.setattr("lgm_core.runs.status.LOST_AFTER_SECONDS", 0.0)
    assert run.status().state == "queued"
    ticket = run.ticket()
    assert ticket is not None
    ticket.unlink()
    assert run.status().state == "lost"
    local.resume(run, here)
    assert [other.id for other, _ in local.queue(here)] == [run.id]
    local.stop(run)


def test_what_the_dead_and_the_deleted_leave_in_the_queue_is_cleared(on_cpu, here):
    living, gone = start(replace(on_cpu, name="living"), here), RunFolder(here.runs / "gone")
    for run in (living, gone):
        tickets.write_ticket(tickets.new_ticket(here.queue, run), run, ["cpu-7"], {})
    (here.queue / "0-garbage.json").write_text("{")
    with tickets.attended(here.queue, living, ["cpu-7"]) as file:
        assert [ticket.run.id for ticket in tickets.waiting_tickets(here.queue)] == ["living", "living"]
        kept = file.read_text()
    file.write_text(kept)  # as one whose process was killed
    assert len(tickets.waiting_tickets(here.queue)) == 1 == len(list(here.queue.iterdir()))


def test_the_foreground_takes_its_turn_and_says_for_whom_it_waits(on_cpu, here, held):
    before, run = local.submit(replace(on_cpu, name="before"), here), start(replace(on_cpu, name="after"), here)
    said = list[str]()
    thread = threading.Thread(target=on_device, args=(run, here, None, None, said.append))
    thread.start()
    wait_for(lambda: said)
    assert run.status().state == "queued" and [other.id for other, _ in local.queue(here)] == ["before", "after"]
    held()
    thread.join(timeout=120)
    assert said[0] == "waiting for cpu-0, where another is running"
    assert before.status().state == "finished" == run.status().state
    assert before.synthetic.stat().st_mtime < run.synthetic.stat().st_mtime
    assert slot_lock(here.slots, "cpu-0").read_text() == run.id


def test_a_run_begun_in_the_foreground_leaves_the_queue(on_cpu, here):
    slot = try_slot(here.slots, ["cpu-0"], "another")
    assert slot is not None
    run = local.submit(on_cpu, here)
    thread = threading.Thread(target=on_device, args=(run, here))
    thread.start()
    wait_for(lambda: [ticket.attended for ticket in tickets.waiting_tickets(here.queue)] == [True])
    slot[1].close()
    thread.join(timeout=120)
    assert run.status().state == "finished" and not local.queue(here)
