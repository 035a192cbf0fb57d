"""What pre-trained networks are tested on, and whatever sets they are pre-trained on: one table of all methods."""

import pytest

from lgm_core.base.places import Places
from lgm_core.engine import start, work
from lgm_core.presets import preset
from tests.one_thread import one_thread  # noqa: F401 (a fixture)
from tests.trees import image, write

NAMED = ("cifar10", "cifar100", "aircraft", "cub2011", "stanforddogs", "flowers102", "tiny_imagenet")


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
        pretrain={"seeds": 1, "teacher": "conv:batch", "probe": "robust"}, device={"threads": 1, "device": "cpu"},
    )  # fmt: skip
    run = start(config, here)
    assert work(run, here) == "finished", run.log_tail()
    assert {report["dataset"] for report in run.eval_reports()} == {*NAMED, folder}
