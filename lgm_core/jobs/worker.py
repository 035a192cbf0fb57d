"""What a process does that works on a run: wait for its turn and for a device, and only then load torch.

>>> do(RunFolder(Path("cache/runs/demo-lgm-mobilenet_v2-s0")), places())  # `python -m lgm_core work RUN_DIR`
0
"""

import os
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path

from lgm_core.base.errors import UserError
from lgm_core.base.places import Places
from lgm_core.jobs.attendance import attend, attending
from lgm_core.jobs.crew import crew, wanted_together
from lgm_core.jobs.signals import soft_signals
from lgm_core.jobs.slots import environment_of, try_slots, who_holds
from lgm_core.jobs.tickets import attended, waiting_tickets
from lgm_core.runs.heart import STATE_OF_WISH, Heart, Listener, Stopped
from lgm_core.runs.store import RunFolder

POLL_SECONDS = 0.3


def do(run: RunFolder, places: Places, listener: Listener | None = None) -> int:
    """Do the run; returns the exit code. What goes wrong is in the run's status and log.

    `listener` is told of all progress, for a progress bar.
    """
    with soft_signals() as (stop, code):
        try:
            return 1 if on_device(run, places, listener, stop) == "failed" else code[0]
        except UserError as error:
            print(f"lgm: {error}", file=sys.stderr)
            return error.exit_code


def on_device(
    run: RunFolder,
    places: Places,
    listener: Listener | None = None,
    stop: threading.Event | None = None,
    waits: Callable[[str], object] = lambda words: None,
) -> str:
    """Do the run in this process when its turn has come; returns the state that it ended in.

    `waits` is told what is waited for. Raises what the run raises.
    """
    run.config_to_work_on()
    stop = stop or threading.Event()
    ticket = run.ticket()
    sent_for = run.status().state == "queued"  # then a pause or stop asked for since is meant for this worker
    with Heart(run, state="queued", heed=sent_for) as heart:
        if ticket:  # it is begun here, and needs no further turn
            ticket.unlink(missing_ok=True)

        def waiting(words: str) -> None:
            _obey(heart, stop)
            attend(places)
            if f"waiting for {words}" != heart.status.phase:
                heart.change(phase=f"waiting for {words}")
                waits(heart.status.phase)

        try:
            with in_turn(run, places, waiting) as slots, attending(places):
                return compute(run, places, slots, heart, listener, stop)
        except Stopped as end:
            return heart.end(end)


def compute(
    run: RunFolder, places: Places, slots: Sequence[str], heart: Heart, listener: Listener | None, stop: threading.Event
) -> str:
    """Do the run on the slots' devices, which this process holds; returns the state that it ended in."""
    os.environ.update(environment_of(slots, run.config().device.device))
    _obey(heart, stop)
    heart.change(state="running", phase="starting")
    from lgm_core.engine import work  # torch begins here, with the device in hand

    with crew(run, places, len(slots), heart):
        return work(run, places, listener, stop, heart)


@contextmanager
def in_turn(run: RunFolder, places: Places, waiting: Callable[[str], object]) -> Iterator[list[str]]:
    """Wait in the queue for a slot that suits the run, or for all, and hold them; yields their names.

    `waiting` is told what is waited for, again and again; it ends the wait by raising.
    """
    wanted, together = wanted_together(run.config().device.device)
    with attended(places.queue, run, wanted, together=together) as file:
        while isinstance(turn := _turn(file, places), str):
            waiting(turn)
            time.sleep(POLL_SECONDS)
    slots, locks = turn
    with locks:
        yield slots


def _turn(file: Path, places: Places) -> tuple[list[str], ExitStack] | str:
    """Slots and their locks, or in words what the ticket in this file still waits for."""
    queue = waiting_tickets(places.queue)
    mine = next(ticket for ticket in queue if ticket.file == file)
    if runs := mine.waits_for_runs():
        return f"the run {runs[0]}"
    rivals = [ticket for ticket in queue[: queue.index(mine)] if set(ticket.wanted) & set(mine.wanted)]
    held = None
    if all(ticket.waits_for_runs() for ticket in rivals):
        held = try_slots(places.slots, mine.wanted, mine.run.id, together=mine.together)
    return held or who_holds(places.slots, mine.wanted, together=mine.together)


def _obey(heart: Heart, stop: threading.Event) -> None:
    if stop.is_set():
        raise Stopped("stopped")
    if wish := heart.asked():
        raise Stopped(STATE_OF_WISH[wish])
