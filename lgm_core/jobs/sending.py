"""Where runs are sent: to a Ray cluster, or to Slurm. The queue of this machine is `local`'s.

>>> send(runs, places(), "auto")  # the Ray cluster that this machine is part of
[RunFolder('demo-lgm-mobilenet_v2-s0'), ...]
"""

import os
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.util import find_spec

from lgm_core.base.errors import Unavailable
from lgm_core.base.knobs import knob
from lgm_core.base.places import Places
from lgm_core.jobs.local import has_worker
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


def usual_cluster() -> str:
    """The cluster that LGM_CLUSTER names, which the page Launch offers; "" where it is not set."""
    return os.environ.get("LGM_CLUSTER", "").strip()


def why_not_sent(cluster: str) -> str:
    """Why nothing can be sent there, and what to do; "" where the package for it is installed, or for this machine."""
    package, title = ("submitit", "submitit") if cluster == SLURM else ("ray", "Ray")
    if not cluster or find_spec(package):
        return ""
    return f"{title} is not installed: `make cluster` adds it to the environment"


def require_cluster(cluster: str) -> None:
    """Raise `Unavailable` where nothing can be sent there: before any run is made that nobody would do."""
    if why := why_not_sent(cluster):
        raise Unavailable(why)


def send(runs: Sequence[RunFolder], here: Places, cluster: str) -> list[RunFolder]:
    """Send those that are not done and have no worker yet; returns them. Raises `UserError` where that fails."""
    require_cluster(cluster)
    if cluster == SLURM:
        from lgm_core.jobs.slurm import submit_to_slurm

        left = [run for run in runs if not is_done(run) and not has_worker(run)]
        submit_to_slurm(left, here)
        return left
    from lgm_core.jobs.ray_cluster import submit_to_ray

    return submit_to_ray(runs, here, cluster)
