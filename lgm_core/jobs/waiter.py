"""The process that waits for a device, and then is the worker of the run whose turn it is.

`python -m lgm_core wait cpu-0` ends at once where another waits already, and where no run wants the slot. Once it has a
run, the next process begins to wait.

>>> wait("cpu-0", places())
0
"""

import os
import sys
import time
from collections.abc import Sequence
from contextlib import ExitStack
from typing import IO

from lgm_core.base.errors import UserError
from lgm_core.base.locks import is_held, take
from lgm_core.base.places import Places, places
from lgm_core.base.regular_files import require_own, require_regular
from lgm_core.jobs import tickets
from lgm_core.jobs.attendance import attending, waiter_lock
from lgm_core.jobs.signals import soft_signals
from lgm_core.jobs.slots import slot_lock, try_slots
from lgm_core.jobs.tickets import Ticket
from lgm_core.jobs.worker import POLL_SECONDS, compute
from lgm_core.runs.heart import Heart, Stopped


def wait(slot: str, here: Places, lock: IO[str] | None = None) -> int:
    """Wait for the slot, do the next run there, and return the exit code.

    `lock`: that of the one process which waits for the slot, where whoever started this one has taken it.
    """
    while _wanting(slot, here):  # once more after the lock is free: who came meanwhile saw that somebody waits
        lock = lock or take(waiter_lock(here.slots, slot))
        if lock is None:
            return 0
        with lock:
            while wanting := _wanting(slot, here):
                ready = next((ticket for ticket in wanting if not ticket.waits_for_runs()), None)
                held = _slots_for(ready, slot, here) if ready and not ready.attended else None
                if ready and held:
                    with held[1]:
                        code = _do(ready, held[0], lock)
                    if code is not None:
                        return code
                _sleep_while_busy(slot, here)
        lock = None
    return 0


def _wanting(slot: str, here: Places) -> list[Ticket]:
    """Those that want the slot, the next one first; [] where none of them leaves it to this process."""
    wanting = [ticket for ticket in tickets.waiting_tickets(here.queue) if slot in ticket.wanted]
    return wanting if any(not ticket.attended for ticket in wanting) else []


def _slots_for(ticket: Ticket, slot: str, here: Places) -> tuple[list[str], ExitStack] | None:
    """This slot; for a run that wants several together, all of them, which who waits for the first one takes."""
    if ticket.together and slot != ticket.wanted[0]:
        return None
    wanted = ticket.wanted if ticket.together else [slot]
    return try_slots(here.slots, wanted, ticket.run.id, together=ticket.together)


def _sleep_while_busy(slot: str, here: Places) -> None:
    """The queue is read again when the slot is free: until then, a lock is all that is looked at."""
    time.sleep(POLL_SECONDS)
    while is_held(slot_lock(here.slots, slot)):
        time.sleep(POLL_SECONDS)


def _do(ticket: Ticket, slots: Sequence[str], lock: IO[str]) -> int | None:
    """Do the run, once the next process may wait; None where the run was withdrawn or has another worker."""
    with ExitStack() as stack:
        stop, code = stack.enter_context(soft_signals())
        try:
            heart = stack.enter_context(Heart(ticket.run, state="queued", heed=True))
            ticket.file.unlink()
        except (FileNotFoundError, UserError):
            return None
        lock.close()
        here = _as_asked_for(ticket)
        stack.enter_context(attending(here))
        try:
            ticket.run.config_to_work_on()
            return 1 if compute(ticket.run, here, slots, heart, None, stop) == "failed" else code[0]
        except Stopped as end:
            heart.end(end)
            return code[0]
        except UserError as error:
            heart.end(error)
            print(f"lgm: {error}", file=sys.stderr)
            return error.exit_code


def _as_asked_for(ticket: Ticket) -> Places:
    """Make this process the one that was asked for: its environment, and the run's log."""
    for name in [name for name in os.environ if name.startswith(tickets.KEPT)]:
        del os.environ[name]
    os.environ.update(ticket.environment)
    require_own(ticket.run.path)
    require_regular(ticket.run.log_file)
    with ticket.run.log_file.open("ab") as log:
        os.dup2(log.fileno(), sys.stdout.fileno())
        os.dup2(log.fileno(), sys.stderr.fileno())
    return places()
