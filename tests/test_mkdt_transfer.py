"""What pre-trained networks are tested on, and whatever sets they are pre-trained on: one table of all methods."""

from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest

from lgm_core.base.places import Places
from lgm_core.cli.main import main
from lgm_core.config import RunConfig
from lgm_core.engine import start, work
from lgm_core.evaluation.protocol import keys_of, what_is_unlike
from lgm_core.presets import change, preset
from lgm_core.reports.page import study_report
from lgm_core.reports.summary import result_table
from lgm_core.runs.store import RunStore
from tests.one_thread import one_thread  # noqa: F401 (a fixture)
from tests.trees import image, write

DEVICE = {"threads": 1, "device": "cpu"}
NAMED = ("cifar10", "cifar100", "aircraft", "cub2011", "stanforddogs", "flowers102", "tiny_imagenet")


@pytest.mark.slow
def test_networks_are_tested_on_every_data_set_of_the_paper_in_its_official_layout(
    here: Places, monkeypatch: pytest.MonkeyPatch
):
    for name in NAMED:
        write(name, here.datasets[0], monkeypatch)
    flowers = here.datasets[0] / "flowers102" / "flowers-102" / "jpg"
    for number in range(1, 307):  # three of those that are listed are there already
        image(flowers / f"image_{number:05d}.jpg", number)
    folder = f"folder:{here.datasets[0] / 'stanforddogs' / 'Images'}"
    config = preset(
        "mkdt_preview", kind="baseline", dataset="digits", baseline={"choice": "none"}, evaluate_data=(*NAMED, folder),
        label_fraction=(1.0,), data={"train_per_class": 2, "test_per_class": 2}, scratch={"width": 8},
        pretrain={"seeds": 1, "teacher": "conv:batch", "probe": "robust"}, device=DEVICE,
    )  # fmt: skip
    run = start(config, here)
    assert work(run, here) == "finished", run.log_tail()
    assert {report["dataset"] for report in run.eval_reports()} == {*NAMED, folder}


@pytest.fixture
def small(small_weights: str) -> RunConfig:
    return preset(
        "mkdt_preview", dataset="digits", steps=2, images_per_class=2, label_fraction=(0.5,), name="mkdt",
        data={"train_per_class": 12, "test_per_class": 6, "resize": 224}, device=DEVICE,
        scratch={"resolution": 8, "width": 4}, bank={"batch": 16}, live={"times": 0},
        pretrain={"teacher": small_weights, "seeds": 1, "steps": 3, "learning_rate": 0.1},
        mkdt={"experts": 1, "student_steps": 2, "batch": 8, "expert_batch": 40, "rate": 0.1, "target_rate": 1.0},
    )  # fmt: skip


def test_targets_of_different_teachers_are_columns_of_their_own(small: RunConfig, here: Places):
    usual = change(small, {"pretrain": {"teacher": "mobilenet_v3_small"}})
    own = change(small, {"kind": "baseline", "baseline": {"choice": "none"}, "name": "", "label_fraction": (1.0,)})
    assert [key.column for key in keys_of(usual)] == ["conv:instance, pretrain, on digits, 50 % of labels"]
    for teacher in ("conv:batch", "conv:layer"):
        assert work(start(change(own, {"pretrain": {"teacher": teacher}}), here), here) == "finished"
    runs = RunStore(here.runs).runs()
    table = result_table(runs)
    assert set(table.columns) == {
        f"conv:instance, pretrain, on digits, targets of conv:{norm}" for norm in ("batch", "layer")
    }
    assert len(table.rows) == 1 and not what_is_unlike([run.config() for run in runs], table.columns)


@pytest.mark.slow
def test_sets_of_all_methods_are_judged_as_pre_training_data_in_one_table(
    small: RunConfig, small_weights: str, here: Places, monkeypatch: pytest.MonkeyPatch
):
    """From the command line; and MKDT's images by the linear judges of the others."""
    monkeypatch.setenv("LGM_CACHE", str(here.cache))
    random = change(small, {"kind": "baseline", "name": "random"})
    lgm = preset(
        "preview", dataset="digits", backbone=small_weights, steps=6, name="lgm", evaluate_on=(), device=DEVICE,
        lgm={"views": 2}, synthetic={"resolution": 16}, bank={"views": 1}, live={"times": 0},
        data={"train_per_class": 3}, record={"map_images": 0},
    )  # fmt: skip
    rcig = preset(
        "rcig_digits", steps=2, name="rcig", evaluate_on=(), device=DEVICE, live={"times": 0},
        rcig={"pool": 2, "batch": 20}, scratch={"width": 4}, data={"train_per_class": 3},
    )  # fmt: skip
    for config in (small, random, lgm, rcig):
        assert work(start(config, here), here) == "finished"
    for name in ("lgm", "rcig"):
        assert main(["evaluate", name, "conv:instance", "--like", "mkdt"]) == 0
    assert main(["evaluate", "mkdt", small_weights, "--name", "linear"]) == 0
    runs = RunStore(here.runs).runs()
    table = result_table(runs)
    rows = {row.label: row.cells for row in table.rows}
    assert set(rows) == {
        "distilled by MKDT with conv:instance (mkdt_preview), 2 per class", "random real images, 2 per class",
        f"distilled with {small_weights} (preview)", "distilled by RCIG with conv (rcig_digits)",
    }  # fmt: skip
    column = f"conv:instance, pretrain, on digits, 50 % of labels, targets of {small_weights}"
    assert all(column in cells for cells in rows.values())
    assert not what_is_unlike([run.config() for run in runs], table.columns)
    assert small_weights in rows["distilled by MKDT with conv:instance (mkdt_preview), 2 per class"]
    page = AppTest.from_file(str(Path(__file__).parent.parent / "app.py"), default_timeout=300)
    page.query_params["study"] = "dataset:digits"
    page.switch_page("pages/cross_model.py").run()
    assert not page.exception and not [box.value for box in page.warning if "Judged differently" in box.value]
    html = study_report("digits", runs)
    assert all(label in html for label in rows)
