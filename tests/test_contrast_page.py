"""The page Cross-model and the page Watch with sets that mean different classes to two backbones."""

from itertools import permutations
from pathlib import Path

import pytest

from lgm_core.base.files import read_json, write_json
from lgm_core.base.settings import joined
from lgm_core.runs.store import RunFolder, RunStore
from pages.parts.player.player import judges_of
from tests.app import open_page
from tests.fake_runs import BACKBONES, fake_align, fake_distill


def fake_pairs(store: RunStore, name: str = "sides") -> list[RunFolder]:
    """A contrast run for each ordered pair of three backbones; the last one is not finished."""
    runs = []
    for place, (a, b) in enumerate(permutations(BACKBONES, 2)):
        facts = {"backbone": joined((a, b)), "lgm": {"contrast": "rolled"}, "evaluate_on": BACKBONES, "study": name}
        run = fake_distill(store, "running" if place == 5 else "finished", name=f"{name}-{a}-{b}", frames=5, **facts)
        runs.append(run)
        for file in run.evals.glob("*.json") if run.evals.is_dir() else ():
            report = read_json(file)
            share = {a: 0.98, b: 0.01}.get(report["backbone"], 0.3 if b == BACKBONES[1] else 0.6)
            facts = {"classes": [*range(1, 10), 0], "top1_other": 0.9 * (1 - share), "allegiance": share}
            write_json(file, report | {"top1": 0.9 * share, "contrast": facts})
    return runs


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> RunStore:
    monkeypatch.setenv("LGM_CACHE", str(tmp_path))
    return RunStore(tmp_path / "runs")


def test_the_table_of_sides_fills_while_the_study_runs(store: RunStore):
    fake_pairs(store)
    fake_align(store)
    test = open_page("cross_model", study="sides")
    assert not test.exception
    table = next(one.value for one in test.dataframe if "A" in one.value.columns)
    assert len(table) == 6 and table["CLIP ViT-B/16"].notna().sum() == 2
    assert table["A: own, other's"].iloc[0] == "88.2, 1.8 % ✓" and table["A: own, other's"].iloc[5] == ""
    told = " ".join(caption.value for caption in test.caption).replace("\\", "")
    assert "5 finished" in told and "1 running" in told and "Linear CKA: r" in told


def test_both_meanings_have_a_curve_in_another_colour():
    config = {"backbone": "a+b", "evaluate_on": ["a", "b", "c"]}
    found = judges_of(config)
    assert {"live_other:a", "live_other:c"} <= {one["name"] for one in found}
    drawn = [one["colour"] for one in found if one["name"].startswith(("live:", "live_other:"))]
    assert len(set(drawn)) == len(drawn) == 6
    assert not [one for one in judges_of({"backbone": "a", "evaluate_on": ["b"]}) if "other" in one["name"]]


def test_a_study_that_has_only_begun_has_its_table(store: RunStore):
    facts = {"backbone": joined(BACKBONES[:2]), "lgm": {"contrast": "rolled"}, "evaluate_on": BACKBONES}
    fake_distill(store, "queued", name="first", study="sides", **facts)
    test = open_page("cross_model", study="sides")
    assert not test.exception and len(test.dataframe[-1].value) == 1
    assert "1 queued" in " ".join(caption.value for caption in test.caption)
