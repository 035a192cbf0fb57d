"""Cells of the matrix of Cross-model that have no result: what is launched, resumed, launched anew, or left alone."""

from pathlib import Path
from typing import Any

import pytest
from streamlit.testing.v1 import AppTest

from lgm_core.config import RunConfig
from lgm_core.jobs import local
from lgm_core.reports.matrix import study_matrix
from lgm_core.runs.store import RunFolder, RunStore
from tests.app import open_page
from tests.fake_runs import BACKBONES, fake_distill, fake_study
from tests.test_app_damage import _of_another_version

ROW = f"distilled with {BACKBONES[1]}|{BACKBONES[0]}"


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> RunStore:
    for name, value in (("LGM_CACHE", str(tmp_path)), ("LGM_WEIGHTS", ""), ("LGM_DATASETS", "")):
        monkeypatch.setenv(name, value)
    return RunStore(tmp_path / "runs")


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """What was submitted (configs) or resumed (names)."""
    found: list[Any] = []
    monkeypatch.setattr(local, "submit", lambda config, here, first=False: found.append(config))
    monkeypatch.setattr(local, "resume", lambda run, here: found.append(run.id))
    return found


def matrix_page(**link: Any) -> AppTest:
    test = open_page("cross_model", **{"study": "demo", **link})
    assert not test.exception, test.exception
    return test


def launches(test: AppTest) -> list[str]:
    return [label for button in test.button if (label := button.label.replace("\\", "")).startswith("Launch ")]


def press(test: AppTest, label: str) -> None:
    next(button for button in test.button if button.label.startswith(label)).click().run()
    assert not test.exception, test.exception


def test_only_what_the_study_asked_for_is_launched_at_once(store: RunStore, asked: list[RunConfig]):
    judges = list(BACKBONES[:2])
    run = fake_distill(store, name="one", study="demo", backbone=BACKBONES[0], evaluate_on=judges)
    assert launches(matrix_page()) == [], "nobody asked to distil with the second judge"
    (run.evals / f"{BACKBONES[1]}-on-imagenette.json").unlink()
    test = matrix_page()
    assert launches(test) == ["Launch 1 missing cell"]
    press(test, "Launch")
    assert [(config.kind, config.source, config.evaluate_on) for config in asked] == [
        ("evaluate", "one", (BACKBONES[1],))
    ]  # fmt: skip
    assert launches(matrix_page(study="dataset:imagenette")) == [], "all runs of a data set asked for nothing together"


def test_further_backbones_have_a_button_of_their_own(store: RunStore, asked: list[RunConfig]):
    fake_study(store, seeds=1)
    test = matrix_page(backbones=list(BACKBONES))
    assert launches(test) == ["Launch 8 cells for CLIP ViT-B/16"]
    press(test, "Launch")
    assert {config.kind for config in asked} == {"evaluate", "distill", "baseline"}


@pytest.mark.parametrize("state", ["failed", "lost", "paused"])
@pytest.mark.parametrize("seeds", [1, 2])
def test_a_run_that_came_to_no_result_goes_on_from_its_cell(store: RunStore, asked: list[str], state: str, seeds: int):
    """Also where another run of the cell has a result."""
    fake_study(store, state=state, seeds=seeds)
    matrix = study_matrix(store.runs())
    row = next(row for row in matrix.rows if row.label == ROW.split("|")[0])
    slot, last = matrix.slot(row, BACKBONES[0]), f"demo-lgm-{BACKBONES[1]}-s{seeds - 1}"
    assert slot.halted == (last,) and slot.state == (state if seeds == 1 else "done")
    press(matrix_page(cell=ROW), "Resume" if state == "paused" else "Try again")
    assert asked == [last]


def test_a_run_that_cannot_go_on_is_launched_anew(store: RunStore, asked: list[RunConfig]):
    last: RunFolder = next(run for run in fake_study(store, state="lost", seeds=1) if run.status().state == "lost")
    _of_another_version(last)
    test = matrix_page(cell=ROW)
    assert "Try again" not in [button.label for button in test.button]
    press(test, "Launch it again")
    (config,) = asked
    assert (config.kind, config.study, config.name, config.backbone) == ("distill", "demo", "", BACKBONES[1])


def test_the_page_opens_with_the_newest_study_of_which_there_are_results(store: RunStore):
    fake_study(store, "older")
    fake_study(store, "newer")
    fake_distill(store, "queued", name="begun-lgm", study="begun", frames=0, evaluate_on=BACKBONES[:2])
    test = open_page("cross_model")
    assert not test.exception and test.query_params["study"] in ("newer", ["newer"])
