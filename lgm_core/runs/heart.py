"""The sign of life of whoever works on a run: the writer's lock, the status, and its heartbeat. Needs no torch.

>>> with Heart(run, state="queued") as heart:
...     heart.change(phase="waiting for cpu-0")  # written at once; the heartbeat goes on by itself
...     heart.change(state="running", phase="starting")
"""

import logging
import os
import platform
import threading
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import asdict, replace
from typing import Any

from lgm_core.base.errors import UserError, disk_words
from lgm_core.base.files import write_json
from lgm_core.base.litter import sweep
from lgm_core.base.locks import take
from lgm_core.base.regular_files import require_own
from lgm_core.methods.catalog import known_method
from lgm_core.runs.lease import Claim, Occupied
from lgm_core.runs.status import HEARTBEAT_SECONDS, LEASE_SECONDS, Status, set_aside_status
from lgm_core.runs.store import RunFolder

LOWER_BATCH = "Lower bank.batch (images per forward pass)."
Listener = Callable[[str, int, int, Mapping[str, Any]], None]
STATE_OF_WISH = {"pause": "paused", "stop": "stopped"}
LOOK_SECONDS = 0.2
"""How long a wish read from the control file is taken for the latest one."""


class Stopped(Exception):
    """The run was asked to pause or to stop, and nothing is lost. `state` is "paused" or "stopped"."""

    def __init__(self, state: str) -> None:
        super().__init__(state)
        self.state = state


class TakenOver(Stopped):
    """This process was away for longer than its lease, and another machine works on the run: write nothing more."""

    def __init__(self) -> None:
        super().__init__("lost")


class Heart:
    """One writer of a run at a time. Entering takes the run's lock and claims it, or raises `UserError`.

    `memory_remedy`: what to do where the device runs out of memory in what the run is at.
    `heed`: obey a pause or stop that was asked for before this; otherwise it is out of date and is discarded.
    """

    def __init__(self, run: RunFolder, *, state: str, heed: bool = False) -> None:
        before = run.status()
        self.run, self._heed, self.memory_remedy = run, heed, _memory_remedy(run)
        self.status = Status(
            state=state,
            step=before.step,
            steps=before.steps,
            pid=os.getpid(),
            host=platform.node(),
            started=time.time() if state == "running" else 0.0,
            spent=before.seconds,
            seconds_per_step=before.seconds_per_step,
            device=before.device,
            threads=before.threads,
            cluster=before.cluster,
            notes=before.notes if before.state == "queued" else (),  # written by whoever started this worker
        )
        self._guard, self._over = threading.Lock(), threading.Event()
        self._last_look, self._wish = 0.0, ""

    def __enter__(self) -> "Heart":
        self.run.path.mkdir(parents=True, exist_ok=True)
        require_own(self.run.path)
        for _ in range(5):
            lock = take(self.run.lock_file)
            if lock is not None:
                break
            time.sleep(0.1)  # who leaves the run, or puts it right, is about to let go
        else:
            raise Occupied(f"another process is writing to {self.run.path}; wait for it, or stop it first")
        self._lock = lock
        try:
            self._begin()
        except BaseException:
            lock.close()
            raise
        self._thread = threading.Thread(target=self._beat, daemon=True)
        self._thread.start()
        return self

    def _begin(self) -> None:
        """Claim the run, clear up what an earlier writer has left, and beat for the first time."""
        self._claim, self._taken_over, self._last_beat = Claim(self.run), False, time.time()
        others = (self.run.control_file, self.run.status_file, self.run.marks_file)
        sweep(self.run.path, but=tuple(file.name for file in others))
        if self.run.wish() and not self._heed:
            self.run.ask("resume")
        self.change(notes=(*self.status.notes, *set_aside_status(self.run.status_file)))
        if not self._claim.is_latest():
            self._claim.refuse()

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        self._over.set()
        self._thread.join()
        if error is not None and self.status.active and not self._taken_over:
            self.end(error)
        self._lock.close()

    def end(self, error: BaseException | None) -> str:
        """Write how the run ended, in plain words; returns the state."""
        state, sentence = "finished", ""
        if isinstance(error, Stopped):
            state = error.state
        elif isinstance(error, KeyboardInterrupt | SystemExit):
            state = "stopped"
        elif error is not None:
            state, sentence = "failed", plain(error, self.memory_remedy)
        try:
            self.change(state=state, phase="", phase_done=0, phase_total=0, error=sentence)
        except TakenOver as lost:
            logging.getLogger("lgm").error("another machine has taken the run over, and this one leaves it alone")
            return lost.state
        except OSError as refused:  # readers see that the process has ended, and call the run lost
            words = f"{self.run.id}: {sentence or state}; its status cannot be written ({refused})"
            logging.getLogger("lgm").error(words)
        return state

    def set(self, **values: Any) -> None:
        """Change the status; written with the next beat."""
        with self._guard:
            self.status = replace(self.status, **values)

    def change(self, **values: Any) -> None:
        """Change the status and write it now. Raises `TakenOver`, as `hold` does."""
        self.hold()
        with self._guard:
            self.status = replace(self.status, **values)
            self._write()

    def hold(self) -> None:
        """Call before anything is written to the run. Raises `TakenOver` where this process no longer may."""
        with self._guard:
            away = abs(time.time() - self._last_beat)  # also where the clock was set back meanwhile
            if away > LEASE_SECONDS / 2 and not self._taken_over:  # a margin for slow writes
                self._taken_over = not self._claim.renew()
                if not self._taken_over:
                    self._write()
                    self._taken_over = not self._claim.is_latest()
            if self._taken_over:
                raise TakenOver

    def _write(self) -> None:
        now = time.time()
        self.status = replace(self.status, heartbeat=now)
        write_json(self.run.status_file, asdict(self.status))
        self._last_beat = now

    def asked(self) -> str:
        """What the control file asks for: "pause", "stop" or ""; looked up every `LOOK_SECONDS` at most.

        Raises `TakenOver`.
        """
        if self._taken_over:
            raise TakenOver
        if time.monotonic() - self._last_look >= LOOK_SECONDS:
            self._last_look = time.monotonic()
            wish = self.run.wish()
            self._wish = wish if wish in STATE_OF_WISH else ""
        return self._wish

    def _beat(self) -> None:
        while not self._over.wait(HEARTBEAT_SECONDS / 2):
            with suppress(OSError, TakenOver):  # a full disk may have room again at the next beat
                self.change()


def _memory_remedy(run: RunFolder) -> str:
    """What the method of a distillation advises when memory runs out; "" for other runs or an unreadable config."""
    try:
        config = run.config()
        row = known_method(config)
        return row.memory_remedy if row else ""
    except UserError:
        return ""


def plain(error: BaseException, memory_remedy: str = "") -> str:
    """One sentence for the user, with the remedy. `memory_remedy`: what to do where the device ran out of memory."""
    if isinstance(error, UserError):
        return str(error)
    if isinstance(error, OSError) and (words := disk_words(error)):
        return words
    kinds = {kind.__name__ for kind in type(error).__mro__}
    if kinds & {"OutOfMemoryError", "MemoryError"} or "can't allocate memory" in str(error):
        return f"The device ran out of memory. {memory_remedy or LOWER_BATCH}"
    if "can't start new thread" in str(error):
        return (
            "The system could not start another thread: it ran out of memory, or reached its limit of threads. "
            f"{memory_remedy or LOWER_BATCH}"
        )
    return f"{type(error).__name__}: {str(error).rstrip('.')}. The last lines of the log say where."
