"""A finished run that comes with the program: what a dashboard without a run of one's own shows.

It is a run folder like any other, marked in its config.json (`environment.example`). No list, study or estimate
counts it (`RunStore.listed`); `RunStore.shown` has it while there is nothing else. Deleting it hides it for good.

>>> put_example(places())  # into an empty folder of runs, once
"""

import os
import shutil
from pathlib import Path

from lgm_core.base.places import PROJECT, Places

SOURCE = PROJECT / "docs" / "example"
WORDS = (
    "The run called example comes with LGM Studio: real weights, photographs and numbers, but not a run of yours "
    "(docs/experiments/example.py made it). It disappears with your first run, or when you delete it."
)
_MARK = ".example"  # in the folder of runs: the example was put there once


def put_example(here: Places, source: Path = SOURCE) -> None:
    """Copy the example to where nothing has been run yet; nothing where that cannot be written, or was done before."""
    if not source.is_dir() or (here.runs.is_dir() and any(here.runs.iterdir())):
        return
    try:
        here.runs.mkdir(parents=True, exist_ok=True)
        (here.runs / _MARK).touch()
        for folder in [*source.glob("thumbs/*"), *source.glob("runs/*")]:  # the run last: all that it shows is there
            _copy(folder, here.cache / folder.relative_to(source))
    except OSError:
        return


def _copy(folder: Path, target: Path) -> None:
    """A folder, which appears whole or not at all."""
    new = target.parent / f".{target.name}.{os.getpid()}.new"
    new.parent.mkdir(parents=True, exist_ok=True)
    shutil.copytree(folder, new)
    try:
        new.rename(target)
    except OSError:  # it is there already
        shutil.rmtree(new)
