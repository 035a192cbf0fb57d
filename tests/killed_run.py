"""Run by tests in a process of its own: start a run and kill it, with -9, at a chosen moment.

python -m tests.killed_run MOMENT CACHE CONFIG.json    # of MOMENTS, or "WORDS@N": N done of a phase that begins so
"""

import json
import os
import signal
import sys
from pathlib import Path

import numpy

import lgm_core.backbones.features
import lgm_core.base.tensor_files
import lgm_core.methods.lgm.pyramid
import lgm_core.methods.mkdt.trajectories
from lgm_core.base.knobs import from_dict
from lgm_core.base.places import Places
from lgm_core.config import RunConfig
from lgm_core.engine import start, work
from lgm_core.runs.heart import Listener


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
    seal = lgm_core.base.tensor_files.seal

    def halve_and_die(path: Path) -> None:
        written[0] += 1
        if written[0] == 7:
            os.truncate(path, path.stat().st_size // 2)
            kill()
        seal(path)

    lgm_core.base.tensor_files.seal = halve_and_die


def during_bank() -> None:
    """After some of the bank's rows are written, before they are counted as done."""
    note = lgm_core.backbones.features.note_batch

    def note_or_die(rows: numpy.ndarray, done_file: Path, size: int, place: int) -> None:
        if place == 1:
            kill()
        note(rows, done_file, size, place)

    lgm_core.backbones.features.note_batch = note_or_die


def during_expert() -> None:
    """While the file of the second of MKDT's experts is half written."""
    save, written = lgm_core.methods.mkdt.trajectories.save_sealed, [0]

    def save_half_and_die(path: Path, array: numpy.ndarray) -> None:
        written[0] += 1
        if written[0] == 2:
            path.with_name(f".{path.name}.{os.getpid()}-1.new").write_bytes(array.tobytes()[: array.nbytes // 2])
            kill()
        save(path, array)

    lgm_core.methods.mkdt.trajectories.save_sealed = save_half_and_die


def in_phase(words: str, done: int) -> Listener:
    def listener(phase: str, now: int, total: int, values: object) -> None:
        if phase.startswith(words) and now >= done:
            kill()

    return listener


MOMENTS = {
    "growth": after_growth, "checkpoint": during_checkpoint, "bank": during_bank, "expert": during_expert,
    "never": lambda: None,
}  # fmt: skip

if __name__ == "__main__":
    moment, cache, config = sys.argv[1:]
    words, _, done = moment.partition("@")
    listener = in_phase(words, int(done)) if done else MOMENTS[moment]()
    places = Places(cache=Path(cache), weights=(), datasets=())
    work(start(from_dict(RunConfig, json.loads(Path(config).read_text())), places), places, listener)
