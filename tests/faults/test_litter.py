"""What a kill leaves half written is cleared away later; what another process writes just now is not."""

import errno
import os
import sys
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors import safe_open

from lgm_core.analysis.thumbnails import Thumbnails
from lgm_core.backbones.bank_files import create_bank
from lgm_core.backbones.features import Bank, Recipe
from lgm_core.base.files import replacing
from lgm_core.base.litter import sweep, sweep_old
from lgm_core.base.tensor_files import load_with_metadata, save_tensors
from lgm_core.datasets.open import open_dataset
from lgm_core.engine import start, work
from lgm_core.presets import change
from lgm_core.runs.recorder import Recorder
from lgm_core.runs.store import RunStore


def test_only_what_is_older_than_a_day_is_cleared_away_where_others_may_write(tmp_path: Path):
    """Of process 10,000,007, which there is on no machine."""
    made = [
        tmp_path / ".runs.json.10000007-7.new",
        tmp_path / "queue" / ".1-2-a.json.10000007.new",
        tmp_path / ".run.10000007-7.new",
    ]
    for old in (False, True):
        (tmp_path / "queue").mkdir(exist_ok=True), made[2].mkdir(exist_ok=True)
        for path in (made[0], made[1], made[2] / "config.json"):
            path.touch()
        for path in made if old else []:
            os.utime(path, (1, 1))
        sweep_old(tmp_path)
        assert [path.exists() for path in made] == [not old] * 3
    (tmp_path / ".status.json.10000007-7.new").touch()
    sweep(tmp_path, but=("status.json",))
    assert (tmp_path / ".status.json.10000007-7.new").exists()
    os.utime(tmp_path / ".status.json.10000007-7.new", (1, 1))
    sweep(tmp_path, but=("status.json",))
    assert not (tmp_path / ".status.json.10000007-7.new").exists()


def test_a_run_begins_by_clearing_away_what_the_dead_left_a_day_ago_in_every_cache(small_run, here):
    caches = "fitted", "features/key", "thumbs/key", "slots/queue", "trajectories/key", "teachers", "maps"
    left = [here.cache / cache / ".some.npy.10000007-7.new" for cache in caches]
    for path in left:
        path.parent.mkdir(parents=True)
        path.touch()
        os.utime(path, (1, 1))
    run = start(change(small_run, {"steps": 1, "evaluate_on": (), "live": {"times": 0}}), here)
    work(run, here)
    assert [path for path in left if path.exists()] == []


def test_what_goes_away_while_it_is_looked_at_is_no_error(tmp_path: Path, monkeypatch):
    """Another writer finishes its file between the list of the folder and the look at it, or removes a folder."""
    (tmp_path / "run").mkdir()
    gone = tmp_path / ".status.json.10000007-7.new"
    monkeypatch.setattr("lgm_core.base.litter._half_written", lambda folder: [gone])
    sweep(tmp_path, but=("status.json",))
    sweep_old(tmp_path)
    monkeypatch.undo()
    looked = os.scandir
    monkeypatch.setattr(os, "scandir", lambda path: looked(tmp_path / "gone" if Path(path).name == "run" else path))
    sweep(tmp_path)


def test_a_file_of_tensors_has_no_second_temporary_file_and_always_the_same_bytes(tmp_path: Path, monkeypatch):
    seen = []
    monkeypatch.setattr("lgm_core.base.tensor_files.seal", lambda path: seen.append([*tmp_path.iterdir()]))
    save_tensors({"a": torch.ones(3)}, tmp_path / "a.safetensors")
    assert len(seen[0]) == 1 and seen[0][0].name.endswith(".new")
    monkeypatch.undo()
    contents = set()
    for _ in range(20):
        save_tensors({"a": torch.ones(3), "ä": torch.zeros(2, 2)}, tmp_path / "a.safetensors", {"next_step": "4"})
        contents.add((tmp_path / "a.safetensors").read_bytes())
    assert len(contents) == 1
    state, metadata = load_with_metadata(tmp_path / "a.safetensors")
    assert state["ä"].shape == (2, 2) and metadata["next_step"] == "4"
    with safe_open(tmp_path / "a.safetensors", "np") as file:
        assert file.metadata() == metadata


def test_what_counts_the_batches_of_a_bank_goes_with_the_next_look_at_it(toy, compute, here):
    images = open_dataset("digits", here.datasets, test_per_class=2)[1]
    recipe = Recipe(batch=1000)
    Bank.open_or_compute(images, toy, recipe, here.features, compute)
    (place,) = here.features.iterdir()
    (place / "done.jsonl").write_text("{}\n")  # killed just before it was removed
    Bank.open_or_compute(images, toy, recipe, here.features, compute)
    assert {path.name for path in place.iterdir()} <= {"features.safetensors", "images.json", "lock"}


@pytest.mark.skipif(sys.platform != "linux", reason="reserves room on Linux alone")
def test_a_bank_has_its_room_on_the_disk_before_it_is_written(tmp_path: Path):
    """A full disk is an error here; later, where the file is mapped, it would be a signal that kills the process."""
    create_bank(tmp_path / "features.part", (1000, 1, 500))
    assert (tmp_path / "features.part").stat().st_blocks * 512 >= 1000 * 500 * np.dtype(np.float16).itemsize


def test_a_full_disk_leaves_the_thumbnails_to_a_later_run(here, monkeypatch, caplog):
    """Without an exception in the thread that draws them, which would be a failure of this test."""

    def refused(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device", "0000.webp")

    monkeypatch.setattr(Thumbnails, "_page", refused)
    thumbnails = Thumbnails(open_dataset("digits", here.datasets, test_per_class=2)[1], "digits", "test", here.thumbs)
    thumbnails.begin()
    while thumbnails.is_drawing():
        time.sleep(0.01)
    assert "no thumbnails" in caplog.text and not thumbnails.index_file.exists()


def test_thumbnails_are_drawn_though_all_was_judged_before_a_kill(small_run, here, monkeypatch):
    class Killed(BaseException):
        pass

    def killed(thumbnails: Thumbnails) -> None:
        raise Killed

    asked = {"kind": "baseline", "baseline": {"choice": "random"}, "record": {"thumbnails": True}}
    run = start(change(small_run, asked), here)
    with monkeypatch.context() as patch, pytest.raises(Killed):
        patch.setattr(Thumbnails, "begin", killed)
        work(run, here)
    assert run.eval_reports() and not here.thumbs.exists()
    assert work(run, here) == "finished" and len(list(here.thumbs.glob("*/index.json"))) == 1


@pytest.mark.slow
def test_thumbnails_that_a_disk_refused_once_are_drawn_at_the_end(small_run, here, monkeypatch, caplog):
    draw, count = Thumbnails._page, iter(range(100))

    def refused_once(self: Thumbnails, *page: object) -> None:
        if next(count) == 0:
            raise OSError(errno.ENOSPC, "No space left on device", "0000.webp")
        draw(self, *page)

    monkeypatch.setattr(Thumbnails, "_page", refused_once)
    run = start(change(small_run, {"record": {"thumbnails": True}}), here)
    assert work(run, here) == "finished" and "no thumbnails" in caplog.text
    assert len(list(here.thumbs.glob("*/index.json"))) == 2  # of training and of test images


def test_a_refused_new_run_leaves_nothing(small_run, here, monkeypatch):
    def refused(*_: object, **__: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("lgm_core.runs.store.write_json", refused)
    with pytest.raises(OSError, match="No space"):
        RunStore(here.runs).create(small_run, {})
    assert [*here.runs.iterdir()] == []
    with pytest.raises(OSError, match="x"), replacing(here.runs / "a"):
        raise OSError("x")


def test_a_baseline_that_was_killed_lists_its_frame_once(small_run, here, monkeypatch):
    chosen = change(small_run, {"kind": "baseline"})
    with monkeypatch.context() as patch:
        patch.setattr(Recorder, "result", lambda *_: pytest.fail("killed"))
        with pytest.raises(pytest.fail.Exception):
            work(start(replace(chosen, evaluate_on=()), here), here)
    run = start(replace(chosen, evaluate_on=()), here)
    assert len(run.frame_list()) == 1 and work(run, here) == "finished"
    assert [frame["step"] for frame in run.frame_list()] == [0]
