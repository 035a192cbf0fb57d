"""Run by test_resume in a process of its own: start a run and kill it, with -9, at a chosen moment.

python -m tests.killed_run MOMENT CACHE CONFIG.json
"""

import json
import os
import signal
import sys
from pathlib import Path

import lgm_core.backbones.features
import lgm_core.methods.lgm.pyramid
import lgm_core.runs.recorder
from lgm_core.base.knobs import from_dict
from lgm_core.base.places import Places
from lgm_core.config import RunConfig
from lgm_core.engine import start, work


def kill() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def after_growth() -> None:
    """In the middle of the step in which the fourth level came."""
    grow = lgm_core.methods.lgm.pyramid.PyramidSet.grow

    def grow_and_die(self, step: int) -> bool:
        grown = grow(self, step)
        if len(self.levels) == 4:
            kill()
        return grown

    lgm_core.methods.lgm.pyramid.PyramidSet.grow = grow_and_die


def during_checkpoint() -> None:
    """While the seventh checkpoint is half written."""
    written = [0]
    save = lgm_core.runs.recorder.save_file

    def save_half(tensors, path, metadata=None) -> None:
        written[0] += 1
        save(tensors, path, metadata=metadata)
        if written[0] == 7:
            os.truncate(path, Path(path).stat().st_size // 2)
            kill()

    lgm_core.runs.recorder.save_file = save_half


def during_bank() -> None:
    """After some of the bank's rows are written, before they are counted as done."""
    dumps = lgm_core.backbones.features.json.dumps

    def dump_and_die(values, **options) -> str:
        if isinstance(values, dict) and values.get("done") == 20:
            kill()
        return dumps(values, **options)

    lgm_core.backbones.features.json.dumps = dump_and_die


MOMENTS = {"growth": after_growth, "checkpoint": during_checkpoint, "bank": during_bank, "never": lambda: None}

if __name__ == "__main__":
    moment, cache, config = sys.argv[1:]
    MOMENTS[moment]()
    places = Places(cache=Path(cache), weights=(), datasets=())
    work(start(from_dict(RunConfig, json.loads(Path(config).read_text())), places), places)
