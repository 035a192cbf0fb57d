"""The page Cross-model and the page Watch with sets that mean different classes to two backbones."""

from itertools import permutations
from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest

from lgm_core.base.files import read_json, write_json
from lgm_core.base.settings import joined
from lgm_core.runs.store import RunFolder, RunStore
from pages.parts import needed
from pages.parts.player.player import judges_of
from tests.app import button, given, open_page
from tests.fake_runs import BACKBONES, CLASSES, _create, fake_align, fake_distill, fake_study


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


def _captions(test: AppTest) -> str:
    return " ".join(caption.value for caption in test.caption).replace("\\", "")


def _html(test: AppTest) -> str:
    return " ".join(str(one.proto.body) for one in test.get("html"))


def _looked(store: RunStore, made: RunFolder) -> None:
    """A patches run on a contrast set: two images, of which A calls one as it means it, and B one as B does."""
    asked = {"dataset": "imagenette", "source": made.id, "evaluate_on": list(BACKBONES)}
    run = _create(store, "finished", 1, {"kind": "patches", **asked})
    atlas, seen = {"columns": 2, "rows": 1, "side": 32}, {"point": "stage4.pool", "grid": [7, 7], "fit": 1.0}
    seen |= {"explained": [0.3, 0.2, 0.1], "margins": [4.2, 1.1], "other_margins": [-1.5, 2.5]}
    predicted = dict(zip(BACKBONES, ([4, 7], [5, 6], [9, 9]), strict=True))
    write_json(run.findings_file, {
        "kind": "patches", "source": made.id, "dataset": "imagenette", "classes": list(CLASSES), "labels": [4, 5],
        "other_labels": [5, 6], "set_images": 2, "real_indices": [],
        "backbones": [seen | {"backbone": name, "predicted": predicted[name]} for name in BACKBONES],
        "atlases": [
            atlas | {"backbone": name, "what": what, "file": f"{name}-{what}.webp"}
            for name in BACKBONES for what in ("images", "colours", "evidence", "other")
        ],
    })  # fmt: skip


def test_the_images_of_a_pair_stand_with_both_meanings(store: RunStore):
    made = fake_pairs(store)[0]
    assert "Watch the run" not in [one.label for one in open_page("cross_model", study="sides").button]
    before = open_page("cross_model", study="sides", pair=made.id)
    assert not before.exception and "Compute what they see" in [one.label for one in before.button]
    assert "A: tench" in _html(before) and "B: English springer" in _html(before)
    _looked(store, made)
    test = open_page("cross_model", study="sides", pair=made.id)
    assert not test.exception and "Compute what they see" not in [one.label for one in test.button]
    told = _html(test)
    assert f"{BACKBONES[0]}-evidence.webp" in told and f"{BACKBONES[0]}-other.webp" in told
    first, second = "A&#x27;s meaning", "by B&#x27;s"
    words = [
        f"A · calls 1 of 2 by {first}",
        f"B · calls 0 of 2 by {first}, 2 {second}",
        f"0 of 2 by {first}, 0 {second}",
    ]
    words += [">A: church<", ">gas pump<", ">B: French horn<", ">B: garbage truck<"]
    assert [one for one in words if one not in told] == []
    view = {"dataset": "imagenette", "backbones": [BACKBONES[1]], "view": "patches", "run": made.id, "what": "other"}
    patches = open_page("backbones", **view)
    assert not patches.exception and "<span>-1.5</span>" in _html(patches) and "other.webp" in _html(patches)


def test_a_pair_that_is_not_finished_says_how_far_it_is(store: RunStore):
    running = fake_pairs(store)[-1]
    test = open_page("cross_model", study="sides", pair=running.id)
    assert not test.exception and "Compute what they see" not in [one.label for one in test.button]


def test_several_sets_of_a_pair_have_their_spread_and_their_number(store: RunStore):
    for run in fake_pairs(store)[:1]:
        facts = {"backbone": run.config().backbone, "lgm": {"contrast": "rolled"}, "evaluate_on": BACKBONES, "seed": 1}
        again = fake_distill(store, name="again", study="sides", frames=5, **facts)
        for file in again.evals.glob("*.json"):
            found = {"classes": [*range(1, 10), 0], "top1_other": 0.2, "allegiance": 0.5}
            write_json(file, read_json(file) | {"top1": 0.5, "contrast": found})
    test = open_page("cross_model", study="sides")
    table = next(one.value for one in test.dataframe if "A" in one.value.columns)
    assert not test.exception and list(table["Sets"]) == [2, 1, 1, 1, 1, 0] and "Assignment" not in table.columns
    assert table["A: own, other's"].iloc[0] == "69.1 ± 19.1, 10.9 ± 9.1 %"


def test_a_study_of_pairs_starts_from_the_page(store: RunStore, monkeypatch: pytest.MonkeyPatch):
    fake_study(store, seeds=1)
    asked = []
    monkeypatch.setattr(needed.local, "submit", lambda config, here, first: asked.append(config))
    test = open_page("cross_model", study="demo")
    assert not test.exception and "shows with whom the others side" in _captions(test)
    assert not [one for one in test.button if "set" in one.label]
    test = next(one for one in test.toggle if one.label == "Start a study of pairs").set_value(True).run()
    assert "2 of the 2 sets" in _captions(test) and "choose a third backbone" in _captions(test)
    assert "on this machine, one after another." not in _captions(test)
    button(test, "Launch 2 sets").click().run()
    assert [config.networks() for config in asked] == list(permutations(BACKBONES[:2], 2))
    assert all(config.study == "sides" and config.lgm.contrast == "rolled" for config in asked)
    assert given(test, "study") == ["sides"]


def test_missing_pairs_are_added_to_a_study(store: RunStore, monkeypatch: pytest.MonkeyPatch):
    fake_pairs(store)
    asked = []
    monkeypatch.setattr(needed.local, "submit", lambda config, here, first: asked.append(config))
    test = open_page("cross_model", study="sides", backbones=[*BACKBONES, "resnet18"])
    test = next(one for one in test.toggle if one.label == "Add the pairs that are missing").set_value(True).run()
    assert not test.exception and "6 of the 12 sets" in _captions(test)
    assert "on this machine, one after another." in _captions(test)
    button(test, "Launch 6 sets").click().run()
    assert len(asked) == 6 and all("resnet18" in config.networks() for config in asked)
    test = open_page("cross_model", study="sides")
    test = next(one for one in test.toggle if one.label == "Add the pairs that are missing").set_value(True).run()
    assert "All 6 sets of these 3 backbones have been launched" in _captions(test)
