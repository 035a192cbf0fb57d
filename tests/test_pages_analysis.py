"""The pages that look at results: what they show, through their links, and what they launch."""

from collections.abc import Callable
from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest

from lgm_core.base.files import read_json, write_json
from lgm_core.reports.matrix import View, correlation, fillings, study_matrix
from lgm_core.runs.identity import identity
from lgm_core.runs.store import RunStore
from pages.parts.looks.found import look_config
from pages.parts.maps.embedded import embed_config
from pages.parts.transfer.alignment import align_config
from pages.parts.transfer.matrix import _cell
from tests.fake_runs import BACKBONES, CLASSES, ERROR, REAL, fake_align, fake_distill, fake_embed, fake_eval, fake_study

ROOT = Path(__file__).parent.parent
Show = Callable[..., AppTest]


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> RunStore:
    monkeypatch.setenv("LGM_CACHE", str(tmp_path))
    return RunStore(tmp_path / "runs")


@pytest.fixture
def show(store) -> Show:
    """Open a page of the dashboard, with values in its URL."""

    def open_page(name: str, **link: str | list[str]) -> AppTest:
        test = AppTest.from_file(str(ROOT / "app.py"), default_timeout=300).run()
        test.switch_page(f"pages/{name}.py")
        for key, value in link.items():
            test.query_params[key] = value
        test.run()
        assert not test.exception, test.exception
        return test

    return open_page


def words(test: AppTest) -> str:
    """All that a page says, as one text."""
    kinds = (
        "title",
        "header",
        "subheader",
        "markdown",
        "caption",
        "info",
        "warning",
        "error",
        "metric",
        "html",
        "code",
    )
    return "\n".join(
        f"{getattr(e, 'label', '')} {e.value}" for kind in kinds for e in test.get(kind) if hasattr(e, "value")
    )


def test_maps_stand_side_by_side_and_a_link_opens_the_lasso(show, store):
    source = fake_distill(store, name="source")
    for backbone in BACKBONES[:2]:
        fake_embed(store, source, backbone=backbone, name=f"map-{backbone}")
    link = f"map-{BACKBONES[0]}~0.5,0.0~1.0,0.0~1.0,0.5~0.5,0.5"
    shown = show("embeddings", dataset="imagenette", backbones=list(BACKBONES[:2]), lasso=link)
    assert shown.get("bidi_component")
    assert "images in the lasso" in words(shown)
    picked = show("embeddings", dataset="imagenette", backbones=list(BACKBONES[:2]), picked="star:source:3")
    assert words(picked).count("Nearest, by cosine similarity") == 2
    real = show("embeddings", dataset="imagenette", backbones=list(BACKBONES[:2]), picked="real:7", colour="wrong")
    assert "probe error" in words(real) and words(real).count("Nearest real images, by cosine similarity") == 2


def test_a_map_says_of_how_many_images_it_is_and_what_its_axes_hold(show, store):
    fake_embed(store, fake_distill(store, name="one"), backbone="mobilenet_v2")
    told = words(show("embeddings", method="pca", backbones="mobilenet_v2"))
    assert f"{REAL} of 3,925 test images. Variance explained by the two axes: " in told and " 50 %." in told
    assert "Variance" not in words(show("embeddings", method="umap", backbones="mobilenet_v2"))


def test_bad_links_open_the_page_all_the_same(show, store):
    source = fake_distill(store, name="source")
    fake_embed(store, source, backbone=BACKBONES[0], name="map")
    for link in ("map~a,b~c,d~e,f", "nowhere~0,0~1,0~1,1", "map~0.1,0.1", "~~~"):
        assert "in the lasso" not in words(
            show("embeddings", dataset="imagenette", backbones=[BACKBONES[0]], lasso=link)
        )
    show("embeddings", dataset="imagenette", backbones=[BACKBONES[0]], picked="star:gone:99", colour="none", method="x")
    show("embeddings", dataset="imagenette", backbones=[BACKBONES[0]], picked="real:99999999")
    show("cross_model", study="gone", cell="none|none", view="x")
    show("report", part="x", run="gone")


def test_missing_and_failed_maps_offer_what_to_do(show, store):
    source = fake_distill(store, name="source")
    fake_embed(store, source, "failed", backbone=BACKBONES[0], name="broken")
    shown = show("embeddings", dataset="imagenette", backbones=list(BACKBONES[:2]))
    labels = [button.label for button in shown.button]
    assert "Try again" in labels and "Compute" in labels
    assert any(ERROR[:20] in error.value for error in shown.error)


@pytest.mark.parametrize("state", ["queued", "running", "paused", "lost"])
def test_a_map_or_an_alignment_under_way_is_shown_as_such(show, store, state):
    source = fake_distill(store, name="source", evaluate_on=list(BACKBONES[:2]))
    fake_embed(store, source, state, backbone=BACKBONES[0], name="map")
    fake_align(store, BACKBONES[:2], state)
    wanted = {"paused": "Resume", "lost": "Try again"}.get(state)
    for page in ("embeddings", "neighbours", "cross_model"):
        link = {"dataset": "imagenette", "run": "source", "backbones": list(BACKBONES[: 1 + (page == "cross_model")])}
        shown = show(page, **link)
        labels = [button.label for button in shown.button]
        assert wanted in labels if wanted else not {"Compute", "Compute the alignment", "Try again"} & set(labels), page


def test_launching_a_map_submits_one_run_for_each_backbone(show, store, monkeypatch):
    submitted = []
    monkeypatch.setattr("lgm_core.jobs.local.submit", lambda config, here, first=False: submitted.append(config))
    fake_distill(store, name="source")
    shown = show("embeddings", dataset="imagenette", backbones=list(BACKBONES[:2]))
    next(button for button in shown.button if button.label == "Compute").click().run()
    assert [(config.kind, config.backbone, config.sources) for config in submitted] == [
        ("embed", backbone, ("source",)) for backbone in BACKBONES[:2]
    ]


def test_what_is_computed_from_a_page_looks_at_the_part_of_the_data_that_the_set_was_made_from(store):
    run = fake_distill(store, name="source", seed=4, data={"train_per_class": 7})
    made = [
        embed_config("imagenette", BACKBONES[0], [run]),
        align_config("imagenette", BACKBONES, run),
        look_config("backbone", "imagenette", BACKBONES[0]),
    ]
    assert [(config.seed, config.data.train_per_class) for config in made] == [(4, 7)] * 3


def test_neighbours_of_every_synthetic_image(show, store):
    source = fake_distill(store, name="source")
    fake_embed(store, source, backbone=BACKBONES[0], name="map")
    shown = words(show("neighbours", run="source", backbones=[BACKBONES[0]]))
    assert shown.count("Class centroid") == 8 and "the nearest is of the same class" in shown  # a page of eight
    assert "40 %" in shown
    one = words(show("neighbours", run="source", backbones=[BACKBONES[0]], **{"class": CLASSES[3]}))
    assert one.count("Class centroid") == 1


def test_the_matrix_opens_a_cell_and_shows_alignment(show, store):
    fake_study(store)
    fake_align(store)
    shown = show("cross_model", study="demo", cell=f"random real images|{BACKBONES[0]}")
    assert "Worst classes" in words(shown)
    assert "Transfer against alignment" in words(shown)
    assert any(metric.label == "Top-1" and metric.value == "50.0 %" for metric in shown.metric)


def test_missing_cells_can_be_launched(show, store, monkeypatch):
    submitted = []
    monkeypatch.setattr("lgm_core.jobs.local.submit", lambda config, here, first=False: submitted.append(config))
    fake_study(store, seeds=1)
    shown = show("cross_model", study="demo", backbones=list(BACKBONES))
    next(button for button in shown.button if button.label.startswith("Launch ")).click().run()
    kinds = {(config.kind, config.source) for config in submitted}
    assert ("evaluate", f"demo-lgm-{BACKBONES[0]}-s0") in kinds
    assert any(config.kind == "distill" and config.backbone == BACKBONES[2] for config in submitted)
    assert any(config.baseline.choice == "full" for config in submitted if config.kind == "baseline")


def test_compare_names_only_what_differs(show, store):
    fake_distill(store, name="one", seed=1, accuracy=0.8)
    fake_distill(store, name="two", seed=1, accuracy=0.6, steps=70)
    shown = show("compare", runs=["one", "two"])
    settings, accuracies = (frame.value for frame in shown.dataframe[:2])
    assert list(settings["Setting"]) == ["steps"]
    assert "-20.0  [" in accuracies.iloc[0]["two − one"] and "•" in accuracies.iloc[0]["two − one"]


def test_names_from_disk_are_text(show, store):
    nasty = "<img src=x onerror=alert(1)>"
    source = fake_distill(store, name="source", study=nasty)
    fake_embed(store, source, backbone=BACKBONES[0], name="map")
    for index in (store.root.parent / "thumbs").glob("*/index.json"):
        write_json(index, read_json(index) | {"classes": [nasty] * 10})
    fake_eval(source, BACKBONES[0], [nasty] * 10, 0.5)
    for page, link in (
        ("neighbours", {"run": "source", "backbones": [BACKBONES[0]]}),
        ("embeddings", {"dataset": "imagenette", "backbones": [BACKBONES[0]], "picked": "star:source:0"}),
        ("cross_model", {"cell": f"distilled with tf_efficientnet_lite0|{BACKBONES[0]}"}),
        ("report", {"run": "source"}),
    ):
        shown = show(page, **link)
        for kind in ("html", "markdown"):
            assert not any(nasty in str(getattr(element, "value", "")) for element in shown.get(kind)), (page, kind)


@pytest.mark.parametrize("part", ["run", "study", "site", "set"])
def test_report_offers_each_thing(show, store, part):
    fake_study(store, seeds=1)
    shown = show("report", part=part)
    assert shown.get("download_button")


def test_matrix_knows_every_cell(store):
    runs = fake_study(store, state="running")
    matrix = study_matrix(runs, BACKBONES)
    row = next(row for row in matrix.rows if row.backbone == BACKBONES[0] and row.choice == "distill")
    assert matrix.slot(row, BACKBONES[0]).state == "done" and len(matrix.slot(row, BACKBONES[0]).runs) == 2
    assert matrix.slot(row, BACKBONES[2]).state == "missing"
    assert matrix.value(row, BACKBONES[0], "raw") == pytest.approx(0.855)
    assert matrix.value(row, BACKBONES[0], "relative") == pytest.approx(0.855 / 0.95)
    assert matrix.value(row, BACKBONES[0], "over centroids") == pytest.approx(0.155)
    assert matrix.value(row, BACKBONES[1], "over centroids") is None  # there are no centroids of that backbone
    second = next(row for row in matrix.rows if row.backbone == BACKBONES[1] and row.choice == "distill")
    assert matrix.slot(second, BACKBONES[0]).waiting == 1
    views: tuple[View, ...] = ("raw", "relative", "over centroids")
    shown = [_cell(matrix, row, BACKBONES[0], view, (0, 1))["spread"] for view in views]
    assert shown == ["± 0.5 · 2 runs", "2 runs", "2 runs"]  # the spread is that of the accuracy
    configs = fillings(runs, row, BACKBONES[2:])
    assert [(c.kind, c.evaluate_on, c.source) for c in configs] == [
        ("evaluate", BACKBONES[2:], f"demo-lgm-{BACKBONES[0]}-s{seed}") for seed in range(2)
    ]
    assert len({str(identity(c)) for c in configs}) == 2  # two runs, not one run found again


def test_correlation_and_its_interval():
    assert correlation([(0.0, 0.0), (1.0, 1.0)]) is None
    assert correlation([(0.0, 1.0), (0.0, 2.0), (0.0, 3.0)]) is None
    r, low, high = correlation([(0.0, 0.0), (1.0, 2.0), (2.0, 1.0), (3.0, 3.0)]) or (0, 0, 0)
    assert r == pytest.approx(0.8) and low < r < high
    assert low == pytest.approx(-0.696, abs=1e-3) and high == pytest.approx(0.996, abs=1e-3)  # tanh(atanh(.8) -+ 1.96)
