"""Corrupt is not absent: damaged files are named, left out by readers, set aside by writers, and stop nothing."""

import pytest
import torch
from starlette.applications import Starlette
from starlette.testclient import TestClient

from lgm_core.base.errors import DamagedFile
from lgm_core.base.files import append_line, forget_from, read_json, readable_lines, starts_line, write_json
from lgm_core.base.settings import RecordConfig
from lgm_core.cli.look import show_run
from lgm_core.config import RunConfig
from lgm_core.jobs import local
from lgm_core.reports.page import run_report, study_report
from lgm_core.runs.heart import Heart
from lgm_core.runs.recorder import Recorder
from lgm_core.runs.status import Status
from lgm_core.runs.store import RunFolder, RunStore
from pages.parts.server.routes import ROUTES
from tests.fake_runs import fake_distill

JUNK = (b"{", b"", b"[1, 2]", b"\xff\xfe{}", b"null", b'"text"')
BAD_LINES = (b"{", b"[]", b"3", b"\xff", b'{"loss": 1}', b'{"step": "4"}', b'{"step": true}', b'{"step": 1.5}')


@pytest.fixture
def store(tmp_path, monkeypatch) -> RunStore:
    monkeypatch.setenv("LGM_CACHE", str(tmp_path))
    return RunStore(tmp_path / "runs")


@pytest.fixture
def run(store) -> RunFolder:
    return fake_distill(store, "finished", name="one", steps=20)


def _recorder(run: RunFolder) -> Recorder:
    return Recorder(run, RecordConfig(), steps=20)


def _put_in_the_middle(path, line: bytes) -> None:
    lines = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(b"".join([*lines[:2], line + b"\n", *lines[2:]]))


@pytest.mark.parametrize("junk", JUNK)
def test_what_is_missing_is_empty_and_what_is_damaged_is_an_error(tmp_path, junk):
    file = tmp_path / "x.json"
    assert read_json(file) == {} and readable_lines(file) == ([], 0, 0)
    file.write_bytes(junk)
    with pytest.raises(DamagedFile, match="x.json is damaged"):
        read_json(file)


@pytest.mark.parametrize("bad", BAD_LINES)
def test_a_damaged_line_is_counted_and_the_others_are_read(tmp_path, bad):
    file = tmp_path / "x.jsonl"
    file.write_bytes(b'{"step": 0}\n' + bad + b'\n{"step": 2}\n{"st')
    found = readable_lines(file)
    assert ([line["step"] for line in found.good], found.damaged) == ([0, 2], 1)
    assert found.end == file.stat().st_size - 4 and readable_lines(file, found.end) == ([], found.end, 0)
    assert starts_line(file, 12) and not starts_line(file, 5) and not starts_line(file, 10**6)


def test_what_cannot_be_read_at_all_is_damaged(tmp_path):
    with pytest.raises(DamagedFile, match="is a folder, not a regular file"):
        read_json(tmp_path)


def test_forgetting_sets_the_damaged_file_aside_and_never_overwrites_one(tmp_path):
    file = tmp_path / "metrics.jsonl"
    for turn, aside in enumerate(("metrics.jsonl.damaged", "metrics.jsonl.damaged-2")):
        file.write_bytes(b'{"step": 0}\n{\n{"step": 2}\n')
        before = file.read_bytes()
        assert aside in forget_from(file, 2), turn
        assert file.read_text() == '{"step": 0}\n' and (tmp_path / aside).read_bytes() == before
    assert forget_from(file, 1) == "" and forget_from(tmp_path / "none.jsonl", 1) == ""


@pytest.mark.parametrize("junk", JUNK)
def test_a_damaged_report_is_named_wherever_results_are_shown(run, junk, capsys):
    before = len(run.eval_reports())
    (run.evals / "mobilenet_v2-on-imagenette.json").write_bytes(junk)
    assert before == 2 and len(run.eval_reports()) == 1
    (problem,) = run.problems()
    assert "evals/mobilenet_v2-on-imagenette.json is damaged" in problem and "evaluate again" in problem
    assert show_run("one") == 0 and problem in capsys.readouterr().out
    assert "mobilenet_v2-on-imagenette.json is damaged" in run_report(run)
    assert "mobilenet_v2-on-imagenette.json is damaged" in study_report("s", [run])


def test_a_studys_table_names_a_report_that_it_leaves_out(store, capsys):
    run = fake_distill(store, name="s-one", study="s")
    (run.evals / "mobilenet_v2-on-imagenette.json").write_bytes(b"{")
    assert show_run("s") == 0
    assert "note: s-one: evals/mobilenet_v2-on-imagenette.json is damaged" in capsys.readouterr().out


def test_readers_leave_out_what_is_damaged_and_go_on(run):
    counts = [len(lines) for lines in (run.metrics(), run.trail(), run.frame_list())]
    for path in (run.metrics_file, run.trail_file, run.frame_index):
        for bad in BAD_LINES:
            _put_in_the_middle(path, bad)
    for path in (run.map_file, run.alignment_file, run.control_file, run.choice):
        path.write_bytes(b"{")
    assert [len(lines) for lines in (run.metrics(), run.trail(), run.frame_list())] == counts
    assert (run.map(), run.alignment(), run.wish()) == ({}, {}, "")
    problems = run.problems()
    assert len(problems) == 6 and f"metrics.jsonl has {len(BAD_LINES)} damaged lines" in " ".join(problems)
    assert any(problem.startswith("frames/index.jsonl has 8") for problem in problems)
    run_report(run)


@pytest.mark.parametrize("junk", [*JUNK, b'{"step": "many"}', b'{"state": "asleep"}', b'{"notes": 3}'])
def test_a_damaged_status_stops_no_run_from_being_resumed(run, junk, monkeypatch):
    run.status_file.write_bytes(junk)
    assert run.status().state == "lost" and "status.json is damaged" in run.problems()[0]
    attended = []
    monkeypatch.setattr(local, "attend", attended.append)
    local.resume(run)
    assert (
        attended and run.ticket() and run.status().state == "queued" and "status.json.damaged" in run.status().notes[0]
    )
    assert (run.path / "status.json.damaged").read_bytes() == junk and run.problems() == []
    with _recorder(run):
        assert "status.json.damaged" in run.status().notes[0], "the worker keeps the note of whoever sent for it"


def test_a_writer_sets_aside_what_is_damaged_and_says_so(store):
    other = fake_distill(store, name="one", steps=20)
    report, whole = other.eval_reports()[0], other.map()
    run = store.create(RunConfig(name="two", steps=20), {})
    with _recorder(run) as recorder:
        for step in range(6):
            recorder.metric(step, {"loss": step})
        recorder.checkpoint(4, {"x": torch.ones(2)})
        recorder.evaluation("a", report | {"top1": 0.5})
    _put_in_the_middle(run.metrics_file, b"{")
    for path in (run.status_file, run.evals / "a.json", run.map_file):
        path.write_bytes(b"{")
    with _recorder(run) as recorder:
        assert recorder.restore()[0] == 4
        recorder.evaluation("a", report | {"top1": 0.6})
        recorder.map(whole, {})
    assert [line["step"] for line in run.metrics()] == [0, 1, 2, 3]
    notes = " ".join(run.status().notes)
    names = ("metrics.jsonl", "status.json", "map.json")
    assert all(f"{name}.damaged" in notes and (run.path / f"{name}.damaged").exists() for name in names)
    assert (run.evals / "a.json.damaged").read_bytes() == b"{" and [r["top1"] for r in run.eval_reports()] == [0.6]
    assert run.problems() == [] and run.status().state == "finished"


def test_a_writer_at_work_outlives_a_damaged_status(store):
    run = store.create(RunConfig(name="two", steps=20), {})
    with _recorder(run):
        run.status_file.write_bytes(b"{")
        assert run.status().state == "running"


def test_the_status_as_written_is_read_anew_when_it_changes(run):
    for step in range(3):
        write_json(run.status_file, vars(Status(state="finished", step=step)) | {"notes": ["x"]})
        assert (run.status().step, run.status().notes) == (step, ("x",))


def test_the_api_answers_for_damaged_files(run):
    client = TestClient(Starlette(routes=ROUTES), raise_server_exceptions=False)
    whole = client.get("/api/runs/one/metrics").json()
    _put_in_the_middle(run.metrics_file, b"{")
    _put_in_the_middle(run.metrics_file, b"\xff\xff")
    _put_in_the_middle(run.metrics_file, b"[3]")
    found = client.get("/api/runs/one/metrics").json()
    assert found["lines"] == whole["lines"] and found["damaged"] == 3 and not found["reset"]
    append_line(run.metrics_file, {"step": 20})
    assert client.get(f"/api/runs/one/metrics?offset={found['offset']}").json()["lines"] == [{"step": 20}]
    assert client.get("/api/runs/one/metrics?offset=5").json()["reset"]
    (run.evals / "mobilenet_v2-on-imagenette.json").write_bytes(b"{")
    assert len(client.get("/api/runs/one/evals").json()["evals"]) == 1
    assert len(client.get("/api/runs/one").json()["problems"]) == 2
    bad = run.path.parent / "bad"
    bad.mkdir()
    (bad / "config.json").write_bytes(b"{")
    assert client.get("/api/runs/bad").status_code == 404
    listed = client.get("/api/runs").json()
    assert [one["id"] for one in listed["runs"]] == ["one"] and "bad" in listed["left_out"][0]


def test_what_a_killed_writer_left_half_written_is_swept_by_the_next(tmp_path):
    run = RunStore(tmp_path).create(RunConfig(name="killed"), {})
    run.frames.mkdir()
    left = [run.path / ".checkpoint.safetensors.17-18.new", run.frames / ".000003.webp.17-18.new.webp"]
    for file in left:
        file.write_bytes(b"half")
    asked = run.path / ".control.json.17-18.new"  # another process may be asking for something just now
    asked.write_bytes(b"half")
    with Heart(run, state="running"):
        assert not any(file.exists() for file in left) and run.config_file.exists() and asked.exists()


def test_the_number_of_steps_is_known_again_after_a_damaged_status(run):
    run.status_file.write_bytes(b"{")
    with _recorder(run) as recorder:
        recorder.phase("distilling", 3, 20)
    assert (run.status().step, run.status().steps) == (3, 20)


def test_live_accuracies_and_notes_of_another_type_are_named(run):
    run.metrics_file.write_text('{"step": 0, "loss": 1.0, "live:conv": 0.5}\n{"step": 1, "live:conv": "x"}\n')
    run.marks_file.write_text('{"note": 3}')
    assert [line["step"] for line in run.metrics()] == [0]
    told = " ".join(run.problems())
    assert "metrics.jsonl has 1 damaged line" in told and "notes.json is damaged" in told
