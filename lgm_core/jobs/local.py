"""Runs in worker processes on this machine: they outlive whoever started them.

>>> run = submit(preset("preview", dataset="scenes", backbone="mobilenet_v2"), places())
>>> pause(run)  # it checkpoints, leaves the device, and shows "paused"
>>> resume(run)
"""

import os
import platform
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, replace
from typing import Any

from filelock import FileLock

from lgm_core.base.errors import UserError, result_or_why
from lgm_core.base.files import read_json, write_json
from lgm_core.base.places import Places, places, worker_environment
from lgm_core.config import RunConfig
from lgm_core.jobs.attendance import attend
from lgm_core.jobs.forking import prepare_forks
from lgm_core.jobs.slots import require_device, takes_all, wanted_slots, who_holds
from lgm_core.jobs.tickets import new_ticket, unfinished_sources, waiting_tickets, withdraw, write_ticket
from lgm_core.runs.heart import Heart
from lgm_core.runs.limits import require_place
from lgm_core.runs.start import is_done, start_all
from lgm_core.runs.status import set_aside_status
from lgm_core.runs.store import RunFolder

LEAVES_WITHIN = 20.0  # seconds between a worker's last word and its end, at most


def submit(config: RunConfig, here: Places, *, first: bool = False) -> RunFolder:
    """The run of this config, in the queue; one that is finished, queued or running is left as it is.

    `first`: somebody waits for it in front of a page, so it goes before all runs that nobody does.

    Where it is there already and `config` asks for further judges, a run that judges it further is submitted too.
    Raises `ConfigError` for wrong values.
    """
    require_device(config.device.device)
    return _with_workers(start_all(config, here), here, first)


def submit_all(configs: Sequence[RunConfig], here: Places, cluster: str = "") -> list[RunFolder]:
    """The runs of these configs, in the queue of this machine, or all at once on a cluster; see `submit`.

    `cluster`: the address of a Ray cluster, such as "auto" or "HOST:PORT", or "slurm".
    """
    if not cluster:
        return [submit(config, here) for config in configs]
    each = [start_all(config, here) for config in configs]
    hand_over([run for runs in each for run in runs], here, cluster)
    return [runs[0] for runs in each]


def hand_over(runs: Sequence[RunFolder], here: Places, cluster: str) -> None:
    """Send runs to a cluster, by a process of its own: Ray would stay in this one. Raises `UserError` in its words."""
    command = [sys.executable, "-m", "lgm_core", "submit", cluster, *(run.id for run in runs)]
    said = subprocess.run(command, env=worker_environment(here), capture_output=True, text=True)
    if said.returncode:
        lines = [line for line in said.stderr.splitlines() if line.startswith("lgm: ")] or said.stderr.splitlines()
        raise UserError(lines[-1].removeprefix("lgm: ") if lines else f"the runs could not be sent to {cluster}")


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
    if has_worker(run):
        run.ask("resume")
    elif cluster := run.status().cluster:  # it goes on where it was
        hand_over([run], here or places(), cluster)
    else:
        _queue(run, here or places())


def retry(run: RunFolder, here: Places | None = None) -> None:
    """Once more, from the last checkpoint, for a run that failed or was lost. Raises `UserError` for other states."""
    require_ended_badly(run)
    resume(run, here)


def require_ended_badly(run: RunFolder) -> None:
    """Raise `UserError` unless the run failed or was lost: no other is tried again."""
    state = run.status().state
    if state not in ("failed", "lost"):
        raise UserError(f"the run {run.id!r} is {state}; only a failed or lost run can be retried")


def fork(run: RunFolder, step: int, changes: Mapping[str, Any], here: Places | None = None) -> RunFolder:
    """A new run that takes over from `run` at a step, with other settings, and a worker on it (`forking`)."""
    here = here or places()
    return _with_workers(prepare_forks(run, step, changes, here), here)


def queue(here: Places) -> list[tuple[RunFolder, str]]:
    """The runs that wait, the next one first, each with what it waits for, such as "the run demo" or "cpu-0, ...".

    First those of this machine, then those sent to a cluster. Sees to it that somebody waits with the former.
    """
    attend(here)
    waiting = [
        (
            ticket.run,
            f"the run {runs[0]}"
            if (runs := ticket.waits_for_runs())
            else who_holds(here.slots, ticket.wanted, together=ticket.together),
        )
        for ticket in waiting_tickets(here.queue)
    ]
    return waiting + [(run, waits_on_cluster(run)) for run in _sent(here)]


def waits_on_cluster(run: RunFolder) -> str:
    """What a run waits for that was sent to a cluster, such as "the run demo" or "a free place on Ray at auto"."""
    if sources := unfinished_sources(run):
        return f"the run {sources[0]}"
    cluster = run.status().cluster
    return f"a free place on {'Slurm' if cluster == 'slurm' else f'Ray at {cluster}'}"


def _sent(here: Places) -> list[RunFolder]:
    """The runs that wait on clusters, in the order in which they were sent."""
    found: list[RunFolder] = []
    for file in sorted(here.clusters.glob("*.json"), key=lambda file: file.name.partition("-")[2]):
        runs, _ = result_or_why(
            lambda file=file: [RunFolder(here.runs / str(name)) for name in read_json(file)["runs"]]
        )
        waiting = [(run, run.status()) for run in runs or ()]
        found += [run for run, its in waiting if its.state == "queued" and its.ticket == file.name]
    return found


def _ask(run: RunFolder, wish: str, state: str) -> None:
    """Leave the wish to the worker; where there is none, write the state that it would have ended in."""
    planned = run.status().state == "queued" and bool(run.status().cluster) and not run.has_writer()
    if not withdraw(run) and not planned and has_worker(run):
        run.ask(wish)
    elif run.status().state not in ("finished", "failed", "paused", "stopped"):
        try:
            with Heart(run, state=run.status().state) as heart:
                heart.change(state=state, phase="")
        except UserError:  # a worker has taken the lock meanwhile
            run.ask(wish)


def _with_workers(runs: Sequence[RunFolder], here: Places, first: bool = False) -> RunFolder:
    """Put all of these into the queue that are not done and have no worker; returns the first."""
    for run in runs:
        if not is_done(run) and not has_worker(run):
            _queue(run, here, first)
    return runs[0]


def has_worker(run: RunFolder) -> bool:
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
    raise UserError(f"the last worker of the run {run.id!r} has not ended yet; try again in a moment")


def _queue(run: RunFolder, here: Places, first: bool = False) -> None:
    """Put the run into the queue. `first`: before all that did not ask for this. Raises `UserError` if it is full."""
    require_place(here.queue)
    here.slots.mkdir(parents=True, exist_ok=True)
    with FileLock(here.slots / "queue.lock", fallback_to_soft=False):
        if has_worker(run):  # somebody else has just asked for it
            return
        ticket, device = new_ticket(here.queue, run, first=first), run.config().device.device
        mark_queued(run, ticket.name)
        write_ticket(ticket, run, wanted_slots(device), worker_environment(here), together=takes_all(device))
    attend(here)


def mark_queued(run: RunFolder, ticket: str, cluster: str = "") -> None:
    """Write that the run waits for its turn, by the ticket of that name. What was asked of an earlier worker ends."""
    withdraw(run)  # where its status was damaged, nobody knew that it waits
    _write_queued(run, heartbeat=time.time(), pid=0, ticket=ticket, cluster=cluster)


@contextmanager
def planned(runs: Sequence[RunFolder]) -> Iterator[Callable[[RunFolder], bool]]:
    """Around doing these runs one after another in this process: they are "queued" until their turn comes.

    Yields what tells whether a run is left to this process: not where somebody has paused or stopped it meanwhile.
    Those that are not begun at the end are "stopped", also where this process is killed (`read_status`). Runs that are
    done, or that a worker does or waits with, are left as they are.
    """
    mine = {}
    for run in runs:
        status = run.status()
        if not is_done(run) and not run.has_writer() and not (status.active and status.heartbeat):
            _write_queued(run, heartbeat=0.0, pid=os.getpid(), ticket="", cluster="")
            mine[run.id] = run

    def is_left(run: RunFolder) -> bool:
        status = run.status()
        return run.id not in mine or (status.state, status.heartbeat, status.pid) == ("queued", 0.0, os.getpid())

    try:
        yield is_left
    finally:
        for run in mine.values():
            if is_left(run):
                stop(run)


def _write_queued(run: RunFolder, **values: Any) -> None:
    run.ask("resume")
    before, notes = run.status(), set_aside_status(run.status_file)
    status = replace(
        before, state="queued", started=0.0, spent=before.seconds, host=platform.node(), phase="", error="",
        notes=(*before.notes, *notes), **values,
    )  # fmt: skip
    write_json(run.status_file, asdict(status))
