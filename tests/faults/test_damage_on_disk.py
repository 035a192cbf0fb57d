"""What a run depends on is damaged between two looks at it: noticed, kept, named; the result has the same bits."""

import errno
import json
import threading
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from lgm_core.base.errors import UserError
from lgm_core.base.interfaces import StepResult
from lgm_core.base.places import Places
from lgm_core.config import RunConfig
from lgm_core.engine import start, work
from lgm_core.methods.lgm.step import LinearGradientMatching
from lgm_core.presets import change
from lgm_core.runs import drawing
from lgm_core.runs import recorder as recorders
from lgm_core.runs.folder import RunFolder
from lgm_core.runs.heart import Heart

CALM: list[bytes] = []
SLOW = pytest.mark.slow


@pytest.fixture
def short(small_run: RunConfig) -> RunConfig:
    """Ten steps, a checkpoint at each, no judge."""
    quick = {"record": {"frames": 3, "map_images": 0, "thumbnails": False}, "live": {"times": 0}}
    return change(replace(small_run, steps=10, evaluate_on=()), {"pyramid": {"grow_every": 1}}, quick)


@pytest.fixture
def wanted(short: RunConfig, tmp_path: Path) -> bytes:
    """The result of the run that nothing happened to."""
    if not CALM:
        calm = Places(cache=tmp_path / "calm", weights=(tmp_path,), datasets=(tmp_path,))
        CALM.append(finished(start(short, calm), calm).read_bytes())
    return CALM[0]


def finished(run: RunFolder, here: Places) -> Path:
    assert work(run, here) == "finished", run.status().error
    return run.synthetic


def paused(config: RunConfig, here: Places, at: int = 6) -> RunFolder:
    run = start(config, here)

    def listener(phase: str, done: int, total: int, values: object) -> None:
        if phase == "distilling" and done == at and run.status().state == "running":
            run.ask("pause")

    assert work(run, here, listener) == "paused"
    return run


def flip(path: Path, share: float = 0.9) -> bytes:
    """Flip one bit, this far into the file; returns what the file holds then."""
    content = bytearray(path.read_bytes())
    content[int(len(content) * share)] ^= 0x10
    path.write_bytes(content)
    return bytes(content)


HARM: dict[str, Callable[[Path], Any]] = {
    "flipped": flip,
    "header flipped": lambda path: flip(path, 0.0),
    "cut": lambda path: path.write_bytes(path.read_bytes()[:-1000]),
    "empty": lambda path: path.write_bytes(b""),
    "garbage": lambda path: path.write_bytes(b"\xff" * 4000),
}


@pytest.mark.parametrize("harm", ["flipped", *(pytest.param(h, marks=SLOW) for h in list(HARM)[1:])])
def test_a_damaged_checkpoint_is_kept_and_the_one_before_it_used(harm: str, short, wanted: bytes, here: Places):
    run = paused(short, here)
    HARM[harm](run.checkpoint)
    assert any("checkpoint.safetensors is damaged" in problem for problem in run.problems())
    content = run.checkpoint.read_bytes()
    assert finished(run, here).read_bytes() == wanted
    assert (run.path / "checkpoint.safetensors.damaged").read_bytes() == content
    assert any("checkpoint.safetensors is damaged" in note for note in run.status().notes)
    assert len(run.metrics()) == 10 and not run.checkpoint_before.exists()


@SLOW
def test_with_both_checkpoints_damaged_a_run_begins_anew(short, wanted: bytes, here: Places):
    run = paused(short, here)
    flip(run.checkpoint), flip(run.checkpoint_before)
    assert finished(run, here).read_bytes() == wanted
    assert any("starts again" in note for note in run.status().notes) and len(run.metrics()) == 10


@pytest.mark.parametrize("harm", ["flipped", *(pytest.param(h, marks=SLOW) for h in list(HARM)[1:])])
def test_a_damaged_bank_is_computed_again_with_a_note(harm: str, short, wanted: bytes, here: Places):
    run = paused(short, here)
    (bank,) = here.features.glob("*/features.safetensors")
    HARM[harm](bank)
    assert finished(run, here).read_bytes() == wanted
    assert any("recomputing it" in note for note in run.status().notes)


def test_half_a_bank_goes_on_from_its_last_whole_batch(short, wanted: bytes, here: Places):
    run, stop = start(short, here), threading.Event()

    def listener(phase: str, done: int, total: int, values: object) -> None:
        if phase.startswith("features") and done == 20:
            stop.set()  # heard at once; a wish on disk is looked up five times a second

    assert work(run, here, listener, stop) == "stopped"
    (part,) = here.features.glob("*/features.part")
    assert len((part.parent / "done.jsonl").read_text().splitlines()) == 2
    content = bytearray(part.read_bytes())
    content[int.from_bytes(content[:8], "little") + 8] ^= 1  # the first number of the first batch
    part.write_bytes(content)
    assert finished(run, here).read_bytes() == wanted


@pytest.mark.parametrize("what", ["weights", "data", "contents"])
def test_images_half_learned_do_not_go_on_with_other_weights_or_data(what: str, short, here: Places):
    run = paused(short, here)
    keys = {"weights": (run.weights_file, "sha256"), "data": (run.data_file, "fingerprints")}
    file, key = keys.get(what, (run.data_file, what))
    known = json.loads(file.read_text())
    known.pop("sha256_of_the_rest")
    if what != "weights":
        assert len(known[key]) == 2
        known[key] = ["of before", "of before"]
    else:
        next(iter(known.values()))[key] = "of before"
    file.write_text(json.dumps(known))
    with pytest.raises(UserError, match="changed since the run began.*another --name"):
        work(run, here)
    assert run.status().state == "failed" and "changed since the run began" in run.status().error


@pytest.mark.parametrize("old, new", [('"seed": 0', '"seed": 1'), ('"steps": 10', '"steps": 12')])
def test_images_half_learned_do_not_go_on_with_other_settings(old: str, new: str, short, here: Places):
    run = paused(short, here)
    text = run.config_file.read_text()
    assert old in text
    run.config_file.write_text(text.replace(old, new, 1))
    with pytest.raises(UserError, match="config.json is damaged .*undo the edit.*lgm fork"):
        work(run, here)
    run.config_file.write_text(text)
    finished(run, here)


def test_a_loss_that_is_no_number_ends_the_run_where_it_begins(short, here: Places, monkeypatch):
    step = LinearGradientMatching.step

    def spoilt(self: LinearGradientMatching, number: int) -> StepResult:
        result = step(self, number)
        return replace(result, loss=float("nan")) if number == 4 else result

    monkeypatch.setattr(LinearGradientMatching, "step", spoilt)
    run = start(short, here)
    with pytest.raises(UserError, match="the loss became nan at step 5"):
        work(run, here)
    assert run.status().state == "failed" and "step 5" in run.status().error and not run.synthetic.exists()


@pytest.mark.parametrize("code", [errno.ENOSPC, *(pytest.param(c, marks=SLOW) for c in (errno.EIO, errno.EROFS))])
def test_a_disk_that_refuses_is_a_sentence_and_the_same_command_goes_on(
    code: int, short, wanted: bytes, here: Places, monkeypatch
):
    run, write, count = start(short, here), recorders.write_checkpoint, iter(range(100))

    def refused(made: RunFolder, next_step: int, state: Any) -> None:
        if next(count) == 5:
            raise OSError(code, "refused", str(made.checkpoint))
        write(made, next_step, state)

    with monkeypatch.context() as patch:
        patch.setattr(recorders, "write_checkpoint", refused)
        with pytest.raises(OSError, match="refused"):
            work(run, here)
    said = run.status()
    assert said.state == "failed" and "checkpoint.safetensors" in said.error and "OSError" not in said.error
    assert finished(run, here).read_bytes() == wanted


@pytest.mark.parametrize("step", [1, 9])
def test_a_frame_that_cannot_be_written_ends_the_run_and_the_same_command_writes_it(
    step: int, short, wanted: bytes, here: Places, monkeypatch
):
    """Also where no checkpoint asks for it before the last step, or, of a choice of real images, at all."""
    learning = change(short, {"record": {"checkpoint_seconds": 1e6, "frames": 10}})
    choosing = change(learning, {"kind": "baseline", "baseline": {"choice": "random"}})
    for config, lost in ((learning, step), (choosing, 0)):
        run, draw = start(config, here), drawing.add_frame

        def refused(pictures: np.ndarray, number: int, index: Path, draw=draw, lost=lost) -> None:
            if number == lost:
                raise OSError(errno.ENOSPC, "No space left on device", str(index))
            draw(pictures, number, index)

        with monkeypatch.context() as patch:
            patch.setattr(drawing, "add_frame", refused)
            with pytest.raises(OSError, match="No space left"):
                work(run, here)
        assert run.status().state == "failed" and not run.synthetic.exists()
        finished(run, here)
        assert lost in [frame["step"] for frame in run.frame_list()] and run.problems() == []
        assert config.kind == "baseline" or run.synthetic.read_bytes() == wanted


def test_the_heart_beats_on_after_a_refused_write(short, here: Places, monkeypatch):
    run, refusing, beats = start(short, here), threading.Event(), threading.Semaphore(0)
    change_status = Heart.change

    def change_or_refuse(self: Heart, **values: Any) -> None:
        beats.release()
        if refusing.is_set() and not values:
            raise OSError(errno.ENOSPC, "no space", "status.json")
        change_status(self, **values)

    monkeypatch.setattr(Heart, "change", change_or_refuse)
    monkeypatch.setattr("lgm_core.runs.heart.HEARTBEAT_SECONDS", 0.02)
    with Heart(run, state="running"):
        refusing.set()
        for _ in range(20):
            assert beats.acquire(timeout=60)


def test_a_set_of_images_that_is_damaged_is_told_and_not_judged(short, here: Places):
    run = start(short, here)
    flip(finished(run, here))
    judging = replace(short, kind="evaluate", source=run.id, evaluate_on=(short.backbone,))
    with pytest.raises(UserError, match="synthetic.safetensors is damaged"):
        work(start(judging, here), here)


def test_a_head_of_no_numbers_is_no_accuracy():
    from lgm_core.evaluation.seen import HeldOut

    test = HeldOut(torch.ones(4, 3), torch.tensor([0, 1, 0, 1]), None, 0, 2)
    with pytest.raises(UserError, match="scores are not finite"):
        test.report(lambda features: torch.full((len(features), 2), torch.nan))
