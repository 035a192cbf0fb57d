"""The time-lapse: each form is decoded again, frame by frame."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageSequence

from lgm_core.base.errors import UserError
from lgm_core.reports import film as timelapse
from lgm_core.runs.store import RunFolder, RunStore
from tests.fake_runs import fake_distill


@pytest.fixture
def run(tmp_path: Path) -> RunFolder:
    return fake_distill(RunStore(tmp_path / "runs"), name="one", frames=6, steps=60)


@pytest.mark.parametrize("form", ["webp", "gif"])
def test_animations_have_every_frame_and_hold_the_last(form: str, run: RunFolder, tmp_path: Path):
    path = timelapse.export(run, form, tmp_path / "out")
    with Image.open(path) as film:
        durations = []
        pictures = []
        for picture in ImageSequence.Iterator(film):
            pictures.append(np.asarray(picture.convert("RGB"), dtype=float))
            durations.append(picture.info["duration"])
    assert len(pictures) == len(run.frame_list()) == 6
    assert durations[-1] > 10 * durations[0]
    assert np.abs(pictures[0] - pictures[-1]).mean() > 5  # from noise to discs
    assert path.name == "one-000059.webp".replace("webp", form) and not list(path.parent.glob(".*"))


def test_the_film_can_be_decoded(run: RunFolder, tmp_path: Path):
    ffmpeg = pytest.importorskip("imageio_ffmpeg")
    path = timelapse.export(run, "mp4", tmp_path / "out")
    frames, seconds = ffmpeg.count_frames_and_secs(str(path))
    assert frames == 6 + timelapse.HOLD and seconds == pytest.approx(frames / timelapse.PER_SECOND, abs=0.1)
    reader = ffmpeg.read_frames(str(path))
    size = next(reader)["size"]
    first = np.frombuffer(next(reader), np.uint8)
    reader.close()
    assert size[0] % 2 == size[1] % 2 == 0 and first.std() > 20


def test_captions_tell_step_loss_and_accuracy():
    lines = [{"step": 0, "loss": 1.0, "live_top1": 0.1}, {"step": 1, "loss": 0.5}, {"step": 5, "loss": 0.25}]
    assert timelapse.caption(3, 60, lines) == "step 4 of 60 · loss 0.500 · accuracy 10.0 %"
    assert timelapse.caption(3, 60, []) == "step 4 of 60"


def test_a_hundred_classes_fit(tmp_path: Path):
    run = fake_distill(RunStore(tmp_path / "runs"), name="many", classes=100, frames=2)
    pages = list(timelapse.draw_frames(run, run.frame_list(), 400, lambda done, total: None))
    assert all(page.width <= 400 and page.width % 2 == page.height % 2 == 0 for page in pages)


def test_a_run_without_frames_says_so(tmp_path: Path):
    run = fake_distill(RunStore(tmp_path / "runs"), "queued", name="new")
    with pytest.raises(UserError, match="no frame yet"):
        timelapse.export(run, "gif", tmp_path)


def test_the_module_says_how_far_it_is(run: RunFolder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("LGM_CACHE", str(tmp_path))
    command = [sys.executable, "-m", "lgm_core.reports.film", str(run.path), "--form", "gif"]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert "drawing: 100%| 6/6" in done.stderr and Path(done.stdout.strip()).exists()
