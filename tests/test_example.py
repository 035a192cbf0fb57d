"""The finished example: shown while there is nothing else, marked where it shows, counted nowhere, hidden for good."""

import json
from pathlib import Path

import pytest
from starlette.applications import Starlette
from starlette.testclient import TestClient

from lgm_core.base.places import Places
from lgm_core.jobs import local
from lgm_core.jobs.estimate import estimate
from lgm_core.reports.page import run_report
from lgm_core.reports.site import write_site
from lgm_core.runs.example import SOURCE, WORDS, put_example
from lgm_core.runs.source_runs import images_of
from lgm_core.runs.store import RunFolder, RunStore
from lgm_core.runs.trash import Trash
from pages.parts.listing.several import _resume, outcomes
from pages.parts.server.routes import ROUTES
from tests.app import open_page
from tests.browser import expect, serve
from tests.fake_runs import fake_distill

BEGIN = WORDS[:40]


@pytest.fixture
def example(here: Places, monkeypatch: pytest.MonkeyPatch) -> RunFolder:
    monkeypatch.setenv("LGM_CACHE", str(here.cache))
    put_example(here)
    return RunFolder(here.runs / "example")


def test_it_is_a_whole_small_run_that_tells_nothing_of_a_machine(example: RunFolder):
    files = [path for path in SOURCE.rglob("*") if path.is_file()]
    assert sum(path.stat().st_size for path in files) < 1_000_000
    texts = [path.read_text() for path in files if path.suffix in (".json", ".jsonl", ".txt")]
    assert not [text for text in texts if "/tmp" in text or "/home" in text or "/work" in text]
    assert example.problems() == [] and example.notes() == [] and example.status().state == "finished"
    assert [report["backbone"] for report in example.eval_reports()] == ["mobilenet_v2", "mobilenet_v3_small"]
    assert all(report["top1"] > 0.5 for report in example.eval_reports()) and example.status().pid == 0
    images, labels = images_of(example)
    assert images.shape == (16, 3, 64, 64) and images.max() <= 1 and labels.tolist() == list(range(16))
    assert len(example.frame_list()) - 1 == len(example.trail()) == 19  # nothing is placed before the first step


def test_it_is_shown_while_there_is_nothing_else_and_counted_nowhere(example: RunFolder, here: Places):
    store = RunStore(here.runs)
    assert [run.id for run, facts in store.shown() if facts.example] == ["example"] and not store.listed()
    assert estimate(example.config(), here) is None  # its speed is that of another machine
    fake_distill(store, name="mine")
    assert [run.id for run, _ in store.shown()] == ["mine"] == [run.id for run in store.runs()]
    assert store.open("example").is_example()  # a link to it still opens it


def test_it_comes_once_and_only_where_nothing_has_been_run(example: RunFolder, here: Places, tmp_path: Path):
    Trash(RunStore(here.runs)).put("example")
    Trash(RunStore(here.runs)).empty()
    put_example(here)
    assert RunStore(here.runs).shown() == []
    other = Places(cache=tmp_path / "other", weights=(), datasets=())
    fake_distill(RunStore(other.runs), name="mine")
    put_example(other)
    assert [path.name for path in other.runs.iterdir()] == ["mine"]
    read_only = Places(cache=tmp_path / "mine.txt", weights=(), datasets=())
    read_only.cache.write_text("a file in the way")
    put_example(read_only)
    put_example(other, tmp_path / "nowhere")


def test_what_cannot_be_done_with_it_is_a_sentence_and_deleting_can_be_taken_back(example: RunFolder, here: Places):
    ((done, line),) = outcomes(["example"], "resumed", _resume)
    assert not done and "is finished; fork it with more steps" in line
    local.stop(example)
    assert example.status().state == "finished"
    assert Trash(RunStore(here.runs)).put("example") == [] and not RunStore(here.runs).shown()
    assert Trash(RunStore(here.runs)).restore("example").is_example()


def test_pages_reports_gallery_and_api_mark_it(example: RunFolder, tmp_path: Path):
    page = open_page("runs")
    assert not page.exception and BEGIN in page.info[0].value and "No runs of your own yet" in page.subheader[0].value
    assert page.dataframe[0].value["kind"].tolist() == ["example"]
    page = open_page("watch", run="example")
    assert not page.exception and BEGIN in page.info[0].value
    assert BEGIN in run_report(example)
    index = write_site([example], tmp_path / "site") / "index.html"
    assert "An example. " in index.read_text()
    client = TestClient(Starlette(routes=ROUTES))
    assert [run["example"] for run in client.get("/api/runs").json()["runs"]] == [True]
    assert client.get("/api/runs/example").json()["example"] is True
    fake_distill(RunStore(example.path.parent), name="mine")
    assert BEGIN not in json.dumps([one.value for one in open_page("runs").info])
    assert client.get("/api/runs/mine").json()["example"] is False


def test_the_first_open_leads_to_it(page, tmp_path: Path):
    with serve(tmp_path) as address:
        page.goto(address)
        expect(page.get_by_text(BEGIN)).to_be_visible()
        page.goto(f"{address}/watch")  # as the menu would: it is the only run
        expect(page.locator(".player[data-drawn]")).to_be_visible()
        expect(page.get_by_text(BEGIN)).to_be_visible()
        expect(page).to_have_url(f"{address}/watch?run=example")
