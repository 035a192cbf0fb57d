"""Sets with more images of one class than of another say so; the budget says whose labels the images come from."""

from pathlib import Path

import pytest

from lgm_core.base.files import write_json
from lgm_core.presets import change, preset
from lgm_core.reports.budget import budget_of
from lgm_core.reports.card import card
from lgm_core.reports.labels import row_label
from lgm_core.reports.page import run_report
from lgm_core.runs.store import RunFolder, RunStore
from tests.fake_runs import CLASSES, fake_distill

PAPER = preset("mkdt_cifar10_2")
HARDEST = change(PAPER, {"kind": "baseline", "baseline": {"choice": "high-loss"}})


@pytest.fixture
def run(tmp_path: Path) -> RunFolder:
    return fake_distill(RunStore(tmp_path / "runs"), method="mkdt", backbone="conv:instance", images_per_class=10)


def test_a_report_tells_the_range_where_classes_have_not_equally_many(run: RunFolder):
    fact = "<div><b>{}</b><span>images per class</span></div>"
    assert fact.format("10") in run_report(run)
    labels = [label for label in range(10) for _ in range(15 - label)]
    write_json(run.labels_file, {"labels": labels, "classes": list(CLASSES)})
    html, told = run_report(run), card(run)
    assert fact.format("6 to 15") in html and "<div><b>105</b><span>images</span></div>" in html
    assert "105 images of 10 classes of imagenette, 6 to 15 of each" in told
    write_json(run.labels_file, {"labels": sorted([*range(10)] * 10), "classes": list(CLASSES)})
    assert fact.format("10") in run_report(run)


def test_a_row_says_on_average_where_the_choice_does_not_look_at_classes():
    assert row_label(HARDEST) == "hardest real images, 100 per class on average"
    assert row_label(PAPER).endswith("(mkdt_cifar10_2), 100 per class on average")
    for equal in (preset("mkdt_preview"), change(HARDEST, {"baseline": {"choice": "random"}})):
        assert row_label(equal).endswith(" per class")


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({}, "no labels"),
        ({"mkdt": {"initial": "random"}}, "labels only to begin with as many images of each class"),
        ({"pretrain": {"teacher": "conv:batch"}}, "all training labels (its teacher's)"),
        ({"kind": "baseline", "baseline": {"choice": "high-loss"}, "mkdt": {"initial": "random"}}, "no labels"),
        (
            {"kind": "baseline", "baseline": {"choice": "high-loss"}, "pretrain": {"teacher": "conv:batch"}},
            "all training labels (its teacher's)",
        ),
        ({"kind": "baseline", "baseline": {"choice": "none"}}, "no labels"),
        ({"kind": "baseline", "baseline": {"choice": "random"}}, "only their own labels"),
        ({"kind": "baseline", "baseline": {"choice": "full"}}, "all training labels"),
        ({"method": "lgm", "backbone": "mobilenet_v2"}, "all training labels"),
    ],
)
def test_the_budget_names_whose_labels_were_used(changes: dict, words: str, tmp_path: Path):
    store = RunStore(tmp_path / "runs")
    made = store.create(change(PAPER, changes), {})
    assert budget_of(made, 10).labels == words
