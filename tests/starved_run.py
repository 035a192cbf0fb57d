"""Run by tests in a process of its own: a worker that has so much memory and no more from the begin of a phase on.

python -m tests.starved_run RUN_DIR WORDS MEGABYTES    # in the first phase that begins so; the worker's exit code
"""

import resource
import sys
from pathlib import Path

from lgm_core.base.places import places
from lgm_core.jobs.worker import do
from lgm_core.runs.store import RunFolder


def limit(megabytes: int) -> None:
    """Let the address space of this process grow by so much."""
    pages = int(Path("/proc/self/statm").read_text().split()[0])
    most = pages * resource.getpagesize() + megabytes * 2**20
    resource.setrlimit(resource.RLIMIT_AS, (most, most))


if __name__ == "__main__":
    folder, words, megabytes = sys.argv[1:]
    begun = []

    def listener(phase: str, done: int, total: int, values: object) -> None:
        if phase.startswith(words) and not begun:
            begun.append(phase)
            limit(int(megabytes))

    sys.exit(do(RunFolder(Path(folder)), places(), listener))
