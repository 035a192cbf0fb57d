"""The page Backbones: cards and layers, drawn from findings on disk, and a button for what is missing."""

from pathlib import Path
from urllib.parse import parse_qs

import pytest

from lgm_core.base.files import write_json
from lgm_core.runs.store import RunStore
from pages.parts.maps.embedded import known_backbones
from tests.app import open_page
from tests.fake_findings import fake_card, fake_look
from tests.fake_runs import BACKBONES, CLASSES, _create, fake_align, fake_distill, fake_thumbs


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> RunStore:
    monkeypatch.setenv("LGM_CACHE", str(tmp_path))
    store = RunStore(tmp_path / "runs")
    key = fake_thumbs(store, "imagenette", "test")
    for grouped, name in enumerate(BACKBONES[:2]):
        fake_card(store, name, thumbs=key, grouped=bool(grouped))
    rows = [
        {"point": point, "features": 64, "top1": {"probe": top1, "nearest mean": top1, "k-NN": top1},
         "worst_group": {"probe": None, "nearest mean": None, "k-NN": None}, "dimension": 9.5, "separation": 0.3}
        for point, top1 in (("stage0.pool", 0.3), ("stage1.pool", 0.8), ("", 0.9))
    ]  # fmt: skip
    fake_look(store, "layers", BACKBONES[0], {"points": rows})
    return store


def said(page) -> str:
    kinds = ("markdown", "caption", "info", "html")
    return "\n".join(str(element.value) for kind in kinds for element in page.get(kind) if hasattr(element, "value"))


def test_the_slider_shows_what_class_means_explain_at_a_size(store):
    page = open_page("backbones", dataset="imagenette", backbones=list(BACKBONES[:2]))
    assert [one.value for one in page.metric] == ["50.0 %"] * 2
    page.select_slider[0].set_value("3").run()
    assert [one.value for one in page.metric] == ["25.0 %"] * 2 and not page.exception


def test_cards_stand_beside_each_other_with_images_of_the_hardest_pair(store):
    page = open_page("backbones", dataset="imagenette", backbones=list(BACKBONES[:2]))
    assert not page.exception
    words = said(page)
    assert words.count("<b>91.2 %</b>") == 6
    assert words.count("on 400 training and 240 test images of imagenette") == 2  # of each card: they may differ
    assert "church taken for garbage truck: **3**" in words and "worst group (night)</td><td><b>25.0 %</b>" in words
    assert "120\\.0 forward" in words and "lgm-tile" in words
    assert len(page.get("plotly_chart")) == 2
    assert [button.label for button in page.button].count("Distil") == 4


def test_a_page_opens_with_what_was_looked_at_and_takes_the_backbones_of_a_joint_set_apart(store):
    fake_distill(store, backbone="mobilenet_v2+resnet18")
    assert known_backbones("imagenette") == ["mobilenet_v2", "resnet18"]
    assert known_backbones("imagenette", "backbone") == [*BACKBONES[1::-1]]  # the newest card first
    fake_align(store, BACKBONES)
    assert known_backbones("imagenette", "align") == list(BACKBONES)
    page = open_page("disagreement", dataset="imagenette")
    assert not page.exception and page.multiselect[0].value == list(BACKBONES)


def test_layers_are_curves_and_the_missing_sweep_is_a_button(store):
    page = open_page("backbones", dataset="imagenette", backbones=list(BACKBONES[:2]), view="layers")
    assert not page.exception and len(page.get("plotly_chart")) == 1
    assert "There are no layer sweeps of EfficientNet\\-Lite0" in said(page)
    assert [button.label for button in page.button] == ["Compute"]
    assert any("stage1.pool" in str(table.value) for table in page.dataframe)
    point = f"{BACKBONES[0]}@stage1.pool"
    page = open_page("backbones", dataset="imagenette", backbones=[BACKBONES[0]], view="layers", layer=point)
    links = {link.proto.label: parse_qs(link.proto.query_string) for link in page.get("page_link")}
    assert links == {label: {"dataset": ["imagenette"], "backbones": [point]} for label in ("Distil", "Its map")}
    assert open_page("launch", **links["Distil"]).multiselect[0].value == [point]


def test_without_any_run_the_page_offers_to_compute(tmp_path, monkeypatch):
    monkeypatch.setenv("LGM_CACHE", str(tmp_path))
    page = open_page("backbones")
    assert not page.exception and "There are no cards of MobileNetV3\\-small" in said(page)


def test_patches_of_a_sets_images_stand_beside_those_of_real_ones(store):
    source = fake_distill(store, name="made")
    page = open_page("backbones", dataset="imagenette", backbones=[BACKBONES[0]], view="patches", run=source.id)
    assert not page.exception and [button.label for button in page.button] == ["Compute"]
    asked = {"dataset": "imagenette", "source": source.id, "evaluate_on": [BACKBONES[0]]}
    run = _create(store, "finished", 1, {"kind": "patches", **asked})
    atlas = {"columns": 2, "rows": 1, "side": 32, "backbone": BACKBONES[0]}
    write_json(run.findings_file, {
        "kind": "patches", "source": source.id, "dataset": "imagenette", "classes": list(CLASSES), "labels": [4, 4],
        "set_images": 1, "real_indices": [14],
        "backbones": [{"backbone": BACKBONES[0], "point": "stage4.pool", "grid": [7, 7], "fit": 1.0,
                       "explained": [0.3, 0.2, 0.1], "margins": [4.2, 1.1], "predicted": [4, 6]}],
        "atlases": [atlas | {"what": what, "file": f"0-{what}.webp"} for what in ("images", "colours", "evidence")],
    })  # fmt: skip
    page = open_page(
        "backbones", dataset="imagenette", backbones=[BACKBONES[0]], view="patches", run=source.id, what="evidence"
    )
    assert not page.exception
    words = said(page)
    assert "+1.1 garbage truck" in words and "<span>+4.2</span>" in words and "0-evidence.webp" in words


def test_the_style_of_a_set_stands_beside_real_images(store):
    source = fake_distill(store, name="made")
    asked = {"dataset": "imagenette", "source": source.id, "evaluate_on": [BACKBONES[0]]}
    run = _create(store, "finished", 1, {"kind": "style", **asked})
    lines = {"set": [3.0, 2.0, 1.0], "real": [3.0, 2.5, 2.0]}
    thirds = [[0.2, 0.5, 0.3]] * 3
    write_json(run.findings_file, {
        "kind": "style", "source": source.id, "dataset": "imagenette", "classes": list(CLASSES), "images": 10,
        "side": 48, "real_images": 20, "backbones": [BACKBONES[0]], "power": lines,
        "lab": {"centres": thirds, "set": thirds, "real": thirds}, "strengths": {"noise": [0.0, 0.1]},
        "damage": {"noise": {BACKBONES[0]: [0.8, 0.4]}},
        "copies": [{"image": 0, "label": 0, "nearest": 3, "cosine": 0.81, "ssim": 0.2}],
        "diversity": [{"backbone": BACKBONES[0], "cosine": 0.643, "coverage": 0.871}],
    })  # fmt: skip
    page = open_page("backbones", dataset="imagenette", backbones=[BACKBONES[0]], view="style", run=source.id)
    assert not page.exception and len(page.get("plotly_chart")) == 5
    assert page.table[0].value.iloc[0].tolist()[1:] == ["0.643", "87.1"]
    assert "cosine 0.81" in said(page) and "test images stay as" in said(page)
