"""What MKDT is said to take before it starts: its stages, those of them that are there, the teacher, the memory."""

import shutil
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from lgm_core.base.costs import DataSize, Measured, Room
from lgm_core.base.places import Places
from lgm_core.cli.measuring import measure
from lgm_core.config import RunConfig
from lgm_core.jobs.estimate import estimate
from lgm_core.methods.catalog import own_settings
from lgm_core.methods.mkdt.estimate import from_measured, measured_by
from lgm_core.methods.mkdt.measure import noisy_mkdt
from lgm_core.presets import change
from lgm_core.runs.store import RunFolder
from tests.test_mkdt_run import finished, run, small  # noqa: F401 (fixtures)

MEASURED = Measured(
    views=(1, 1), seconds=(0.1, 0.1), bytes=(10**9, 10**9), forward_seconds=1e-4, device="cpu"
)  # fmt: skip


def prepared(config: RunConfig, here: Places) -> float:
    found = estimate(config, here)
    assert found is not None and found.from_runs
    return found.seconds_prepare


def test_time_and_memory_are_told_before_the_start(run: RunFolder, small: RunConfig, here: Places):  # noqa: F811
    past = estimate(change(small, {"steps": 60}), here)
    assert past is not None and past.from_runs == (run.id,) and past.seconds_per_step > 0
    found = measure(small, classes=10, places=here)
    assert found["seconds"][0] > 0 and found["images"] == 20 and found["forward_seconds"] > 0
    assert set(found["judges"]) == {"conv:instance", small.pretrain.teacher}
    assert found["judges"][small.pretrain.teacher] > 0


def test_stages_that_are_there_cost_nothing_and_others_do(run: RunFolder, small: RunConfig, here: Places):  # noqa: F811
    assert prepared(small, here) == 0 == prepared(change(small, {"mkdt": {"image_rate": 10.0}, "steps": 60}), here)
    three, five = (prepared(change(small, {"mkdt": {"experts": count}}), here) for count in (3, 5))
    assert five == pytest.approx(3 * three) and three > 0  # one more than there are, and three more
    easy, hard = ({"experts": 3, "expert_rate": 0.05, "initial": initial} for initial in ("random", "high-loss"))
    assert prepared(change(small, {"mkdt": hard}), here) > prepared(change(small, {"mkdt": easy}), here) > three
    other, more = {"seed": 1}, {"seed": 1, "data": {"train_per_class": 24}}
    assert prepared(change(small, more), here) == pytest.approx(2 * prepared(change(small, other), here))
    (folder,) = (here.cache / "trajectories").iterdir()
    (folder / "expert-0001.npy").unlink()
    assert 0 < prepared(small, here) < three * 1.5
    (folder / "settings.json").write_text("{")
    assert prepared(small, here) > 2 * three  # what nothing tells of is done anew
    shutil.rmtree(folder)
    assert prepared(small, here) > 2 * three


def test_a_timed_teacher_is_charged_as_it_was_timed(small: RunConfig):  # noqa: F811
    data, room = DataSize(classes=10, train=1000, test=100, grey=True), Room(kind="cpu", free=0)
    slow, quick = (
        from_measured(
            own_settings(small), small, data, replace(MEASURED, judges={small.pretrain.teacher: seconds}), room
        )
        for seconds in (0.5, 0.001)
    )
    assert slow.seconds_prepare - quick.seconds_prepare == pytest.approx(0.499 * 1000)


def test_memory_is_told_by_steps_with_the_same_segment(run: RunFolder, small: RunConfig, here: Places, tmp_path: Path):  # noqa: F811
    parts = change(small, {"mkdt": {"segment": 1}})
    assert estimate(parts, here) is None  # the run that was held all steps at once, and says nothing of it
    data = DataSize(classes=10, train=120, test=60, grey=True)
    assert measured_by(own_settings(parts), parts, data) != measured_by(own_settings(small), small, data)
    measured, _ = noisy_mkdt(own_settings(parts), parts, 10, torch.device("cpu"), tmp_path / "noise")
    assert measured.config.segment == 1
    told = from_measured(own_settings(small), small, data, MEASURED, Room(kind="cpu", free=0))
    assert told.bytes == 10**9
