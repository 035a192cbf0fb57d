"""The trash: a run is moved there and back whole, its name is free meanwhile, and nobody's work is pulled away."""

from dataclasses import asdict
from pathlib import Path

import pytest

from lgm_core.base.errors import UserError
from lgm_core.base.files import write_json
from lgm_core.cli.main import main
from lgm_core.runs.heart import Heart
from lgm_core.runs.status import Status
from lgm_core.runs.store import RunStore
from lgm_core.runs.trash import Trash
from tests.fake_runs import fake_distill, fake_embed


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> RunStore:
    monkeypatch.setenv("LGM_CACHE", str(tmp_path))
    return RunStore(tmp_path / "runs")


def files(folder: Path) -> dict[str, bytes]:
    found = {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    return {name: data for name, data in found.items() if name != "writer.lock"}


def test_a_run_goes_to_the_trash_and_comes_back_whole(store: RunStore):
    run, trash = fake_distill(store, name="one", frames=3), Trash(store)
    before = files(run.path)
    assert trash.put("one") == [] and store.runs() == [] and store.unreadable() == []
    assert trash.names() == ["one"] and files(store.root / ".trash" / "one") == before
    with pytest.raises(UserError, match="there are no runs"):
        store.open("one")
    assert files(trash.restore("one").path) == before and [found.id for found in store.runs()] == ["one"]
    assert trash.names() == []


def test_runs_of_one_name_are_kept_apart_and_the_last_comes_back_first(store: RunStore):
    trash = Trash(store)
    for steps in (5, 6, 7):
        fake_distill(store, name="one", steps=steps, frames=2)
        trash.put("one")
    assert trash.names() == ["one"]
    assert [trash.restore("one").config().steps, trash.put("one"), trash.restore("one").config().steps] == [7, [], 7]
    with pytest.raises(UserError, match="a run 'one' exists again"):
        trash.restore("one")
    (store.root / "one").rename(store.root / "seven")
    assert trash.restore("one").config().steps == 6


def test_what_somebody_works_on_stays(store: RunStore):
    trash, run = Trash(store), fake_distill(store, "paused", name="one", frames=2)
    with Heart(run, state="running"), pytest.raises(UserError, match="stop it first"):
        trash.put("one")
    for name, state in (("two", "running"), ("three", "queued")):  # on another machine; sent for a moment ago
        fake_distill(store, state, name=name, frames=2)
        with pytest.raises(UserError, match=f"is {state}"):
            trash.put(name)
    planned = fake_distill(store, "queued", name="four", frames=2)
    write_json(planned.status_file, asdict(Status()))
    lost = fake_distill(store, "lost", name="five", frames=2)
    assert trash.put(planned.id) == trash.put(lost.id) == []
    assert [found.id for found in store.runs()] == ["one", "two", "three"]


def test_runs_that_look_at_it_are_told(store: RunStore):
    trash, source = Trash(store), fake_distill(store, name="one", frames=2)
    fake_embed(store, source, name="map", backbone="mobilenet_v2")
    fork = fake_distill(store, "running", name="fork", source="one", frames=2)
    with pytest.raises(UserError, match="source of fork, still unfinished"):
        trash.put("one")
    write_json(fork.status_file, asdict(Status(state="finished")))
    (note,) = trash.put("one")
    assert note.startswith("one is the source of map, fork:") and source.path.exists() is False


@pytest.mark.parametrize("name", ["", "..", "a/b", ".trash", "../runs/one", "on", "one/."])
def test_only_a_whole_name_is_taken(store: RunStore, name: str):
    fake_distill(store, name="one", frames=2)
    with pytest.raises(UserError, match="unknown run"):
        Trash(store).put(name)
    assert [run.id for run in store.runs()] == ["one"]


def test_the_command_line_says_what_became_of_each(store: RunStore, capsys: pytest.CaptureFixture[str]):
    for name, state in (("one", "finished"), ("two", "running"), ("three", "failed")):
        fake_distill(store, state, name=name, frames=2)
    assert main(["delete", "one", "twoo"]) == 2  # a wrong name moves none
    told = capsys.readouterr()
    assert told.out == "" and "did you mean 'two'?; nothing was deleted" in told.err
    assert main(["delete", "one", "two", "three"]) == 2
    told = capsys.readouterr()
    assert "one is in the trash" in told.out and "three is in the trash" in told.out and "'two' is running" in told.err
    assert main(["delete", "--restore", "three"]) == 0 and "three is restored" in capsys.readouterr().out
    assert main(["delete", "--empty"]) == 2 and "1 run (one)" in capsys.readouterr().err
    assert Trash(store).names() == ["one"]
    assert main(["delete", "--empty", "--yes"]) == 0 and Trash(store).names() == []
    assert main(["delete"]) == 2 and "name the runs" in capsys.readouterr().err
    assert {run.id for run in store.runs()} == {"two", "three"}
    assert main(["delete", "--empty"]) == 0 and "is empty" in capsys.readouterr().out
