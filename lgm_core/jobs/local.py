"""Runs in worker processes on this machine: they outlive whoever started them.

>>> run = submit(preset("preview", dataset="scenes", backbone="mobilenet_v2"), places())
>>> pause(run)  # it checkpoints, leaves the device, and shows "paused"
>>> resume(run)
"""

import subprocess
import sys
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from typing import Any

from lgm_core.base.errors import UserError
from lgm_core.base.files import write_json
from lgm_core.base.places import Places, places, worker_environment
from lgm_core.config import RunConfig
from lgm_core.jobs.forking import prepare_forks
from lgm_core.runs.heart import Heart
from lgm_core.runs.start import is_done, start_all
from lgm_core.runs.status import set_aside_status
from lgm_core.runs.store import RunFolder, RunStore

LEAVES_WITHIN = 20.0  # seconds between a worker's last word and its end, at most


def submit(config: RunConfig, here: Places) -> RunFolder:
    """The run of this config, with a worker on it; one that is finished, queued or running is left as it is.

    Where it is there already and `config` asks for further judges, a run that judges it further is submitted too.
    Raises `ConfigError` for wrong values.
    """
    return _with_workers(start_all(config, here), here)


def pause(run: RunFolder) -> None:
    """Ask the run to checkpoint and leave the device; `resume` goes on from there."""
    _ask(run, "pause", "paused")


def stop(run: RunFolder) -> None:
    """Ask the run to checkpoint and end; `resume` would still go on from there."""
    _ask(run, "stop", "stopped")


def resume(run: RunFolder, here: Places | None = None) -> None:
    """Go on with a run that is paused, stopped, failed, lost, or was never begun; withdraws an unread request.

    Raises `UserError` for a finished run, and for one of another version that this one cannot go on with.
    """
    run.config_to_work_on()
    if run.status().state == "finished":
        raise UserError(f"the run {run.id!r} is finished; fork it with more steps to go on")
    if _has_worker(run):
        run.ask("resume")
    else:
        _spawn(run, here or places())


def retry(run: RunFolder, here: Places | None = None) -> None:
    """Once more, from the last checkpoint, for a run that failed or was lost. Raises `UserError` for other states."""
    require_ended_badly(run)
    resume(run, here)


def require_ended_badly(run: RunFolder) -> None:
    """Raise `UserError` unless the run failed or was lost: no other is tried again."""
    state = run.status().state
    if state not in ("failed", "lost"):
        raise UserError(f"the run {run.id!r} is {state}; only a failed or lost one is tried again")


def fork(run: RunFolder, step: int, changes: Mapping[str, Any], here: Places | None = None) -> RunFolder:
    """A new run that takes over from `run` at a step, with other settings, and a worker on it (`forking`)."""
    here = here or places()
    return _with_workers(prepare_forks(run, step, changes, here), here)


def queue(here: Places) -> list[RunFolder]:
    """The runs that wait for a device or for another run, the next one first."""
    waiting = [(run.status(), run) for run in RunStore(here.runs).runs()]
    waiting = [(status, run) for status, run in waiting if status.state == "queued" and status.heartbeat]
    return [run for _, run in sorted(waiting, key=lambda pair: (pair[0].position or 10**9, pair[0].started))]


def _ask(run: RunFolder, wish: str, state: str) -> None:
    """Leave the wish to the worker; where there is none, write the state that it would have ended in."""
    if _has_worker(run):
        run.ask(wish)
    elif run.status().state not in ("finished", "failed", "paused", "stopped"):
        try:
            with Heart(run, state=run.status().state) as heart:
                heart.change(state=state, phase="", position=0)
        except UserError:  # a worker has taken the lock meanwhile
            run.ask(wish)


def _with_workers(runs: Sequence[RunFolder], here: Places) -> RunFolder:
    """Workers on all of these that are not done and have none; returns the first."""
    for run in runs:
        if not is_done(run) and not _has_worker(run):
            _spawn(run, here)
    return runs[0]


def _has_worker(run: RunFolder) -> bool:
    """Is a process writing to the run, or has one just been sent for? Waits for one that is about to leave.

    Raises `UserError` where it does not leave.
    """
    for _ in range(int(LEAVES_WITHIN / 0.1)):
        status, writes = run.status(), run.has_writer()
        if status.state == "queued" and status.heartbeat > 0 or writes and status.active:
            return True
        if not writes:
            return False
        time.sleep(0.1)  # it has written how the run ended, and hears nothing any more: it is leaving the device
    raise UserError(f"the last worker of the run {run.id!r} has not left yet; try again in a moment")


def _spawn(run: RunFolder, here: Places) -> None:
    """A worker in a session of its own: closing the dashboard or the terminal leaves it alone."""
    run.ask("resume")  # forgets what was asked of an earlier worker
    now, before = time.time(), run.status()
    notes = set_aside_status(run.status_file)
    status = replace(
        before, state="queued", heartbeat=now, started=now, pid=0, position=0, error="", notes=(*before.notes, *notes)
    )
    write_json(run.status_file, asdict(status))
    with run.log_file.open("ab") as log:
        worker = subprocess.Popen(
            [sys.executable, "-m", "lgm_core", "work", str(run.path)],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            env=worker_environment(here),
            start_new_session=True,
        )
    threading.Thread(target=worker.wait, daemon=True).start()  # reaps the process, so that its end shows at once
