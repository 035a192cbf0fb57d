"""Every page with every kind of file that does not hold what it should: it is named, and the rest is shown."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from lgm_core.base.errors import UserError
from lgm_core.base.files import append_line, read_json, write_json
from lgm_core.reports.card import write_export
from lgm_core.reports.site import write_site
from lgm_core.runs.shapes import REPORT, what_misfits
from lgm_core.runs.store import RunFolder, RunStore
from tests.app import open_page
from tests.fake_runs import BACKBONES, fake_align, fake_distill, fake_embed, fake_study
from tests.test_app_damage import said

ONE = f"demo-lgm-{BACKBONES[0]}-s0"
REPORT_FILE = f"{BACKBONES[0]}-on-imagenette.json"
PAGES: tuple[tuple[str, dict[str, Any]], ...] = (
    ("runs", {}),
    ("watch", {"run": ONE}),
    ("watch", {"run": "networks"}),
    ("watch", {"run": "map"}),
    ("compare", {"runs": [ONE, "networks"]}),
    ("embeddings", {"dataset": "imagenette", "backbones": [BACKBONES[0]], "picked": f"star:{ONE}:0"}),
    ("neighbours", {"run": ONE, "backbones": [BACKBONES[0]]}),
    ("cross_model", {"study": "demo", "cell": f"distilled with {BACKBONES[0]}|{BACKBONES[0]}"}),
    ("report", {"run": ONE}),
    ("report", {"run": "networks"}),
    ("report", {"part": "study", "study": "demo"}),
    ("report", {"part": "set", "run": ONE}),
    ("launch", {"dataset": "imagenette"}),
)


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> RunStore:
    """A study, a map, an alignment, and a run of RCIG."""
    for name, value in (("LGM_CACHE", str(tmp_path)), ("LGM_WEIGHTS", ""), ("LGM_DATASETS", "")):
        monkeypatch.setenv(name, value)
    store = RunStore(tmp_path / "runs")
    fake_study(store, seeds=1)
    fake_embed(store, store.open(ONE), backbone=BACKBONES[0], name="map")
    fake_align(store, BACKBONES[:2], name="align")
    run = fake_distill(store, name="networks", method="rcig", backbone="conv", evaluate_on=[BACKBONES[0]])
    lengths = {"direct_norm": {"pixels": 1.0}, "implicit_norm": {"pixels": 0.5}}
    for step in (0, 5, 9):
        labels = {"labels": [[0.5] * 10] * 10, "label_rows": "images", "temperature": 1.0}
        append_line(run.details_file, {"step": step, "inner": [1.0, 0.5], "solve": [1.0], **labels, **lengths})
    return store


def _cut(*paths: Path) -> None:
    for path in paths:
        path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def _lines(store: RunStore, one: RunFolder) -> None:
    """A line as JSON has it, and without what belongs in it, at both ends of each file."""
    networks, bad = store.open("networks"), {"step": 3, "loss": "low", "live_top1": [], "temperature": "x", "labels": 4}
    for path in (one.frame_index, one.metrics_file, one.trail_file, networks.details_file, networks.metrics_file):
        text = path.read_text()
        path.write_text("")
        append_line(path, bad)
        path.write_text(path.read_text() + text)
        append_line(path, bad)


def _objects(store: RunStore, one: RunFolder) -> None:
    """Files that are JSON objects, and not those that belong there."""
    write_json(one.evals / REPORT_FILE, {"backbone": BACKBONES[0], "top1": 0.8})
    write_json(one.map_file, {"classes": 3})
    write_json(store.open("map").map_file, {"umap": 3})
    write_json(store.open("align").alignment_file, {"backbones": list(BACKBONES[:2]), "images": 5})
    for index in (store.root.parent / "thumbs").glob("*/index.json"):
        write_json(index, {"dataset": "imagenette"})


def _binary(store: RunStore, one: RunFolder) -> None:
    """Files of which the second half is missing, and a picture that is not there."""
    frames = sorted(one.frames.glob("*.webp"))
    _cut(one.synthetic, one.checkpoint, store.open("map").near_file, frames[-1])
    frames[0].unlink()


NAMED = {
    _lines: ("frames/index.jsonl has 2 damaged lines", "metrics.jsonl has 2 damaged lines", "trail.jsonl has 2"),
    _objects: (f"evals/{REPORT_FILE} is damaged", "map.json is damaged"),
    _binary: ("synthetic.safetensors is damaged", "checkpoint.safetensors is damaged", "are missing (1)"),
}


@pytest.mark.parametrize("damage", NAMED)
def test_no_page_falls_over_a_file_and_the_run_names_it(store: RunStore, damage: Callable[..., None]):
    damage(store, store.open(ONE))
    words = {(name, str(link)): said(open_page(name, **link)) for name, link in PAGES}
    for sentence in NAMED[damage]:
        assert sentence in words["watch", str({"run": ONE})] and sentence in words["report", str({"run": ONE})]
        assert sentence in words["cross_model", str(PAGES[7][1])]
    if damage is _lines:
        assert "details.jsonl has 2 damaged lines" in words["watch", str({"run": "networks"})]


def test_the_gallery_is_written_without_what_cannot_be_read(store: RunStore, tmp_path: Path):
    one = store.open(ONE)
    _binary(store, one)
    folder = write_site([one, store.open("networks")], tmp_path / "site")
    assert "synthetic.safetensors is damaged" in (folder / "runs" / f"{ONE}.html").read_text()
    with pytest.raises(UserError, match="synthetic.safetensors is damaged"):
        write_export(one, tmp_path / "out")


@pytest.mark.parametrize("name", [name for name in REPORT if not name.endswith("?")])
def test_a_report_without_a_field_that_is_read_is_named(store: RunStore, name: str):
    run = store.open(ONE)
    report = read_json(run.evals / REPORT_FILE)
    assert not what_misfits(run.evals / REPORT_FILE, report) and run.problems() == []
    for broken in ({key: value for key, value in report.items() if key != name}, report | {name: {"x": 1}}):
        write_json(run.evals / REPORT_FILE, broken)
        (problem,) = run.problems()
        assert REPORT_FILE in problem and len(run.eval_reports()) == 1


@pytest.mark.parametrize(
    "change",
    [
        {"classes": ["a"]}, {"confusion": [[1]] * 10}, {"worst_group": 0.1}, {"settings": {}},
        {"labels_per_class": "ten"},
    ],
)  # fmt: skip
def test_a_report_whose_parts_do_not_fit_together_is_named(store: RunStore, change: dict[str, Any]):
    file = store.open(ONE).evals / REPORT_FILE
    write_json(file, {key: value for key, value in read_json(file).items() if key != "dataset"} | change)
    assert len(store.open(ONE).problems()) == 1


@pytest.mark.panels_may_fail
def test_a_panel_that_fails_says_so_and_the_page_goes_on(store: RunStore, monkeypatch: pytest.MonkeyPatch):
    def fail(run: RunFolder) -> None:
        raise KeyError("top1")

    monkeypatch.setattr("pages.parts.watch.details.show_results", fail)
    test = open_page("watch", run=ONE)
    assert "What the images are worth cannot be shown" in said(test) and "KeyError: 'top1'" in said(test)
    assert any("distill imagenette" in code.value for code in test.code)
