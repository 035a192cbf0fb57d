"""A note, a star and tags: written, shown, filtered by; no part of what a run is; safe beside a worker and damage."""

import json
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from starlette.applications import Starlette
from starlette.testclient import TestClient

from lgm_core.cli.main import main
from lgm_core.runs.heart import Heart
from lgm_core.runs.marks import mark
from lgm_core.runs.store import RunFolder, RunStore
from pages.parts.server.routes import ROUTES
from tests.fake_runs import fake_distill


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> RunFolder:
    monkeypatch.setenv("LGM_CACHE", str(tmp_path))
    monkeypatch.setenv("COLUMNS", "250")
    store = RunStore(tmp_path / "runs")
    fake_distill(store, name="other")
    return fake_distill(store, name="one")


def test_what_is_said_is_kept_until_it_is_changed(run: RunFolder, capsys):
    assert main(["note", "one", "green  parachutes", "--star", "--tag", "figure 2", "--tag", "best"]) == 0
    assert main(["note", "one", "--no-star", "--untag", "best", "--tag", "figure 2"]) == 0
    assert json.loads(run.marks_file.read_text()) == {
        "note": "green  parachutes",
        "starred": False,
        "tags": ["figure 2"],
    }
    assert main(["note", "one"]) == 0 and main(["show", "one"]) == 0
    assert capsys.readouterr().out.count("green parachutes #figure 2") == 4 and not run.problems()
    assert main(["note", "one", "", "--untag", "figure 2"]) == 0
    assert "no note, star or tags" in capsys.readouterr().out


def test_runs_are_listed_by_tag_and_star(run: RunFolder, capsys):
    mark(run.marks_file, starred=True, add=["best"])
    for words, both in (([], True), (["--starred"], False), (["--tag", "best"], False), (["--tag=no"], None)):
        assert main(["list", "runs", *words]) == 0
        said = capsys.readouterr().out.replace("none", "")
        assert ("one" in said, "other" in said) == (both is not None, bool(both)), words
    assert main(["list", "presets", "--starred"]) == 2


def test_the_api_tells_it(run: RunFolder):
    said = {"note": "good", "starred": True, "tags": ["a"]}
    mark(run.marks_file, note="good", starred=True, add=["a"])
    with TestClient(Starlette(routes=ROUTES)) as client:
        told = {one["id"]: one["marks"] for one in client.get("/api/runs").json()["runs"]}
        assert told == {"one": said, "other": {"note": "", "starred": False, "tags": []}}
        assert client.get("/api/runs/one").json()["marks"] == said


def test_it_is_no_part_of_what_the_run_is(run: RunFolder):
    before = run.config_file.read_bytes()
    mark(run.marks_file, note="new")
    assert run.config_file.read_bytes() == before and "notes" not in before.decode()


def test_several_writers_and_a_worker_lose_nothing(run: RunFolder):
    half = run.path / f".{run.marks_file.name}.1-1.new"
    half.write_text("half")  # another process is about to replace the file
    with Heart(run, state="running"), ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda number: mark(run.marks_file, add=[str(number)]), range(40)))
    assert sorted(run.marks().tags, key=int) == [str(number) for number in range(40)] and half.exists()


@pytest.mark.parametrize("text", ["{", "[]", '{"note": 3, "tags": [1, "a"], "starred": "yes"}'])
def test_a_damaged_file_is_in_nobodys_way_and_kept(text: str, run: RunFolder):
    run.marks_file.write_text(text)
    assert run.marks().words() in ("", "#a")
    assert [said.split(":")[0] for said in run.problems()] == ["notes.json is damaged and left out"]
    mark(run.marks_file, note="anew")
    assert run.marks().note == "anew" and not run.problems()
    assert (run.path / "notes.json.damaged").read_text() == text


def test_wrong_tags_are_answered_in_plain_words(run: RunFolder, capsys):
    assert main(["note", "one", "--tag", "a,b"]) == main(["note", "one", "--untag", "c"]) == 2
    said = capsys.readouterr().err
    assert "without commas; 'a,b' was given" in said and "one has no tag 'c'; it has none" in said
