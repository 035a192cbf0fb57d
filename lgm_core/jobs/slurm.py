"""Runs as jobs of Slurm, by `submitit`: Slurm schedules, and sends a job again that it has ended early.

>>> submit_to_slurm(runs, places())  # `LGM_SLURM="partition=gpu,account=vision"` adds what this Slurm wants to know
"""

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from lgm_core.base.errors import Unavailable, UserError
from lgm_core.base.files import write_json
from lgm_core.base.places import Places
from lgm_core.jobs.cluster_plan import Node, needs
from lgm_core.jobs.cluster_work import environment_for, work_on
from lgm_core.jobs.local import has_worker, mark_queued
from lgm_core.jobs.tickets import unfinished_sources
from lgm_core.runs.start import is_done
from lgm_core.runs.store import RunFolder

_USUAL = Node(id="", host="", cpus=8, gpus=1)  # what a run may have where its settings do not say
_MINUTES = 24 * 60  # of a job; one that runs out of time goes on in the next


def submit_to_slurm(runs: Sequence[RunFolder], here: Places, executor: str = "slurm") -> list[Any]:
    """A job for each run that is not done and has no worker; returns submitit's jobs.

    A job begins after those of its sources. `executor`: submitit's; "local" and "debug" need no Slurm, and do not wait.
    Raises `Unavailable` where there is no Slurm.
    """
    import submitit  # pyright: ignore[reportMissingImports]

    try:
        jobs, sent = submitit.AutoExecutor(folder=here.clusters / "slurm-logs", cluster=executor), {}
    except RuntimeError as error:
        raise Unavailable(f"this machine cannot send jobs to Slurm ({error}); log in to one that has sbatch") from None
    here.clusters.mkdir(parents=True, exist_ok=True)
    for run in runs:
        if is_done(run) or has_worker(run):
            continue
        cpus, gpus = needs(run.config(), [_USUAL])
        before = [sent[name].job_id for name in unfinished_sources(run) if name in sent]
        more = {"dependency": f"afterany:{':'.join(before)}"} if before else {}
        jobs.update_parameters(
            name=run.id[:80], cpus_per_task=cpus, gpus_per_node=gpus, timeout_min=_MINUTES,
            slurm_additional_parameters=more, **_asked(),
        )  # fmt: skip
        file = here.clusters / f"slurm-{run.id[:120]}.json"
        write_json(file, {"address": "slurm", "runs": [run.id]})
        mark_queued(run, file.name, "slurm")
        sent[run.id] = jobs.submit(Job(str(run.path.absolute()), str(file), environment_for(here)))
    return list(sent.values())


class Job:
    """What a job does. submitit keeps it, and sends it again before the job's time is over."""

    def __init__(self, path: str, file: str, environment: Mapping[str, str]) -> None:
        self._path, self._file, self._environment = path, Path(file), environment

    def __call__(self) -> str:
        state = work_on(self._path, self._file.name, self._environment)
        self._file.unlink(missing_ok=True)  # a run that still waits can be sent again
        return state

    def checkpoint(self) -> Any:
        from submitit.helpers import DelayedSubmission  # pyright: ignore[reportMissingImports]

        return DelayedSubmission(self)


def _asked() -> dict[str, str]:
    """What LGM_SLURM says, as submitit's parameters. Raises `UserError` for what is no list of NAME=VALUE."""
    parts = [part.strip() for part in os.environ.get("LGM_SLURM", "").split(",") if part.strip()]
    if wrong := [part for part in parts if "=" not in part]:
        raise UserError(f"LGM_SLURM is a list such as partition=gpu,account=vision, but has {wrong[0]!r}")
    return {f"slurm_{name.strip()}": value.strip() for name, _, value in (part.partition("=") for part in parts)}
