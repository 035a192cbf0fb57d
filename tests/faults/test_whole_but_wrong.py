"""Files and folders that can be read, and hold what no version of the program wrote there."""

import json
import os
from pathlib import Path

import numpy as np
import pytest
import torch
from starlette.applications import Starlette
from starlette.testclient import TestClient

from lgm_core.analysis.thumbnails import Thumbnails
from lgm_core.base.costs import DataSize
from lgm_core.base.errors import DamagedFile, UserError
from lgm_core.base.files import read_json, write_json
from lgm_core.base.places import Places
from lgm_core.base.settings import RecordConfig
from lgm_core.base.tensor_files import save_tensors
from lgm_core.config import RunConfig
from lgm_core.datasets.image_set import ArrayImages
from lgm_core.datasets.resized_imagenet import _map_rows
from lgm_core.jobs import calibrations
from lgm_core.jobs.forking import prepare_fork
from lgm_core.jobs.tickets import new_ticket, waiting_tickets, write_ticket
from lgm_core.methods.lgm.levels import level_facts
from lgm_core.reports.unseen import reports_of
from lgm_core.runs.checkpoints import read_checkpoint
from lgm_core.runs.heart import Heart
from lgm_core.runs.recorder import Recorder
from lgm_core.runs.store import RunStore
from lgm_core.runs.trash import Trash
from pages.parts.server.routes import ROUTES
from tests.fake_runs import fake_distill


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> RunStore:
    monkeypatch.setenv("LGM_CACHE", str(tmp_path))
    return RunStore(tmp_path / "runs")


@pytest.mark.parametrize("changes", [{"views": None}, {"seconds": 5}, {"seconds": ["1"]}, {"device": 3}])
def test_a_measurement_without_its_numbers_is_none(changes: dict, here: Places, tmp_path: Path, monkeypatch):
    file = tmp_path / "m.json"
    whole = {"views": [1, 3], "seconds": [0.1, 0.2], "bytes": [1, 2], "forward_seconds": 0.1, "device": "cpu"}
    monkeypatch.setattr(calibrations, "measurement_file", lambda config, data, places: file)
    for values, known in ((whole, True), (whole | changes, False)):
        write_json(file, {name: value for name, value in values.items() if value is not None})
        found = calibrations.measured_here(RunConfig(), DataSize(train=10, test=10, classes=2, grey=False), here)
        assert (found is not None) == known


def test_hidden_folders_in_the_trash_that_are_no_numbers_are_left_alone(store: RunStore):
    for name in (".old", ".99999999999", ".²", ".-3"):
        (store.root / ".trash" / name / "one").mkdir(parents=True)
    trash = Trash(store)
    for steps in (5, 6):
        fake_distill(store, name="one", steps=steps, frames=2)
        trash.put("one")
    assert trash.names() == ["one"] and (store.root / ".trash" / ".2" / "one" / "config.json").exists()
    assert trash.restore("one").config().steps == 6


@pytest.mark.parametrize("step", ["9" * 5000, "²", "٣", "-1", ""])
def test_a_checkpoint_that_names_no_step_is_damaged(step: str, store: RunStore):
    run = fake_distill(store, "paused", name="one", steps=20)
    save_tensors({"synthetic.level_0004": torch.zeros(2, 3, 4, 4)}, run.checkpoint, {"next_step": step})
    assert any("checkpoint.safetensors is damaged" in words for words in run.problems())
    assert level_facts(run)[0] == 0
    _, _, notes = read_checkpoint(run)
    assert "does not name its step" in notes[0] and run.checkpoint.with_suffix(".safetensors.damaged").exists()


@pytest.mark.parametrize("tensors", [{"x": torch.zeros(2)}, {"synthetic.pixels": torch.tensor(1.0)}])
def test_a_fork_from_a_checkpoint_without_images_is_refused_in_a_sentence(tensors: dict, store: RunStore, here: Places):
    run = fake_distill(store, "paused", name="one", steps=20)
    lines = [{name: value for name, value in line.items() if name != "count"} for line in run.frame_list()]
    run.frame_index.write_text("".join(json.dumps(line) + "\n" for line in lines))
    save_tensors(tensors, run.checkpoint, {"next_step": "20"})
    with pytest.raises(UserError, match="holds no images"):
        prepare_fork(run, lines[0]["step"], {"steps": 30}, here)


@pytest.mark.parametrize("changes", [{"run": "a\0b"}, {"run": ""}, {"run": 3}, {"environment": {"LGM_X": "\0"}}])
def test_a_ticket_that_nobody_could_begin_is_cleared_away(changes: dict, store: RunStore):
    run, queue = store.create(RunConfig(name="one"), {}), store.root.parent / "slots" / "queue"
    for odd in (False, True):
        file = new_ticket(queue, run)
        write_ticket(file, run, ["cpu-0"], {})
        write_json(file, read_json(file) | (changes if odd else {}))
    assert [ticket.run.id for ticket in waiting_tickets(queue)] == ["one"] and len([*queue.iterdir()]) == 1


@pytest.mark.parametrize("changes", [{"pid": 2**40}, {"pid": -1}, {"heartbeat": 1e300}, {"started": float("nan")},
                                     {"cluster": "a\0b"}, {"ticket": "\0"}])  # fmt: skip
def test_a_status_of_no_process_or_time_is_damaged(changes: dict, store: RunStore):
    run = fake_distill(store, "running", name="one", steps=20)
    write_json(run.status_file, read_json(run.status_file) | changes)
    assert run.status().state == "lost" and "status.json is damaged" in " ".join(run.problems())


def test_images_unpacked_from_another_archive_are_unpacked_again(tmp_path: Path):
    archive, unpacked = tmp_path / "batch.npz", tmp_path / "batch.data.npy"
    for number, made in ((1, 10), (2, 5000), (3, 7000)):
        np.savez_compressed(archive, data=np.full((2, 3 * 64 * 64), number, np.uint8), labels=np.array([1, 2]))
        os.utime(archive, (made, made))
        assert (_map_rows(archive) == number).all()
        inode = unpacked.stat().st_ino
        assert (_map_rows(archive) == number).all() and unpacked.stat().st_ino == inode
    unpacked.write_bytes(unpacked.read_bytes()[:-1])
    os.utime(unpacked, (7000, 7000))
    assert (_map_rows(archive) == 3).all()


def test_an_index_of_thumbnails_with_a_flipped_bit_is_damaged_and_drawn_again(tmp_path: Path):
    images = ArrayImages(name="x", shards=[np.zeros((4, 8, 8, 3), np.uint8)], labels=[0, 0, 1, 1], classes=["a", "b"])
    for _ in range(2):
        thumbnails = Thumbnails(images, "x", "test", tmp_path)
        thumbnails.begin()
        thumbnails._thread.join()  # type: ignore[union-attr]
        index = thumbnails.index_file
        assert read_json(index)["labels"] == [0, 0, 1, 1]
        index.write_text(index.read_text().replace("[0, 0, 1, 1]", "[0, 1, 1, 1]"))
        with pytest.raises(DamagedFile, match="index.json is damaged"):
            read_json(index)


@pytest.mark.parametrize("part", ["frames", "evals"])
def test_a_folder_of_a_received_run_that_is_a_link_shows_nothing_of_where_it_leads(part: str, store: RunStore):
    run, secret = fake_distill(store, name="one", steps=20), store.root.parent / "secret"
    client, frame = TestClient(Starlette(routes=ROUTES)), run.frame_list()[0]["file"]
    addresses = {"frames": (f"/app/static/runs/one/frames/{frame}", "/api/runs/one/frames")}.get(part, ())
    assert all(client.get(address).status_code == 200 for address in addresses) and run.problems() == []
    (run.path / part).rename(secret)
    (run.path / part).symlink_to(secret)
    assert all(client.get(address).status_code == 404 for address in addresses)
    assert (run.frame_list() if part == "frames" else run.eval_reports()) == []
    assert client.get("/api/runs/one/evals").json() == {"evals": [] if part == "evals" else reports_of(run)}
    assert f"{part} is a link, which may lead out of the run: left out" in run.problems()


@pytest.mark.parametrize("name", ["metrics.jsonl", "log.txt", "writer.lock", "frames/index.jsonl", "evals"])
def test_a_run_is_not_written_through_a_link(name: str, store: RunStore):
    run, victim = store.create(RunConfig(name="one"), {}), store.root.parent / "victim"
    victim.write_text("precious")
    (run.path / name).parent.mkdir(exist_ok=True)
    (run.path / name).symlink_to(victim)
    with pytest.raises(DamagedFile, match=f"{name} is a link"), Recorder(run, RecordConfig(), steps=4) as recorder:
        recorder.metric(0, {"loss": 1.0})
    with pytest.raises(DamagedFile, match=f"{name} is a link"), Heart(run, state="queued"):
        pass
    assert victim.read_text() == "precious"


def test_all_that_was_recorded_is_on_the_disk_before_a_checkpoint_or_a_result(store: RunStore, monkeypatch):
    """No power loss leaves a checkpoint that is ahead of its metrics or frames."""
    run, flushed = store.create(RunConfig(name="one"), {}), []
    monkeypatch.setattr("lgm_core.runs.recorder.to_disk", lambda path: flushed.append(path.name))
    monkeypatch.setattr("lgm_core.runs.recorder.write_checkpoint", lambda run, step, state: flushed.append(step))
    with Recorder(run, RecordConfig(), steps=4) as recorder:
        recorder.metric(0, {"loss": 1.0})
        recorder.frame(0, torch.rand(2, 3, 8, 8))
        recorder.checkpoint(1, {})
    assert flushed == ["metrics.jsonl", "index.jsonl", "frames", 1]
