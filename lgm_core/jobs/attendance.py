"""That a process waits for each device that a queued run wants: one, whatever the length of the queue.

Whoever puts a run into the queue, computes, or looks at the queue sees to it, so that it goes on where the process that
waits dies, and where the one that computes does.

>>> attend(places())  # starts `python -m lgm_core wait SLOT` where somebody waits for the slot and no process does
>>> with attending(places()):  # looks every two seconds, and at the end
...     do(run, places())
"""

import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from lgm_core.base.locks import take
from lgm_core.base.places import Places, worker_environment
from lgm_core.jobs import tickets

_LOOKS_EVERY = 2.0  # seconds


def waiter_lock(slots: Path, slot: str) -> Path:
    """Held by the process that waits for the slot."""
    return slots / f"{slot}.waiter"


def attend(here: Places) -> None:
    """Start a process that waits for each slot that is wanted, where none does."""
    wanted = {slot for ticket in tickets.waiting_tickets(here.queue) if not ticket.attended for slot in ticket.wanted}
    for slot in sorted(wanted):
        lock = take(waiter_lock(here.slots, slot))
        if lock is not None:
            with lock:
                _start(slot, lock, here)


@contextmanager
def attending(here: Places) -> Iterator[None]:
    """See to it for as long as a run computes, and once more at its end."""
    over = threading.Event()

    def look() -> None:
        while not over.wait(_LOOKS_EVERY):
            attend(here)

    attend(here)
    looking = threading.Thread(target=look, daemon=True)
    looking.start()
    try:
        yield
    finally:
        over.set()
        looking.join()
        attend(here)


def _start(slot: str, lock: IO[str], here: Places) -> None:
    """A process that has the lock from its first moment, so that a second is not started meanwhile.

    In a session of its own: closing the dashboard or the terminal leaves it alone.
    """
    with (here.slots / "waiters.log").open("ab") as log:
        waiter = subprocess.Popen(
            [sys.executable, "-m", "lgm_core", "wait", slot, "--lock", str(lock.fileno())],
            pass_fds=[lock.fileno()],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            env=worker_environment(here),
            start_new_session=True,
        )
    threading.Thread(target=waiter.wait, daemon=True).start()  # reaps the process, so that its end shows at once
