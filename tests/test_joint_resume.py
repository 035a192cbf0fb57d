"""Whole runs of several backbones, also of fresh batches: stopped, they go on to the bits of one that is not."""

import threading
from dataclasses import replace
from pathlib import Path

import pytest

from lgm_core.base.places import Places
from lgm_core.base.settings import joined
from lgm_core.config import RunConfig, validate
from lgm_core.engine import start, work
from lgm_core.presets import change
from lgm_core.runs.folder import RunFolder
from tests.conftest import QUICK_NETWORK

LOWERED = {"whiten": "full", "whiten_beta_end": 0.01}  # the metric's floor depends on the step


def _run(config: RunConfig, places: Places, *, stops: int = -1) -> RunFolder:
    """A run to its end; stopped before a step, counted from 0, and taken up again."""
    run, stop = start(config, places), threading.Event()

    def listener(phase: str, done: int, total: int, values: object) -> None:
        if phase == "distilling" and done == stops:
            stop.set()

    assert work(run, places, listener, stop) == ("stopped" if stops >= 0 else "finished")
    if stops >= 0:
        assert work(run, places) == "finished"
    return run


@pytest.mark.parametrize(
    "lgm",
    [
        {"average": 0.5, "source_views": (1, 2), "source_weights": (1, 2), **LOWERED},
        pytest.param({"average": 0.5, "joint": "all", "flat_radius": 0.02, **LOWERED}, marks=pytest.mark.slow),
        {"target": "batch", "source_weights": (1, 2)},
    ],
    ids=["in turn, averaged", "all at once, flat", "batches"],
)
def test_it_goes_on_to_the_same_bits(lgm: dict, small_run: RunConfig, here: Places, tmp_path: Path):
    """The average is of the last nine of 18 steps: of both sides of the stop, and of a turn of each backbone."""
    (tmp_path / "other.py").write_text(QUICK_NETWORK.replace("24", "20"))
    both = joined([small_run.backbone, f"python:{tmp_path / 'other.py'}:build"])
    config = validate(change(replace(small_run, backbone=both, evaluate_on=()), {"lgm": lgm, "live": {"times": 0}}))
    calm = _run(config, replace(here, cache=tmp_path / "calm"))
    stopped = _run(config, replace(here, cache=tmp_path / "stopped"), stops=13)
    assert calm.synthetic.read_bytes() == stopped.synthetic.read_bytes()
    assert calm.checkpoint.read_bytes() == stopped.checkpoint.read_bytes()
    assert [line["loss"] for line in calm.metrics()] == [line["loss"] for line in stopped.metrics()]
