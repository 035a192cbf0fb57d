"""The worst judge that took no part, row by row, and what the images cost."""

import pytest

from lgm_core.base.settings import joined
from lgm_core.cli.look import show_run
from lgm_core.methods.catalog import own_settings
from lgm_core.presets import preset
from lgm_core.reports.budget import budget_of
from lgm_core.reports.page import study_report
from lgm_core.reports.summary import Row, result_table, unseen_words
from lgm_core.reports.unseen import comparable_judges, tells_unseen, took_part
from lgm_core.runs.store import RunFolder, RunStore
from tests.app import open_whole
from tests.fake_runs import CLASSES, fake_distill, fake_eval

A, B, C, D = "mobilenet_v2", "resnet18", "dinov2_vits14", "mobilenet_v3_small"


def judged(run: RunFolder, **values: float) -> RunFolder:
    for name, top1 in zip((A, B, C, D), values.values(), strict=True):
        fake_eval(run, name, list(CLASSES), top1)
    return run


def fill(store: RunStore) -> None:
    """A joint set of two seeds, a single one, random photographs."""
    facts = {"study": "demo", "evaluate_on": (), "frames": 3}
    for seed, (c, d) in enumerate([(0.9, 0.8), (0.7, 0.95)]):
        run = fake_distill(store, name=f"both-{seed}", backbone=joined([A, B]), seed=seed, **facts)
        judged(run, a=0.1, b=0.2, c=c, d=d)
    judged(fake_distill(store, name="alone", backbone=A, **facts), a=0.1, b=0.5, c=0.6, d=0.7)
    values = {"kind": "baseline", "backbone": A, "baseline": {"choice": "random"}, "steps": 1}
    judged(fake_distill(store, name="random", **values, **facts), a=0.3, b=0.4, c=0.5, d=0.6)


@pytest.fixture
def rows(store: RunStore) -> list[Row]:
    fill(store)
    return list(result_table(store.study("demo")).rows)


def test_the_worst_is_taken_run_by_run_then_the_mean_over_runs(rows: list[Row]):
    both = next(row.unseen for row in rows if "+" in row.label)
    assert both is not None and both.judges == (C, D) and both.count == 2
    assert both.mean == pytest.approx((0.8 + 0.7) / 2) and both.spread == pytest.approx(0.05)
    assert unseen_words(both) == "75.0 ± 5.0 (of 2)"


def test_those_that_took_part_do_not_count_and_random_images_saw_none(rows: list[Row]):
    found = {row.choice: row.unseen for row in rows if "+" not in row.label}
    assert found["distill"] and (found["distill"].mean, found["distill"].worst) == (0.5, B)
    assert found["random"] and (found["random"].mean, found["random"].worst) == (0.3, A)
    assert tells_unseen(rows) and not tells_unseen(row for row in rows if row.choice == "random")


def test_a_run_that_one_of_them_has_not_judged_does_not_count(store: RunStore):
    fill(store)
    (store.open("both-1").evals / f"{D}-on-imagenette.json").unlink()
    (store.open("alone").evals / f"{C}-on-imagenette.json").unlink()
    rows = {row.label: row.unseen for row in result_table(store.study("demo")).rows}
    both = rows[f"distilled with {A} + {B}"]
    assert both is not None and (both.mean, both.count) == (0.8, 1) and rows[f"distilled with {A}"] is None


def test_judges_of_one_protocol_and_of_frozen_backbones_alone_are_compared():
    assert comparable_judges(["conv", A, f"{A}, paper", B]) == {A: A, B: B}
    assert comparable_judges(["conv", f"{A}, paper", f"{B}, paper", f"{B}, converged"]) == {
        f"{A}, paper": A, f"{B}, paper": B,
    }  # fmt: skip
    assert comparable_judges(["conv"]) == {}


@pytest.mark.parametrize(
    ("choice", "wanted"), [("greedy", (A, B)), ("centroids", (A, B)), ("random", ()), ("full", ()), ("indices", ())]
)
def test_real_images_are_chosen_by_networks_or_by_none(choice: str, wanted: tuple[str, ...]):
    config = preset("standard", kind="baseline", backbone=f"{A}+{B}", baseline={"choice": choice})
    assert took_part(config) == wanted


@pytest.mark.parametrize(
    ("lgm", "wanted"),
    [({}, 40), ({"joint": "all"}, 80), ({"source_views": [2, 8]}, 50), ({"source_weights": [1, 3]}, 40),
     ({"source_views": [2, 8], "source_weights": [1, 2]}, 60), ({"flat_radius": 0.1}, 80)],
)  # fmt: skip
def test_views_of_a_step(lgm: dict, wanted: int):
    config = preset("standard", backbone=f"{A}+{B}", lgm={"views": 4} | lgm)
    assert own_settings(config).views_of_a_step(10, 2) == wanted


def test_what_the_images_cost_stands_beside_what_they_are_worth(rows: list[Row]):
    both, random = (next(row.budget for row in rows if word in row.label) for word in ("+", "random"))
    assert both is not None and random is not None
    assert both.words == f"{60 * 0.25:,.0f} s of steps, {60 * 5 * 10:,} views seen, 2 backbones, all training labels"
    assert random.words == "only their own labels"


def test_steps_whose_seconds_cannot_be_read_are_left_out(store: RunStore):
    run = fake_distill(store, name="odd", backbone=A, evaluate_on=(A,))
    for odd in ('"x"', "NaN", "null"):
        with run.metrics_file.open("a") as file:
            file.write(f'{{"step": 60, "loss": 1.0, "step_seconds": {odd}}}\n')
    assert budget_of(run, 10).seconds == pytest.approx(60 * 0.25)


def test_tables_of_the_terminal_the_page_and_the_report_show_both(store: RunStore, capsys: pytest.CaptureFixture[str]):
    fill(store)
    show_run("demo")
    shown = capsys.readouterr().out
    assert "75.0 ± 5.0 (of 2)" in " ".join(shown.split()) and "worst unseen" in shown
    report = study_report("demo", store.study("demo"))
    assert "75.0 ± 5.0 (of 2)" in report and "3,000 views seen" in report
    said = " ".join(caption.value for caption in open_whole("cross_model", study="demo").caption)
    assert "took no part in making or choosing" in said
