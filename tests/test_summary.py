"""Tables count sets: the newest judgement of each stands; a run is known by the first protocol that it asks for."""

import re

import pytest
from starlette.applications import Starlette
from starlette.testclient import TestClient

import lgm_core
from lgm_core.base.files import read_json, write_json
from lgm_core.base.places import Places
from lgm_core.cli.look import show_run
from lgm_core.reports.matrix import study_matrix
from lgm_core.reports.site import write_site
from lgm_core.reports.summary import Cell, result_table
from lgm_core.reports.unseen import own_report
from lgm_core.runs.store import RunFolder, RunStore
from pages.parts.server.routes import ROUTES
from tests.fake_runs import CLASSES, fake_distill, fake_eval

JUDGE = "mobilenet_v2"


@pytest.fixture
def store(here: Places) -> RunStore:
    return RunStore(here.runs)


def judged_again(store: RunStore, made: RunFolder, name: str, accuracy: float, **values) -> RunFolder:
    """What `lgm evaluate` leaves: a run that judges another one's images."""
    facts = {"kind": "evaluate", "source": made.id, "evaluate_on": (), "study": "demo", "backbone": JUDGE, "frames": 0}
    run = fake_distill(store, name=name, trail=False, **facts, **values)
    fake_eval(run, JUDGE, list(CLASSES), accuracy)
    return run


def only_cell(runs: list[RunFolder]) -> Cell:
    (row,) = result_table(runs).rows
    return row.cells[JUDGE]


def test_a_set_judged_twice_is_one_set(store: RunStore, monkeypatch, capsys):
    made = fake_distill(store, name="one", study="demo", backbone=JUDGE, evaluate_on=(JUDGE,), accuracy=0.84)
    alone = only_cell(store.runs())
    again = judged_again(store, made, "again", 0.86)
    cell = only_cell([made, again])
    assert (cell.mean, cell.spread, cell.count) == (0.86, alone.spread, alone.count) and cell.runs == ("again",)
    latest = judged_again(store, made, "latest", 0.85)
    assert only_cell([made, again, latest]).mean == 0.85
    assert only_cell([made, latest, again]).mean == 0.86
    matrix = study_matrix([made, again, latest])
    fewer = judged_again(store, made, "fewer", 0.7, probe={"views": 30})
    rows = result_table([made, again, latest, fewer]).rows  # judged otherwise: a row of its own, of one set again
    assert [row.cells[JUDGE].runs for row in rows] == [("latest",), ("fewer",)]
    (slot,) = [slot for slot in matrix.slots.values() if slot.cell]
    assert slot.cell == only_cell([made, again, latest]) and not slot.halted and not slot.waiting
    monkeypatch.setenv("LGM_CACHE", str(store.root.parent))
    assert show_run("one") == 0
    shown = capsys.readouterr().out
    assert "85.0 ± 0.4" in shown and "runs" not in shown.split("85.0")[1].splitlines()[0]


def test_two_seeds_are_two_sets_however_often_each_is_judged(store: RunStore):
    runs = []
    for seed, accuracy in enumerate((0.8, 0.9)):
        facts = {"study": "demo", "backbone": JUDGE, "evaluate_on": (JUDGE,), "seed": seed}
        runs.append(fake_distill(store, name=f"s{seed}", accuracy=0.5, **facts))
        runs += [judged_again(store, runs[-1], f"s{seed}-{i}", accuracy, seed=seed) for i in range(2)]
    cell = only_cell(runs)
    assert (cell.mean, cell.spread, cell.count) == (pytest.approx(0.85), pytest.approx(0.05), 2)
    assert cell.runs == ("s0-1", "s1-1")


@pytest.mark.parametrize("asked", [("paper", "converged", "1-nn"), ("converged", "1-nn", "paper")])
@pytest.mark.parametrize("backbone", ["mobilenet_v2", "mobilenet_v2+resnet18"])
def test_a_run_is_known_by_the_first_protocol_that_it_asks_for(here, monkeypatch, backbone, asked: tuple[str, ...]):
    """Not by the first file's name, "…-1-nn-on-…": on Runs, in the gallery, over REST and in Python."""
    run = fake_distill(RunStore(here.runs), name="one", backbone=backbone, protocol=asked, evaluate_on=[])
    for protocol, top1 in zip(("1-nn", "converged", "paper"), (0.2, 0.3, 0.4), strict=True):
        fake_eval(run, "mobilenet_v2", list("abc"), top1)
        file = run.evals / "mobilenet_v2-on-imagenette.json"
        write_json(run.evals / f"mobilenet_v2-{protocol}.json", read_json(file) | {"protocol": protocol})
        file.unlink()
    assert [report["protocol"] for report in run.eval_reports()] == ["1-nn", "converged", "paper"]
    report = own_report(run)
    assert report is not None and report["protocol"] == asked[0]
    shown = (write_site([run], here.cache / "site") / "index.html").read_text()
    assert re.findall(r"top-1 ([\d.]+)", shown)[0] == f"{100 * report['top1']:.1f}"
    monkeypatch.setenv("LGM_CACHE", str(here.cache))
    answer = TestClient(Starlette(routes=ROUTES)).get("/api/runs/one/evals").json()
    assert [one["protocol"] for one in answer["evals"]] == list(asked)
    assert list(lgm_core.open_run("one").accuracies().protocol) == list(asked)


def test_a_run_without_reports_is_not_asked_for_its_config(store: RunStore, monkeypatch):
    """Of ten thousand runs it would be read at each look."""
    run = fake_distill(store, "running", name="one")
    assert run.eval_reports() == []
    monkeypatch.setattr(RunFolder, "config", lambda self: pytest.fail("it was read"))
    assert own_report(run) is None
