"""A worker that really runs out of memory, by a limit on its address space: it says what to do, and that helps."""

import os
import re
import subprocess
import sys
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import pytest

from lgm_core.base.errors import ConfigError
from lgm_core.base.files import write_json
from lgm_core.base.places import Places, places
from lgm_core.cli.main import main
from lgm_core.config import RunConfig
from lgm_core.engine import start, work
from lgm_core.presets import change, preset
from lgm_core.runs.heart import Heart
from lgm_core.runs.store import RunFolder, RunStore
from tests.app import open_whole

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="limits the address space on Linux alone")
ROOT = Path(__file__).parents[2]
_OUT = re.compile("ran out of memory|memory ran out")  # the latter where no thread could be started
WIDE = """
from torch import nn

def build():
    return nn.Sequential(nn.Conv2d(3, 64, 3), nn.AdaptiveAvgPool2d(1), nn.Flatten()), {"input_size": 64}
"""


@pytest.fixture
def in_the_bank(tmp_path: Path, small_run: RunConfig) -> RunConfig:
    """A pass over all real images takes 250 MB."""
    (tmp_path / "wide.py").write_text(WIDE)
    quick: dict[str, Any] = {
        "data": {"train_per_class": 25}, "device": {"threads": 1, "device": "cpu"}, "bank": {"views": 1, "batch": 250},
        "record": {"map_images": 0, "thumbnails": False}, "live": {"times": 0},
    }  # fmt: skip
    return change(replace(small_run, steps=2, backbone=f"python:{tmp_path}/wide.py:build", evaluate_on=()), quick)


@pytest.fixture
def in_the_steps() -> RunConfig:
    """The real images of a class take 90 MB in the first layer."""
    return preset(
        "rcig_digits", steps=1, data={"train_per_class": 60, "test_per_class": 2, "resize": 224},
        device={"threads": 1, "device": "cpu"}, evaluate_on=(), live={"times": 0},
        scratch={"width": 384, "resolution": 32, "depth": 1},
        rcig={"pool": 1, "pool_life": 5, "batch": 600, "chunk": 600, "inner_steps": 2, "solve_steps": 2},
        record={"frames": 2, "checkpoint_seconds": 0.0, "map_images": 0, "thumbnails": False},
    )  # fmt: skip


def starved(run: RunFolder, words: str, megabytes: int) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "tests.starved_run", str(run.path), words, str(megabytes)],
        cwd=ROOT, env=os.environ | {"OMP_NUM_THREADS": "1"}, capture_output=True, text=True, timeout=300,
    )  # fmt: skip
    assert done.returncode == 1, (done.returncode, done.stderr[-2000:], run.log_tail())


@pytest.mark.parametrize(
    ("made", "phase", "megabytes", "remedy", "smaller"),
    [
        ("in_the_bank", "features", 180, "Lower bank.batch", {"bank": {"batch": 5}}),
        pytest.param(
            "in_the_steps", "distilling", 30, "lower rcig.chunk", {"rcig": {"chunk": 10}}, marks=pytest.mark.slow
        ),
    ],
)
def test_a_worker_without_memory_says_what_to_do_and_that_goes_on(
    made: str, phase: str, megabytes: int, remedy: str, smaller: dict[str, Any], request, store: RunStore, capsys
):
    config, here = request.getfixturevalue(made), places()
    run = start(config, here)
    starved(run, phase, megabytes)
    status = run.status()
    assert status.state == "failed" and _OUT.search(status.error) and remedy in status.error, status.error
    assert main(["list", "runs"]) == 0 and "failed" in capsys.readouterr().out
    page = open_whole("watch", run=run.id)
    assert any(_OUT.search(box.value) for box in page.error)
    again = start(change(config, smaller), here)
    assert again.path == run.path and again.config() == change(config, smaller)
    assert "changed after a failure" in again.environment()
    assert work(again, here) == "finished" and start(change(config, smaller), here).path == run.path


def test_only_what_is_in_memory_at_once_and_only_after_a_failure(small_run: RunConfig, here: Places):
    config = replace(small_run, name="one")
    run = start(config, here)
    fewer, smaller, other = ({"bank": {"batch": 5}}, {"lgm": {"chunk": 1}}, {"lgm": {"chunk": 1, "views": 1}})
    for changes in (fewer, smaller):  # it has not failed
        with pytest.raises(ConfigError, match="exists with other settings"):
            start(change(config, changes), here)
    write_json(run.status_file, asdict(replace(run.status(), state="failed")))
    run.checkpoint.touch()
    for changes in (fewer, other):  # other views of the real images, half way; another loss
        with pytest.raises(ConfigError, match="exists with other settings"):
            start(change(config, changes), here)
    with Heart(run, state="failed"), pytest.raises(ConfigError, match="exists with other settings"):
        start(change(config, smaller), here)
    assert start(change(config, smaller), here).config().lgm.chunk == 1
    run.checkpoint.unlink()
    assert start(change(config, smaller, fewer), here).config().bank.batch == 5
    assert run.environment()["changed after a failure"] == "lgm.chunk: 0 / 1; bank.batch: 10 / 5"
    another = change(config, smaller, fewer, {"name": "two"})
    assert start(another, here).id == "two"
    unnamed = change(config, {"lgm": {"chunk": 2}}, fewer, {"name": "", "evaluate_on": ()})
    assert start(unnamed, here).path == run.path and len(list(here.runs.iterdir())) == 2
