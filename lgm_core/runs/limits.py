"""How much a folder of runs may hold: what is beyond is refused before the work, with the limit.

>>> require_room(RunStore(places().runs).root)  # raises UserError
>>> require_place(places().queue)
"""

import os
import shutil
from pathlib import Path

from lgm_core.base.errors import UserError

MOST_RUNS = 20_000  # in one folder: lists and pages are measured with half of that
MOST_WAITING = 1_000  # runs in the queue of this machine
LEAST_FREE = 2**30  # bytes of the disk: a run of 1000 images of 256 px, with its frames and two checkpoints


def require_room(runs: Path) -> None:
    """Raise `UserError` where a folder of runs, or its disk, has no room for another run."""
    if not runs.exists():
        return
    count = sum(not entry.name.startswith(".") for entry in os.scandir(runs))
    if count >= MOST_RUNS:
        raise UserError(
            f"{runs} holds {count} runs, and the limit is {MOST_RUNS}: delete some (`lgm delete RUN`), or start "
            "another folder with LGM_CACHE"
        )
    free = shutil.disk_usage(runs).free
    if free < LEAST_FREE:
        raise UserError(
            f"the disk of {runs} has {free / 2**30:.2f} GB left, and a new run needs at least {LEAST_FREE / 2**30:g} GB"
            ": empty the trash (`lgm delete --empty`), or move old runs elsewhere"
        )


def require_place(queue: Path) -> None:
    """Raise `UserError` where so many runs wait already that another one is not taken."""
    waiting = sum(entry.name.endswith(".json") for entry in os.scandir(queue)) if queue.exists() else 0
    if waiting >= MOST_WAITING:
        raise UserError(
            f"{waiting} runs are waiting already, and the limit is {MOST_WAITING}: let some finish, or stop some "
            "(`lgm queue` lists them)"
        )
