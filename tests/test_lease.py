"""A run that several machines see has one writer: claims that exclude each other, leases that lapse, and fences."""

import platform
import threading
import time
from contextlib import suppress
from dataclasses import asdict, replace

import pytest
import torch

from lgm_core.base.errors import UserError
from lgm_core.base.files import write_json
from lgm_core.base.settings import RecordConfig
from lgm_core.config import RunConfig
from lgm_core.jobs import local
from lgm_core.runs import lease, status
from lgm_core.runs.heart import Heart, TakenOver
from lgm_core.runs.lease import Claim
from lgm_core.runs.recorder import Recorder
from lgm_core.runs.status import LEASE_SECONDS, Status
from lgm_core.runs.store import RunFolder, RunStore


@pytest.fixture
def run(here) -> RunFolder:
    return RunStore(here.runs).create(RunConfig(name="one", steps=40), {})


@pytest.fixture
def on_host(monkeypatch):
    """Makes this process one on another machine, where locks of this one are not seen."""

    def become(name: str) -> None:
        for module in (platform, status.platform, lease.platform):
            monkeypatch.setattr(module, "node", lambda: name)
        monkeypatch.setattr("lgm_core.runs.heart.take", lambda path: path.with_suffix(f".{name}").open("a+"))
        monkeypatch.setattr("lgm_core.runs.folder.is_held", lambda path: False)

    return become


def _silent(run: RunFolder, seconds: float) -> None:
    """The run's writer has said nothing for so long."""
    write_json(run.status_file, asdict(replace(run.status(), state="running", heartbeat=time.time() - seconds)))


def _away(heart: Heart) -> None:
    """The writer has not run for longer than its lease, as on a machine that was suspended."""
    heart._over.set()
    heart._last_beat -= 2 * LEASE_SECONDS


def test_a_writer_elsewhere_holds_the_run_until_its_lease_lapses(run, here, on_host, monkeypatch):
    on_host("first")
    with Heart(run, state="running"):
        on_host("second")
        assert run.has_writer() and run.status().state == "running"
        with pytest.raises(UserError, match="first is working on the run 'one'.* until that is 30 s old"):
            Heart(run, state="running").__enter__()
        queued = []
        monkeypatch.setattr(local, "_queue", lambda *given: queued.append(given))
        local.resume(run, here)  # it withdraws a wish, and starts no second worker
        assert run.wish() == "resume" and not queued
        on_host("first")
    assert run.status().state == "finished" or not run.has_writer()


def test_after_the_lease_another_takes_over_and_the_first_writes_nothing_more(run, on_host):
    on_host("first")
    recorder = Recorder(run, RecordConfig(), steps=40)
    recorder.__enter__()
    recorder.metric(0, {"loss": 1.0})
    recorder.checkpoint(1, {"x": torch.ones(1)})
    _away(recorder._heart)
    _silent(run, LEASE_SECONDS + 1)
    on_host("second")
    assert run.status().state == "lost" and not run.has_writer()
    with Heart(run, state="running") as second:
        second._over.set()
        files = {path: path.read_bytes() for path in run.path.rglob("*.*") if path.name != "log.txt"}
        on_host("first")
        writes = (
            lambda: recorder.metric(1, {"loss": 0.5}),
            lambda: recorder.checkpoint(2, {"x": torch.zeros(1)}),
            lambda: recorder.frame(1, torch.zeros(1, 3, 8, 8)),
            lambda: recorder.details(1, {"inner": 2}),
            lambda: recorder.findings({"a": 1}),
            lambda: recorder.note("still here"),
            lambda: recorder.phase("distilling", 2, 40),
        )
        for write in writes:
            with pytest.raises(TakenOver):
                write()
        assert recorder.__exit__(TakenOver, TakenOver(), None) and recorder.state == "lost"
        assert files == {path: path.read_bytes() for path in files} and run.status().host == "second"
        assert "another machine has taken the run over" in run.log_tail()


def test_a_writer_that_was_away_goes_on_where_nobody_took_the_run_over(run):
    with Heart(run, state="running") as heart:
        before = run.claims()
        _away(heart)
        heart.change(step=5)
        assert len(before) == 1 and run.claims() == [before[0] + 1]
    assert run.status().step == 5


def test_of_two_that_claim_a_run_before_either_has_a_heartbeat_the_first_gives_way(run, on_host, monkeypatch):
    on_host("first")
    first, begun = Heart(run, state="running"), []

    def both(run: RunFolder) -> Claim:
        mine = Claim(run)
        begun.append(Claim(run))  # of another machine, which sees no heartbeat yet
        return mine

    monkeypatch.setattr("lgm_core.runs.heart.Claim", both)
    with pytest.raises(UserError, match="another machine has just begun"):
        first.__enter__()
    assert begun[0].is_latest()


def test_of_many_machines_that_begin_at_once_one_at_most_writes(run, on_host, monkeypatch):
    on_host("any")
    for module in (platform, status.platform, lease.platform):
        monkeypatch.setattr(module, "node", lambda: threading.current_thread().name)
    inside, together = [], threading.Barrier(6)

    def begin() -> None:
        heart = Heart(run, state="running")
        together.wait()
        with suppress(UserError):
            inside.append(heart.__enter__())

    threads = [threading.Thread(target=begin) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(inside) <= 1  # where all have met, none: each tries again later
    for heart in inside:
        heart.__exit__(None, None, None)


def test_a_claim_that_was_seen_too_late_is_given_back(run, monkeypatch):
    """Of the status a file system may remember an old state, until something new is made in the folder."""
    fresh = Status(state="running", pid=7, host="first", heartbeat=time.time())
    seen = iter([replace(fresh, heartbeat=1.0), fresh])
    monkeypatch.setattr(RunFolder, "status", lambda self: next(seen))
    with pytest.raises(UserError, match="first is working"):
        Claim(run)
    assert run.claims() == []
