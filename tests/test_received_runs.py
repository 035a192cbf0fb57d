"""Runs that somebody else sent: what in their files leads elsewhere, or is no number, is left out and named."""

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from safetensors.numpy import save_file

from lgm_core.base.errors import DamagedFile, UserError
from lgm_core.base.files import read_json, write_json
from lgm_core.jobs.forking import frame_pictures
from lgm_core.reports.film import write_film
from lgm_core.reports.page import run_report
from lgm_core.runs.misfits import misfits
from lgm_core.runs.shapes import THUMBS, what_misfits
from lgm_core.runs.source_runs import open_source
from lgm_core.runs.store import RunFolder, RunStore
from tests.fake_runs import fake_distill, fake_embed, write_lines

SCRIPT = "<img src=x onerror=alert(1)>"
WRONG = [
    ("step", SCRIPT),
    ("file", "../../secret.webp"),
    ("file", "/etc/secret.webp"),
    ("file", ".hidden.webp"),
    ("file", "a\0.webp"),
    ("file", "x" * 256),
    ("columns", SCRIPT),
    ("columns", 0),
    ("columns", True),
    ("rows", -1),
    ("side", 10**9),
    ("side", 4000),
    ("count", "9"),
]


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> RunFolder:
    monkeypatch.setenv("LGM_CACHE", str(tmp_path))
    return fake_distill(RunStore(tmp_path / "runs"), name="one", steps=20)


@pytest.mark.parametrize(("field", "value"), WRONG)
def test_a_frame_that_is_none_is_left_out_of_report_film_and_fork(run: RunFolder, field: str, value, tmp_path: Path):
    secret = tmp_path / "secret.webp"
    Image.new("RGB", (240, 96), "red").save(secret)
    frames = run.frame_list()
    run.synthetic.unlink()  # so that the report takes its pictures from the frames
    write_lines(run.frame_index, [*frames[:2], *({**frame, field: value} for frame in frames[2:])])
    assert run.frame_list() == frames[:2]
    (problem,) = run.problems()
    assert problem.startswith(f"frames/index.jsonl has {len(frames) - 2} damaged lines")
    html = run_report(run)
    assert SCRIPT not in html and "Time-lapse" in html
    assert write_film(run, "gif", tmp_path / "a.gif", lambda done, total: None).exists()
    with pytest.raises(UserError, match="has no frame of step"):
        frame_pictures(run, frames[-1]["step"], run.config())


def test_a_map_and_thumbnails_name_runs_and_files_in_their_own_folder(run: RunFolder):
    embed = fake_embed(RunStore(run.path.parent), run, name="map")
    found = embed.map()
    assert found and not what_misfits(embed.map_file, found)
    found["sources"]["../../elsewhere"] = found["sources"].pop(run.id)
    write_json(embed.map_file, found)
    assert embed.map() == {} and "map.json is damaged" in embed.problems()[0]
    index = read_json(next(run.path.parent.parent.glob("thumbs/*/index.json")))
    assert not misfits(index, THUMBS)
    for field, value in (("pages", ["../../secret.webp"]), ("side", SCRIPT), ("columns", 0), ("per_page", -1)):
        assert misfits(json.loads(json.dumps(index)) | {field: value}, THUMBS) == [field]


@pytest.mark.parametrize(
    "tensors",
    [
        {"images": np.zeros(4, np.float32), "labels": np.zeros(4, np.int64)},
        {"images": np.zeros((2, 3, 4, 8), np.float32), "labels": np.zeros(2, np.int64)},
        {"images": np.zeros((2, 3, 4, 4), np.float32), "labels": np.zeros(3, np.int64)},
        {"images": np.zeros((2, 3, 4, 4), np.int32), "labels": np.zeros(2, np.int64)},
        {"images": np.zeros((2, 3, 4, 4), np.float32), "labels": np.zeros(2, np.float32)},
        {"images": np.zeros((2, 3, 4, 4), np.float32), "labels": np.full(2, -5)},
        {"images": np.zeros((2, 3, 4, 4), np.float32)},
    ],
)
def test_a_result_that_is_no_set_of_images_is_left_out_and_named(run: RunFolder, tensors: dict[str, np.ndarray]):
    assert run.has_images()
    save_file(tensors, run.synthetic)
    assert not run.has_images() and run.problems()[0].startswith("synthetic.safetensors is damaged and left out")
    assert "synthetic.safetensors is damaged" in run_report(run)
    with pytest.raises(DamagedFile, match="one: synthetic.safetensors is damaged"):
        open_source(RunStore(run.path.parent), "one")
