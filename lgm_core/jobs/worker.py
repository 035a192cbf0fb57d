"""What a worker process does: wait for its sources and for a device, and only then load torch and work.

>>> do(RunFolder(Path("cache/runs/demo-lgm-mobilenet_v2-s0")), places())  # `python -m lgm_core work RUN_DIR`
0
"""

import os
import sys
import threading
import time
from collections.abc import Callable

from lgm_core.base.errors import UserError
from lgm_core.base.places import Places
from lgm_core.jobs.signals import soft_signals
from lgm_core.jobs.slots import POLL_SECONDS, environment_of, take_slot, wanted_slots
from lgm_core.runs.heart import STATE_OF_WISH, Heart, Listener, Stopped
from lgm_core.runs.store import RunFolder, RunStore


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
    """Do the run when its sources are finished and a device is free; returns the state that it ended in.

    `waits` is told what is waited for. Raises what the run raises.
    """
    config, stop = run.config_to_work_on(), stop or threading.Event()
    sent_for = run.status().state == "queued"  # then a pause or stop asked for since is meant for this worker
    with Heart(run, state="queued", heed=sent_for) as heart:

        def waiting(position: int, words: str) -> None:
            _obey(heart, stop)
            if (position, f"waiting for {words}") != (heart.status.position, heart.status.phase):
                heart.change(position=position, phase=f"waiting for {words}")
                waits(heart.status.phase)

        try:
            _wait_for_sources(run, places, waiting)
            with take_slot(places.slots, wanted_slots(config.device.device), run.id, waiting) as slot:
                os.environ.update(environment_of(slot, config.device.device))
                heart.change(state="running", position=0, phase="starting")
                from lgm_core.engine import work  # torch begins here, with the device in hand

                return work(run, places, listener, stop, heart)
        except Stopped as end:
            return heart.end(end)


def _wait_for_sources(run: RunFolder, places: Places, waiting: Callable[[int, str], None]) -> None:
    """Wait until no run that this one reads is queued or running; the engine reports missing or failed ones."""
    config, store = run.config(), RunStore(places.runs)
    names = config.sources + ((config.source,) if config.kind != "distill" and config.source else ())
    for name in names:
        source = RunFolder(store.root / name)
        while source.config_file.exists() and source.status().state in ("queued", "running", "paused"):
            waiting(0, f"the run {source.id}")
            time.sleep(POLL_SECONDS)


def _obey(heart: Heart, stop: threading.Event) -> None:
    if stop.is_set():
        raise Stopped("stopped")
    if wish := heart.asked():
        raise Stopped(STATE_OF_WISH[wish])
