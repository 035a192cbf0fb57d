"""What a task of a cluster does: one run, on the device that the cluster has given to this process.

>>> work_on("/shared/cache/runs/demo-random-s0", "ray-1732612800-demo.json", {"LGM_CACHE": "/shared/cache"})
'finished'
"""

import logging
import os
import sys
import threading
import traceback
from collections.abc import Mapping
from pathlib import Path

from lgm_core.base.machine import WATCHED
from lgm_core.base.places import Places, places, worker_environment
from lgm_core.base.regular_files import require_own, require_regular
from lgm_core.jobs.local import mark_queued
from lgm_core.jobs.signals import soft_signals
from lgm_core.jobs.slots import takes_all, wanted_slots
from lgm_core.jobs.tickets import unfinished_sources
from lgm_core.jobs.worker import compute
from lgm_core.runs.heart import Heart, Stopped
from lgm_core.runs.lease import Occupied
from lgm_core.runs.store import RunFolder

_LOOKS_EVERY = 1.0  # seconds, while another machine holds the run


def environment_for(here: Places) -> dict[str, str]:
    """What a task takes along from where it was sent: the places. Devices and threads are the cluster's to give."""
    given = worker_environment(here).items()
    return {name: value for name, value in given if name.startswith("LGM_") and name != WATCHED}


def work_on(path: str, ticket: str, environment: Mapping[str, str], *after: object) -> str:
    """Do the run in this process; returns the state that it is in then, "queued" where a source of it is unfinished.

    `after`: what the tasks of its sources returned; they have ended. What goes wrong is in the run's status and log.
    A task that begins again, since its node has died, goes on from the checkpoint once the dead one's lease is over.
    A signal means that the cluster wants the device back: the run writes a checkpoint, and waits for its next turn.
    """
    os.environ.update(environment)
    run, here = RunFolder(Path(path)), places()
    with soft_signals() as (stop, _):
        while is_to_do(run, ticket) and not unfinished_sources(run) and not stop.is_set():
            try:
                _do(run, here, stop)
            except Occupied:  # by a writer elsewhere that still lives, or that was the run's before its node died
                stop.wait(_LOOKS_EVERY)
                continue
            except SystemExit:  # by the handler of another signal, such as submitit's
                mark_queued(run, ticket, run.status().cluster)
                raise
            except Exception:  # is told to the user by the run itself; runs that wait for it must not fail for it
                traceback.print_exc()
                return "failed"
            break
        if stop.is_set() and run.status().state == "stopped" and run.wish() != "stop":
            mark_queued(run, ticket, run.status().cluster)
    return run.status().state


def is_to_do(run: RunFolder, ticket: str) -> bool:
    """Does the run still wait for this, or is it under way? Not where a user has stopped it, or sent it elsewhere."""
    status = run.status()
    return status.state in ("running", "lost") or (status.state == "queued" and status.ticket in ("", ticket))


def _do(run: RunFolder, here: Places, stop: threading.Event) -> None:
    with Heart(run, state="queued", heed=True) as heart:
        _log_to(run)
        try:
            device = run.config_to_work_on().device.device
            given = wanted_slots(device)  # of the devices that the cluster lets this process see
            compute(run, here, given if takes_all(device) else given[:1], heart, None, stop)
        except Stopped as end:
            heart.end(end)


def _log_to(run: RunFolder) -> None:
    """What this process prints goes to the run's log, beside what the run itself says there."""
    logging.getLogger("lgm").setLevel(logging.INFO)
    require_own(run.path)
    require_regular(run.log_file)
    sys.stdout.flush()
    with run.log_file.open("ab") as log:
        os.dup2(log.fileno(), 1)
        os.dup2(log.fileno(), 2)
