"""The run directory: readers that forgive, writers that exclude each other, states as a user should see them."""

import json
import time
from dataclasses import asdict, replace
from pathlib import Path

import pytest
import torch
from PIL import Image

from lgm_core.base.errors import UserError
from lgm_core.base.files import readable_lines, write_json
from lgm_core.base.settings import RecordConfig
from lgm_core.config import RunConfig
from lgm_core.runs.frames import frame_steps
from lgm_core.runs.identity import differences
from lgm_core.runs.recorder import Recorder, Stopped
from lgm_core.runs.status import Status
from lgm_core.runs.store import RunFolder, RunStore


@pytest.fixture
def store(tmp_path) -> RunStore:
    return RunStore(tmp_path / "runs")


@pytest.fixture
def run(store) -> RunFolder:
    return store.create(RunConfig(name="one", steps=40), {"torch": "0"})


def _recorder(run: RunFolder, **values: object) -> Recorder:
    return Recorder(run, RecordConfig(**values), steps=40)


def test_a_half_written_line_is_left_for_later(run):
    run.metrics_file.write_text('{"step": 0}\n{"step": 1}\n{"st')
    lines, offset, _ = readable_lines(run.metrics_file)
    assert [line["step"] for line in lines] == [0, 1]
    with run.metrics_file.open("a") as file:
        file.write('ep": 2}\n')
    assert [line["step"] for line in readable_lines(run.metrics_file, offset).good] == [2]


def test_states_from_start_to_end(run):
    assert run.status().state == "queued" and run.status().active
    with _recorder(run) as recorder:
        assert run.status().state == "running" and run.has_writer()
        recorder.phase("distilling", 3, 40)
    assert run.status().state == "finished" and not run.has_writer()


def test_a_stale_heartbeat_is_lost(run):
    write_json(run.status_file, asdict(Status(state="running", heartbeat=time.time() - 60)))
    assert run.status().state == "lost"


def test_two_writers_exclude_each_other(run):
    with _recorder(run), pytest.raises(UserError, match="another process is writing"), _recorder(run):
        pass
    assert run.status().state == "finished"


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (torch.OutOfMemoryError("CUDA out of memory"), "ran out of memory. Lower lgm.views"),
        (UserError("the file x is broken; fetch it again"), "the file x is broken; fetch it again"),
        (
            RuntimeError("can't start new thread"),
            "it ran out of memory, or reached its limit of threads. Lower lgm.views",
        ),
        (RuntimeError("odd"), "RuntimeError: odd"),
    ],
)
def test_a_failure_is_one_plain_sentence_and_the_log_has_the_rest(run, error, words):
    with pytest.raises(type(error)), _recorder(run):
        raise error
    assert run.status().state == "failed" and words in run.status().error
    assert "Traceback" not in run.status().error and "Traceback" in run.log_tail()


def test_a_wish_from_before_the_start_is_forgotten_and_a_new_one_is_obeyed(run):
    run.ask("stop")
    with _recorder(run) as recorder:
        recorder.phase("distilling", 0, 40)
        run.ask("pause")
        time.sleep(0.25)
        recorder.phase("distilling", 1, 40)
        raise AssertionError("phase should have raised Stopped")
    assert recorder.state == "paused" and run.status().state == "paused"
    assert Stopped("paused").state == "paused"


def test_restore_forgets_what_came_after_the_checkpoint(run):
    with _recorder(run) as recorder:
        for step in range(6):
            recorder.metric(step, {"loss": step})
        recorder.checkpoint(4, {"x": torch.ones(2)})
    with _recorder(run) as recorder:
        next_step, state = recorder.restore()
    assert next_step == 4 and torch.equal(state["x"], torch.ones(2))
    assert [line["step"] for line in run.metrics()] == [0, 1, 2, 3]


@pytest.mark.parametrize("count", [1, 10, 26, 100])
def test_frames_hold_every_image_in_order(run, count):
    shades = torch.arange(count).float() / count
    with _recorder(run) as recorder:
        recorder.frame(7, shades.view(-1, 1, 1, 1).expand(count, 3, 64, 64))
    (frame,) = run.frame_list()
    atlas = Image.open(run.frames / frame["file"]).convert("L")
    assert atlas.size == (frame["columns"] * frame["side"], frame["rows"] * frame["side"])
    for index in range(count):
        y, x = divmod(index, frame["columns"])
        shade = atlas.getpixel((int((x + 0.5) * frame["side"]), int((y + 0.5) * frame["side"])))
        assert abs(shade / 255 - shades[index]) < 0.04


def test_frames_are_dense_early_sparse_late_and_have_both_ends():
    steps = sorted(frame_steps(5000, 200))
    assert steps[0] == 0 and steps[-1] == 4999 and 150 < len(steps) <= 200
    assert steps[2] - steps[1] <= 3 and steps[-1] - steps[-2] > 30
    assert frame_steps(5, 200) == {0, 1, 2, 3, 4} and frame_steps(1, 10) == {0}


def test_runs_are_found_by_id_prefix_and_the_unknown_is_answered(store, run):
    store.create(RunConfig(name="two-words"), {})
    assert store.open("two").id == "two-words" and store.open("one").id == "one"
    store.create(RunConfig(name="two-more"), {})
    with pytest.raises(UserError, match="'two' begins the names of 2 runs; give one of them: two-"):
        store.open("two")
    with pytest.raises(UserError, match="unknown run 'ome'; did you mean 'one'"):
        store.open("ome")
    with pytest.raises(UserError, match="no runs in"):
        RunStore(store.root / "nowhere").open("x")


def test_the_same_command_finds_its_run_and_another_does_not(store):
    config = RunConfig(steps=9)
    run = store.create(config, {})
    assert store.same(replace(config, study="s", evaluate_on=("x",))).id == run.id
    assert store.same(replace(config, steps=8)) is None


def test_differences_name_the_settings():
    other = replace(RunConfig(), steps=3, lgm=replace(RunConfig().lgm, views=99))
    lines = differences(RunConfig(), other)
    assert len(lines) == 2 and lines[1].startswith("lgm.views: ") and lines[1].endswith("/ 99")


def test_config_is_written_first_and_opens_again(store, run):
    assert run.config() == RunConfig(name="one", steps=40)
    assert json.loads(run.config_file.read_text())["environment"] == {"torch": "0"}


def test_a_run_that_is_just_being_made_is_not_listed(store, monkeypatch: pytest.MonkeyPatch):
    """Its folder has a config under a passing name then; a page that listed it lost it in the next moment."""
    seen = []

    def rename(new: Path, path: Path) -> Path:
        seen.append((new / "config.json").exists())
        seen.append(RunStore(store.root).listed())
        return os_rename(new, path)

    os_rename = Path.rename
    monkeypatch.setattr(Path, "rename", rename)
    store.create(replace(RunConfig(), name="one"), {})
    assert seen == [True, []] and [run.id for run in store.runs()] == ["one"]
