"""Compare: what belongs to a run is compared, and "before" is a picture on which something is seen."""

import re
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np
import pytest

from lgm_core.base.files import write_json
from lgm_core.base.places import Places
from lgm_core.cli.look import show_run
from lgm_core.presets import preset
from lgm_core.reports.unseen import idle_settings
from lgm_core.runs.frames import COARSE, SHOWS, add_frame, first_shown
from lgm_core.runs.status import Status
from lgm_core.runs.store import RunFolder, RunStore
from pages.parts.listing.run_list import run_rows
from tests.app import ROOT, open_whole
from tests.fake_runs import BACKBONES, CLASSES, fake_distill, fake_eval


@pytest.fixture
def store(here: Places, monkeypatch: pytest.MonkeyPatch) -> RunStore:
    monkeypatch.setenv("LGM_CACHE", str(here.cache))
    return RunStore(here.runs)


def test_the_first_that_shows_something_is_not_the_unlearned_start(tmp_path: Path):
    """By the rule of the player's close-up: a third of the last frame's contrast, seen at 8 px a side."""
    script = (ROOT / "pages/parts/player/zoom.js").read_text()
    assert re.findall(r"COARSE = (\d+), SHOWS = 1 / (\d+);", script) == [(str(COARSE), f"{1 / SHOWS:.0f}")]
    noise = np.random.default_rng(0).integers(0, 256, (3, 64, 64, 3))
    disc = np.where(np.hypot(*(np.mgrid[0:64, 0:64] - 32))[..., None] < 20, 220, 30)
    index = tmp_path / "run" / "frames" / "index.jsonl"
    index.parent.mkdir(parents=True)
    for step, share in ((-1, 0.0), (0, 0.1), (5, 0.5), (9, 1.0)):
        add_frame((share * disc + (1 - share) * noise).astype(np.uint8), step, index)
    run = RunFolder(tmp_path / "run")
    lines = run.frame_list()
    assert first_shown(run.frames, lines)["step"] == 5
    assert first_shown(run.frames, lines[:1]) == lines[0]  # none shows more than noise
    (run.frames / lines[2]["file"]).write_bytes(b"no picture")
    assert first_shown(run.frames, lines)["step"] == 9


def test_before_and_after_begins_where_something_is_seen(store: RunStore):
    runs = [fake_distill(store, name=name, seed=seed, frames=6) for seed, name in enumerate(("one", "two"))]
    page = open_whole("compare", runs=["one", "two"])
    left = next(box for box in page.selectbox if box.label == "Left")
    assert left.options[0] == "one · first that shows something"
    shown = first_shown(runs[0].frames, runs[0].frame_list())
    assert shown["step"] > runs[0].frame_list()[0]["step"]


def test_a_given_folder_shows_nothing_of_a_run_that_learns(store: RunStore, capsys):
    fake_distill(store, name="learned", backbone="mobilenet_v2", steps=70, preset="preview")
    given = {"kind": "baseline", "baseline": {"choice": "given", "folder": "/mine"}}
    fake_distill(store, name="mine", steps=1000, trail=False, frames=2, **given)
    rows = {
        row["Setting"]: row
        for row in open_whole("compare", runs=["learned", "mine"]).dataframe[0].value.to_dict("records")
    }
    for name in ("backbone", "steps", "preset"):
        assert rows[name]["mine"] == "–" != rows[name]["learned"], name
    assert rows["kind"]["mine"] == "baseline" and rows["baseline.folder"]["mine"] == "/mine"
    assert show_run("mine") == 0
    assert "baseline of imagenette, no steps; " in capsys.readouterr().out
    assert {row["run"]: row["backbone"] for row in run_rows()} == {"learned": "mobilenet_v2", "mine": None}


@pytest.mark.parametrize(
    ("choice", "idle"),
    [("given", {"backbone", "method", "preset"}), ("centroids", {"method", "preset"}), ("imported", set())],
)
def test_what_says_nothing_of_a_choice(choice: str, idle: set[str]):
    config = preset("standard", kind="baseline", baseline={"choice": choice})
    assert idle_settings(config) == idle | {"steps", "fork_step"}
    assert idle_settings(preset("standard")) == set()


def test_a_run_that_ends_and_is_judged_while_it_is_looked_at_is_shown_so(
    store: RunStore, monkeypatch: pytest.MonkeyPatch
):
    fake_distill(store, name="one")
    run, ends = fake_distill(store, "running", name="two", evaluate_on=list(BACKBONES[:1])), iter([True])

    def ended(run: RunFolder, status: Status) -> None:
        if run.id == "two" and next(ends, False):  # after the page's look at it
            fake_eval(run, BACKBONES[0], CLASSES, 0.42)
            write_json(run.status_file, asdict(replace(status, state="finished")))

    monkeypatch.setattr("pages.parts.status.show_failure", ended)
    page = open_whole("compare", runs=["one", "two"])
    assert run.status().state == "finished" and not any(": running]" in one.value for one in page.markdown)
    assert "42.0" in str(page.dataframe[1].value["two"].tolist())
