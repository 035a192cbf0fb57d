"""Pages that meet damaged files and folders of other versions: they say so, and show the rest."""

from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest

from lgm_core.base.files import read_json, write_json
from lgm_core.runs.store import RunFolder, RunStore
from tests.app import open_page
from tests.fake_runs import BACKBONES, fake_distill, fake_study

REPORT = f"{BACKBONES[0]}-on-imagenette.json"


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> RunStore:
    for name, value in (("LGM_CACHE", str(tmp_path)), ("LGM_WEIGHTS", ""), ("LGM_DATASETS", "")):
        monkeypatch.setenv(name, value)
    return RunStore(tmp_path / "runs")


def said(test: AppTest) -> str:
    assert not test.exception, test.exception
    words = " ".join(e.value for kind in (test.warning, test.caption, test.error, test.info) for e in kind)
    return words.replace("\\", "")  # without the escapes of Markdown


def _of_another_version(run: RunFolder) -> RunFolder:
    found = read_json(run.config_file)
    found["config"]["lgm"]["sharpness"] = 2
    found["environment"]["lgm_core"] = "9.1"
    write_json(run.config_file, found)
    return run


def _damage(run: RunFolder) -> None:
    (run.evals / REPORT).write_bytes(b"{")
    run.map_file.write_bytes(b"\xff")
    for path in (run.metrics_file, run.frame_index, run.trail_file):
        path.write_bytes(b'[1]\n{"loss": 1}\n' + path.read_bytes())


def test_the_list_names_a_folder_that_it_leaves_out(store: RunStore):
    fake_distill(store, name="good")
    (store.root / "bad").mkdir()
    (store.root / "bad" / "config.json").write_text("{")
    test = open_page("runs")
    assert list(test.dataframe[0].value["run"]) == ["good"]
    assert "Left out" in said(test) and "bad" in said(test)


@pytest.mark.parametrize(("state", "label"), [("paused", "Resume"), ("failed", "Retry"), ("lost", "Resume")])
def test_a_run_of_another_version_is_watched_and_not_resumed(store: RunStore, state: str, label: str):
    run = _of_another_version(fake_distill(store, state, name="newer"))
    test = open_page("watch", run=run.id)
    assert "lgm.sharpness" in said(test) and "9.1" in said(test)
    (button,) = [button for button in test.button if button.label == label]
    assert button.disabled


def test_watch_and_report_name_damaged_files(store: RunStore):
    run = fake_distill(store, name="one")
    _damage(run)
    for page in ("watch", "report"):
        words = said(open_page(page, run=run.id))
        assert f"evals/{REPORT} is damaged" in words, page
        assert "2 damaged lines" in words and "map.json" in words


@pytest.mark.parametrize("page", ["runs", "compare", "embeddings", "neighbours", "launch"])
def test_every_page_goes_on_with_the_rest(store: RunStore, page: str):
    _damage(fake_distill(store, name="one"))
    _of_another_version(fake_distill(store, "paused", name="two"))
    said(open_page(page))


@pytest.mark.parametrize("page", ["cross_model", "compare"])
def test_comparisons_name_the_report_that_they_leave_out(store: RunStore, page: str):
    run = next(run for run in fake_study(store) if run.config().kind == "distill")
    (run.evals / REPORT).write_bytes(b"{")
    other = next(name for name in store.runs() if name.id != run.id and name.frame_index.exists())
    shown = {"study": "demo"} if page == "cross_model" else {"runs": [run.id, other.id]}
    assert f"{run.id}: evals/{REPORT} is damaged" in said(open_page(page, **shown))


def test_an_opened_cell_names_the_report_that_is_damaged(store: RunStore):
    run = next(run for run in fake_study(store) if run.id == "demo-random")
    (run.evals / REPORT).write_bytes(b"{")
    words = said(open_page("cross_model", study="demo", cell=f"random real images|{BACKBONES[0]}"))
    assert "is damaged" in words and "no readable result" in words
