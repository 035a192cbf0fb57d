"""Where runs are sent: to a Ray cluster, or to Slurm. The queue of this machine is `local`'s.

>>> send(runs, places(), "auto")  # the Ray cluster that this machine is part of
[RunFolder('demo-lgm-mobilenet_v2-s0'), ...]
"""

from collections.abc import Sequence
from dataclasses import dataclass

from lgm_core.base.knobs import knob
from lgm_core.base.places import Places
from lgm_core.runs.start import is_done
from lgm_core.runs.store import RunFolder

SLURM = "slurm"


@dataclass(frozen=True, kw_only=True)
class ClusterFlags:
    """Where the runs of a command are computed."""

    cluster: str = knob(
        "",
        "send the runs to a Ray cluster (auto, HOST:PORT, ray://HOST:PORT) or to slurm; otherwise they are done here",
    )


def send(runs: Sequence[RunFolder], here: Places, cluster: str) -> list[RunFolder]:
    """Send those that are not done and have no worker yet; returns them. Raises `UserError` where that fails."""
    if cluster == SLURM:
        from lgm_core.jobs.slurm import submit

        left = [run for run in runs if not is_done(run)]
        submit(left, here)
        return left
    from lgm_core.jobs.ray_cluster import submit

    return submit(runs, here, cluster)
