"""A table's rows hold runs that differ in nothing but the seed: what differs in more is told apart by its label."""

from dataclasses import replace

import pytest

from lgm_core.base.places import Places
from lgm_core.config import RunConfig
from lgm_core.presets import change
from lgm_core.reports.labels import Labels, row_label
from lgm_core.reports.matrix import fillings, study_matrix
from lgm_core.reports.summary import result_table
from lgm_core.runs.store import RunStore
from tests.fake_runs import fake_distill

JUDGE = "mobilenet_v2"
SHORT, LONG = {"steps": 50}, {"steps": 5000, "lgm": {"objective": "cosine"}}


@pytest.fixture
def store(here: Places) -> RunStore:
    return RunStore(here.runs)


def made(store: RunStore, name: str, accuracy: float, **facts) -> None:
    fake_distill(store, name=name, backbone=JUDGE, evaluate_on=(JUDGE,), accuracy=accuracy, frames=2, **facts)


def test_runs_of_other_settings_have_rows_of_their_own(store: RunStore):
    for seed in range(2):
        made(store, f"short-{seed}", 0.6 + seed / 10, seed=seed, **SHORT)
        made(store, f"long-{seed}", 0.9, seed=seed, device={"threads": 1 + seed}, bank={"batch": 8 + seed}, **LONG)
    rows = {row.label: row.cells[JUDGE] for row in result_table(store.runs()).rows}
    name = f"distilled with {JUDGE}"
    assert list(rows) == [
        f"{name}, steps 50, lgm.objective cosine-per-class",
        f"{name}, steps 5000, lgm.objective cosine",
    ]
    short, long = rows.values()
    assert (short.count, long.count) == (2, 2) and short.mean == pytest.approx(0.65) and long.mean == 0.9


def test_a_missing_cell_of_such_a_row_is_filled_from_its_own_runs(store: RunStore):
    made(store, "short", 0.6, **SHORT)
    made(store, "long", 0.9, **LONG)
    matrix = study_matrix(store.runs(), (JUDGE, "resnet18"))
    rows = [row for row in matrix.rows if JUDGE in row.cells]
    wanted = [row.label for row in matrix.rows if row.backbone == "resnet18"]
    assert len(rows) == 2 and wanted == ["distilled with resnet18"]
    sources = [[config.source for config in fillings(store.runs(), row, ["resnet18"])] for row in rows]
    assert sources == [["short"], ["long"]] and all(matrix.slot(row, "resnet18").state == "missing" for row in rows)


def test_neighbours_say_whose_they_are_and_real_images_which_data_they_are_of():
    short, long = (change(RunConfig(backbone=JUDGE), settings) for settings in (SHORT, LONG))
    near = replace(change(short, {"baseline": {"choice": "neighbours"}}), kind="baseline")
    drawn = replace(change(short, {"baseline": {"choice": "random"}}), kind="baseline")
    fewer = change(drawn, {"data": {"train_per_class": 10, "test_per_class": 5}})
    runs = {"a": short, "b": long, "near": replace(near, source="a"), "far": replace(near, source="b")}
    labels = Labels(runs | {"drawn": drawn, "other": replace(drawn, steps=7, seed=3), "fewer": fewer})
    assert labels.of(runs["near"]).endswith(f"in {JUDGE} (steps 50, lgm.objective cosine-per-class)")
    assert labels.of(runs["far"]).endswith(f"in {JUDGE} (steps 5000, lgm.objective cosine)")
    assert labels.of(fewer) == "random real images, data.train_per_class 10"
    assert Labels({"drawn": drawn, "other": replace(drawn, steps=7)}).of(drawn) == row_label(drawn)
