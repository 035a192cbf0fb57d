"""A study in the foreground: one failing member, a signal, a kill, a member that somebody else has paused."""

import os
import signal
import subprocess
import sys
import time
from dataclasses import asdict, replace
from pathlib import Path

import pytest

from lgm_core.base.errors import UserError
from lgm_core.base.files import write_json
from lgm_core.cli import foreground
from lgm_core.cli.main import main
from lgm_core.config import RunConfig
from lgm_core.jobs import local
from lgm_core.reports.page import study_report
from lgm_core.reports.unfinished import unfinished_words
from lgm_core.runs.store import RunFolder, RunStore
from tests.fake_runs import fake_distill

BEGUN: list[str] = []


@pytest.fixture
def members(store: RunStore, small_run: RunConfig) -> list[RunFolder]:
    names = ("s-one", "s-two", "s-three")
    return [store.create(replace(small_run, name=name, study="s"), {}) for name in names]


def doing(monkeypatch: pytest.MonkeyPatch, **ends: object) -> None:
    """Runs are done in a moment; `ends`: by a member's name, the error it raises, or what else happens then."""
    BEGUN.clear()

    def on_device(run: RunFolder, places: object, listener: object, stop: object, waits: object) -> str:
        BEGUN.append(run.id)
        end = ends.get(run.id.removeprefix("s-"))
        if isinstance(end, Exception):
            raise end
        if callable(end):
            end()
        write_json(run.status_file, asdict(replace(run.status(), state="finished", heartbeat=time.time())))
        return "finished"

    monkeypatch.setattr(foreground, "on_device", on_device)


def states(runs: list[RunFolder]) -> list[str]:
    return [run.status().state for run in runs]


@pytest.mark.parametrize("error", [UserError("the network is broken"), RuntimeError("the network is broken")])
def test_the_others_are_done_where_one_fails(members, monkeypatch, capsys, error):
    doing(monkeypatch, two=error)
    assert foreground.work(members, "") == 1
    assert BEGUN == ["s-one", "s-two", "s-three"]
    said = capsys.readouterr().err
    assert "failed: s-two: " in said and "the network is broken" in said and "1 of 3 runs failed" in said


def test_a_signal_leaves_the_others_stopped_and_not_queued(members, monkeypatch, capsys):
    seen = []

    def ended() -> None:
        seen.extend(states(members))
        os.kill(os.getpid(), signal.SIGTERM)

    doing(monkeypatch, one=ended)
    assert foreground.work(members, "") == 143
    assert seen == ["queued", "queued", "queued"] and states(members) == ["finished", "stopped", "stopped"]
    assert "`lgm resume s`, continues" in capsys.readouterr().err
    doing(monkeypatch)
    assert foreground.work(members, "") == 0 and BEGUN == ["s-two", "s-three"]


def test_a_killed_study_leaves_nobody_waiting(members):
    script = (
        "import sys, time; from pathlib import Path; from lgm_core.jobs import local\n"
        "from lgm_core.runs.store import RunFolder\n"
        "with local.planned([RunFolder(Path(path)) for path in sys.argv[1:]]): print(flush=True); time.sleep(60)"
    )
    command = [sys.executable, "-c", script, *(str(run.path) for run in members)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, cwd=Path(__file__).parent.parent) as study:
        assert study.stdout and study.stdout.readline()
        assert states(members) == ["queued"] * 3
        study.kill()
        study.wait()
    assert states(members) == ["stopped"] * 3
    assert local.unfinished_sources(members[0]) == []


def test_a_member_that_was_paused_meanwhile_is_left_alone(members, monkeypatch, capsys):
    doing(monkeypatch, one=lambda: local.pause(members[1]))
    assert foreground.work(members, "") == 0
    assert BEGUN == ["s-one", "s-three"] and states(members) == ["finished", "paused", "finished"]
    assert "s-two: left alone: it is paused now" in capsys.readouterr().err


def test_what_an_earlier_worker_was_asked_does_not_hold_for_the_next(members):
    members[1].ask("pause")
    with local.planned(members) as is_left:
        assert all(map(is_left, members)) and members[1].wish() == "resume"


def test_what_looks_at_a_paused_run_does_not_hold_up_the_others(members, store, monkeypatch, capsys):
    near = store.create(replace(members[0].config(), name="s-near", kind="baseline", source="s-two"), {})
    doing(monkeypatch, one=lambda: local.pause(members[1]))
    assert foreground.work([*members[:2], near, members[2]], "") == 0
    assert BEGUN == ["s-one", "s-three"] and near.status().state == "stopped"
    assert "s-near: left alone: s-two, which it looks at, is paused" in capsys.readouterr().err


def test_verbs_take_a_whole_study(members, monkeypatch, capsys):
    local.stop(members[0])
    assert main(["pause", "s"]) == 0
    said = capsys.readouterr().err
    assert "s-two is paused now" in said and "s-three is paused now" in said and "1 of 3 runs do not run" in said
    doing(monkeypatch, two=UserError("it is broken"))
    assert main(["resume", "s"]) == 1 and BEGUN == ["s-one", "s-two", "s-three"]
    write_json(members[1].status_file, asdict(replace(members[1].status(), state="failed")))
    doing(monkeypatch)
    monkeypatch.setattr(foreground, "show_run", lambda name: 0)
    assert main(["retry", "s"]) == 0 and BEGUN == ["s-two"]
    assert main(["retry", "s"]) == 2 and "is finished; only a failed" in capsys.readouterr().err
    assert main(["export", "s"]) == 2 and "'s' begins the names of 3 runs" in capsys.readouterr().err
    assert main(["delete", "s"]) == 0 and "s-one is in the trash" in capsys.readouterr().out
    assert [run for run in members if run.path.exists()] == []


def test_show_and_report_name_what_is_not_finished(store, capsys):
    for name, state in (("s-one", "finished"), ("s-two", "failed"), ("s-three", "paused")):
        fake_distill(store, state, name=name, study="s", frames=2)
    assert main(["show", "s"]) == 0
    words = "2 of 3 runs are not finished: s-two failed (The device ran out of memory."
    said = capsys.readouterr().out
    assert words in said and "s-three is paused; `lgm resume s`" in said
    assert words in study_report("s", store.study("s"))
    assert unfinished_words([store.open("s-one")]) == ""


def test_a_study_without_results_is_a_sentence_and_no_empty_table(members, capsys):
    assert main(["show", "s"]) == 0
    said = capsys.readouterr().out
    assert "no result yet" in said and "┃" not in said and "3 of 3 runs are not finished" in said


def test_the_time_of_earlier_workers_is_kept_while_a_run_waits(members):
    run = members[0]
    ended = replace(run.status(), state="stopped", started=100.0, heartbeat=130.0, spent=5.0)
    write_json(run.status_file, asdict(ended))
    local.mark_queued(run, "")
    assert run.status().seconds == 35
    write_json(run.status_file, asdict(replace(run.status(), state="stopped")))
    with local.planned(members):
        assert run.status().seconds == 35
