"""Files and folders that can be read, and hold what no version of the program wrote there."""

import json
from pathlib import Path

import pytest
import torch

from lgm_core.base.costs import DataSize
from lgm_core.base.errors import UserError
from lgm_core.base.files import read_json, write_json
from lgm_core.base.places import Places
from lgm_core.base.tensor_files import save_tensors
from lgm_core.config import RunConfig
from lgm_core.jobs import calibrations
from lgm_core.jobs.forking import prepare_fork
from lgm_core.jobs.tickets import new_ticket, waiting_tickets, write_ticket
from lgm_core.methods.lgm.levels import level_facts
from lgm_core.runs.checkpoints import read_checkpoint
from lgm_core.runs.store import RunStore
from lgm_core.runs.trash import Trash
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
