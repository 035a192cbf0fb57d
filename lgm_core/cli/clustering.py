"""Runs sent to a cluster from the command line.

>>> submit_runs(["auto", "demo-lgm-mobilenet_v2-s0"])
sent 1 run to auto; `lgm queue` and the page Runs tell what they wait for
0
"""

import sys
from collections.abc import Sequence
from typing import Annotated

import tyro

from lgm_core.base.places import places
from lgm_core.jobs.sending import send
from lgm_core.runs.store import RunFolder, RunStore


def submit_runs(arguments: Sequence[str]) -> int:
    """Send runs to a cluster, or continue them there: lgm submit auto|HOST:PORT|slurm RUN [RUN ...]."""

    def read(
        cluster: Annotated[str, tyro.conf.Positional], runs: Annotated[tuple[str, ...], tyro.conf.Positional]
    ) -> tuple[str, tuple[str, ...]]:
        return cluster, runs

    cluster, names = tyro.cli(read, args=list(arguments), prog="lgm submit", description=submit_runs.__doc__)
    store = RunStore(places().runs)
    return send_off([store.open(name) for name in names], cluster)


def send_off(runs: Sequence[RunFolder], cluster: str) -> int:
    """Send the runs, and say so."""
    for run in runs:
        run.config_to_work_on()
    sent = send(runs, places(), cluster)
    words = "1 run" if len(sent) == 1 else f"{len(sent)} runs"
    left = f" ({len(runs) - len(sent)} are done or under way)" if len(sent) < len(runs) else ""
    print(f"sent {words} to {cluster}{left}; `lgm queue` and the page Runs tell what they wait for", file=sys.stderr)
    return 0
