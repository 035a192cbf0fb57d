"""What a run says of itself while it goes: its state, its step, its heartbeat.

>>> status = read_status(run.status_file)
>>> status.state, status.step, status.seconds_per_step
('running', 120, 0.41)
"""

import os
import platform
import time
from collections.abc import Callable
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any

from lgm_core.base.files import read_json

HEARTBEAT_SECONDS = 2.0
LOST_AFTER_SECONDS = 15.0
STATES = ("queued", "running", "paused", "stopped", "failed", "finished", "lost")


@dataclass(frozen=True, kw_only=True)
class Status:
    """`state` is one of `STATES`; "lost" is what a reader makes of a dead writer. A phase is such as "distilling"."""

    state: str = "queued"
    step: int = 0
    steps: int = 0
    phase: str = ""
    phase_done: int = 0
    phase_total: int = 0
    position: int = 0  # in the queue: 1 is next; 0: not waiting for a device
    heartbeat: float = 0.0  # time of the last sign of life; 0: no worker was asked for yet
    started: float = 0.0
    pid: int = 0
    host: str = ""
    device: str = ""
    device_memory: int = 0  # bytes: the peak so far
    seconds_per_step: float = 0.0  # of late
    error: str = ""
    notes: tuple[str, ...] = ()

    @property
    def active(self) -> bool:
        return self.state in ("queued", "running")


def read_status(path: Path, has_writer: Callable[[], bool] = bool) -> Status:
    """The status in a file. "lost": it should have a writer, but that is dead, or silent and not seen at work.

    `has_writer()` sees a writer on this machine: compiled code may hold up the heartbeat of one that is well.
    """
    found = read_json(path)
    known = {f.name for f in fields(Status)}
    values: dict[str, Any] = {k: tuple(v) if isinstance(v, list) else v for k, v in found.items() if k in known}
    status = Status(**values)
    expected = status.state == "running" or (status.state == "queued" and status.heartbeat > 0)
    silent, is_here = time.time() - status.heartbeat, status.host == platform.node()
    gone = silent > 2 * HEARTBEAT_SECONDS and is_here and _is_dead(status.pid)
    gone = gone or (silent > LOST_AFTER_SECONDS and not (is_here and has_writer()))
    return replace(status, state="lost", position=0) if expected and gone else status


def _is_dead(pid: int) -> bool:
    """Certain death on this machine: no such process, or one that its parent has not buried yet."""
    try:
        os.kill(pid, 0)
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except ProcessLookupError:
        return True
    except (OSError, IndexError):
        return False
    return state == "Z"
