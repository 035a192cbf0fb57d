"""What a run says of itself while it goes: its state, its step, its heartbeat.

>>> status = read_status(run.status_file)
>>> status.state, status.step, status.seconds_per_step
('running', 120, 0.41)
"""

import math
import os
import platform
import time
from collections.abc import Callable
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any

from lgm_core.base.errors import DamagedFile
from lgm_core.base.files import read_json, set_aside
from lgm_core.base.remembered import Remembered

HEARTBEAT_SECONDS = 2.0
LOST_AFTER_SECONDS = 15.0
LEASE_SECONDS = 30.0
"""How long a writer on another machine holds its run after its last sign of life (`runs/lease.py`)."""
PLANNER_SECONDS = 120.0
"""How long runs that wait on a cluster are taken to be waited for after their planner's last sign of life."""
_MOST = {"pid": 2**31, "heartbeat": 1e11, "started": 1e11, "spent": 1e11}  # more are no process, and no time
STATES = ("queued", "running", "paused", "stopped", "failed", "finished", "lost")


@dataclass(frozen=True, kw_only=True)
class Status:
    """`state` is one of `STATES`; "lost" is what a reader makes of a dead writer. `phase`: such as "distilling"."""

    state: str = "queued"
    step: int = 0
    steps: int = 0
    phase: str = ""
    phase_done: int = 0
    phase_total: int = 0
    ticket: str = ""  # the file in the queue, or of a cluster's planner, of a run that no process waits with
    cluster: str = ""  # where it was sent: the address of a Ray cluster, or "slurm"; "": this machine
    heartbeat: float = 0.0  # time of the last sign of life; 0: no worker was asked for yet
    started: float = 0.0  # time when the worker began; 0 while it waits for a device
    spent: float = 0.0  # seconds of the workers before this one
    pid: int = 0  # of the worker; without a heartbeat, of the process that will do the run
    host: str = ""
    device: str = ""
    threads: int = 0  # CPU threads, chosen when the run began and kept; 0: not yet
    device_memory: int = 0  # bytes: the peak so far
    seconds_per_step: float = 0.0  # running mean over recent steps
    error: str = ""
    notes: tuple[str, ...] = ()

    @property
    def active(self) -> bool:
        return self.state in ("queued", "running")

    @property
    def seconds(self) -> float:
        """That workers took so far, all of them together; waiting for a device does not count."""
        return self.spent + (max(self.heartbeat - self.started, 0.0) if self.started else 0.0)


def read_status(
    path: Path, has_writer: Callable[[], bool] = bool, has_ticket: Callable[[str], bool] = lambda name: False
) -> Status:
    """The status in a file. "lost": it should have a writer, but that is dead, or silent and not seen at work.

    `has_ticket(name)`: is there this file in the queue, so that the run's turn will come?
    `has_writer()` sees a writer on this machine: compiled code may hold up the heartbeat of one that is well. A damaged
    file says nothing of the run: "running" with a writer, "lost" without, so that it can be resumed.

    A sign of life that lies ahead is one that the clock was set back after: on this machine it is none, and process and
    lock tell; of another machine, whose clock may go ahead of this one, it is believed.

    A run that nobody has begun waits for the process that made it, such as a study in a terminal, and is "stopped" once
    that has died.
    """
    status = _WRITTEN.of(path)
    if status is None:
        return Status(state="running" if has_writer() else "lost")
    is_here = status.host == platform.node()
    if status.state == "queued" and not status.heartbeat:
        is_awaited = status.pid > 0 and not (is_here and _is_dead(status.pid))
        return status if is_awaited else replace(status, state="stopped")
    expected = status.state in ("running", "queued")
    silent = time.time() - status.heartbeat
    silent = abs(silent) if is_here else silent
    seen = is_here or status.cluster  # the queue of another machine is not seen from here
    if status.state == "queued" and status.ticket and (not seen or has_ticket(status.ticket)):
        return status
    gone = silent > 2 * HEARTBEAT_SECONDS and is_here and status.pid > 0 and _is_dead(status.pid)
    gone = gone or (silent > (LOST_AFTER_SECONDS if is_here else LEASE_SECONDS) and not (is_here and has_writer()))
    return replace(status, state="lost") if expected and gone else status


def elsewhere(status: Status) -> float:
    """Seconds since the last sign of life of a writer on another machine that holds the run; 0.0 where none does."""
    if not status.active or status.pid == 0 or status.host == platform.node():
        return 0.0
    silent = max(time.time() - status.heartbeat, 0.001)
    return silent if silent < LEASE_SECONDS else 0.0


def is_alive(planner: Path) -> bool:
    """Has a cluster's planner, whose file this is, touched it lately? Slurm keeps its queue itself."""
    return planner.name.startswith("slurm") or time.time() - planner.stat().st_mtime < PLANNER_SECONDS


def written_status(path: Path) -> Status:
    """The status in a file as it was written; the default where there is none. Raises `DamagedFile`."""
    known = {f.name: f.default for f in fields(Status)}
    values: dict[str, Any] = {key: value for key, value in read_json(path).items() if key in known}
    for key, value in values.items():
        values[key] = value = tuple(value) if isinstance(value, list) else value
        fits = isinstance(value, int | float if isinstance(known[key], float) else type(known[key]))
        fits = fits and ("\0" not in value if isinstance(value, str) else True)  # as part of a path or a command
        if not fits or isinstance(value, int | float) and not 0 <= value < _MOST.get(key, math.inf):
            raise DamagedFile(f"{path} is damaged ({key} = {value!r}); move it away, and resume the run")
    status = Status(**values)
    if status.state not in STATES:
        raise DamagedFile(f"{path} is damaged ({status.state!r} is not a state); move it away, and resume the run")
    return status


def set_aside_status(path: Path) -> tuple[str, ...]:
    """Call before writing a status: sets a damaged one aside, and returns a note on that, if any."""
    try:
        written_status(path)
    except DamagedFile:
        return (set_aside(path),)
    return ()


def _written(path: Path) -> Status | None:
    try:
        return written_status(path)
    except DamagedFile:
        return None


_WRITTEN = Remembered(_written)


def _is_dead(pid: int) -> bool:
    """Is the process surely dead, on this machine: gone, or a zombie that its parent has not reaped yet?"""
    try:
        os.kill(pid, 0)
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except ProcessLookupError:
        return True
    except (OSError, IndexError):
        return False
    return state == "Z"
