"""From a cell of the confusion to the test images behind it, and to a group that is distilled."""

from pathlib import Path

import pytest
import torch
from streamlit.testing.v1 import AppTest

from lgm_core.base.files import read_json, write_json
from lgm_core.base.names import thumbs_key
from lgm_core.base.places import places
from lgm_core.datasets.group_files import read_collection
from lgm_core.evaluation.probe import MISTAKEN_IMAGES, score_best
from lgm_core.runs.shapes import what_misfits
from lgm_core.runs.store import RunStore
from tests.app import open_page
from tests.fake_runs import BACKBONES, fake_distill, fake_thumbs


def test_a_report_names_images_of_the_most_frequent_mistakes():
    labels = torch.tensor([0] * 40 + [1] * 3 + [2])
    predicted = torch.tensor([1] * 30 + [0] * 10 + [2, 1, 2] + [2])
    found = score_best(predicted[None, :, None], labels, classes=3)["mistaken"]
    assert [(one["true"], one["taken"]) for one in found] == [(0, 1), (1, 2)]
    assert found[0]["images"] == list(range(MISTAKEN_IMAGES)) and found[1]["images"] == [40, 42]


def test_a_mistake_of_a_class_that_is_not_there_is_damage(store: RunStore):
    file = next(fake_distill(store, name="one").evals.glob("*.json"))
    report = read_json(file) | {"mistaken": [{"true": 0, "taken": 10, "images": [3]}]}
    assert "mistaken" in what_misfits(file, report)
    report["mistaken"][0] |= {"taken": 9, "images": [-3]}
    assert "mistaken" in what_misfits(file, report)
    report["mistaken"][0]["images"] = [3]
    assert not what_misfits(file, report)


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> RunStore:
    for name, value in (("LGM_CACHE", str(tmp_path)), ("LGM_WEIGHTS", ""), ("LGM_DATASETS", "")):
        monkeypatch.setenv(name, value)
    return RunStore(tmp_path / "runs")


def shown(page: AppTest) -> str:
    """Captions and tiles."""
    return " ".join([*(one.value for one in page.caption), *(one.proto.body for one in page.get("html"))])


def test_the_images_of_a_mistake_are_shown_and_can_be_distilled(store: RunStore):
    run = fake_distill(store, name="one", study="demo", backbone=BACKBONES[0], evaluate_on=[BACKBONES[0]])
    file = next(run.evals.glob(f"{BACKBONES[0]}-*.json"))
    mistaken = [{"true": 3, "taken": 4, "images": [3, 13, 10**6]}, {"true": 5, "taken": 6, "images": [5]}]
    write_json(file, read_json(file) | {"mistaken": mistaken})
    write_json(run.data_file, {"train_images": 10, "test_images": 500, "fingerprints": ["f" * 64, "0123456789ab" * 5]})
    link = {"study": "demo", "cell": f"distilled with {BACKBONES[0]}|{BACKBONES[0]}"}
    assert "no thumbnails of the test images" in shown(open_page("cross_model", **link))
    assert fake_thumbs(store, "imagenette", "test") == thumbs_key("imagenette", "test", "0123456789ab" * 5)
    page = open_page("cross_model", **link)
    assert not page.exception
    (pick,) = [box for box in page.selectbox if box.label == "Test images of"]
    assert pick.options == ["chain saw taken for church", "French horn taken for garbage truck"]
    text = shown(page)
    assert "2 of 10 images" in text and "test/00013.jpg" in text and "test/00005.jpg" not in text
    pick.select("French horn taken for garbage truck").run()
    assert "test/00005.jpg" in shown(page)
    (collect,) = [button for button in page.button if button.label == "Only collect"]
    assert not collect.click().run().exception
    (group,) = read_collection(places().groups, "French_horn_taken_for_garbage_truck").groups
    assert (group.indices, group.images.split, group.page) == ((5,), "test", "cross_model")
    assert "cell=distilled" in group.query
