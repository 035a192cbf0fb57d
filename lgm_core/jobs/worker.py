"""What a worker process does: wait for its sources and for a device, and only then load torch and work.

>>> do(RunFolder(Path("cache/runs/demo-lgm-mobilenet_v2-s0")), places())  # `python -m lgm_core work RUN_DIR`
0
"""

import os
import sys
import threading
import time

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
    config = run.config_to_work_on()
    sent_for = run.status().state == "queued"  # then a pause or stop asked for since is meant for this worker
    with soft_signals() as (stop, code), Heart(run, state="queued", heed=sent_for) as heart:
        try:
            _wait_for_sources(run, places, heart, stop)

            def waiting(position: int, slots: str) -> None:
                _obey(heart, stop)
                if (position, slots) != (heart.status.position, heart.status.phase):
                    heart.change(position=position, phase=f"waiting for {slots}")

            with take_slot(places.slots, wanted_slots(config.device.device), run.id, waiting) as slot:
                os.environ.update(environment_of(slot, config.device.device))
                heart.change(state="running", position=0, phase="starting")
                return _compute(run, places, heart, stop, listener) or code[0]
        except Stopped as end:
            heart.end(end)
            return code[0]


def _compute(run: RunFolder, places: Places, heart: Heart, stop: threading.Event, listener: Listener | None) -> int:
    from lgm_core.engine import work  # torch begins here, with the device in hand

    try:
        return 1 if work(run, places, listener, stop, heart) == "failed" else 0
    except UserError as error:
        print(f"lgm: {error}", file=sys.stderr)
        return error.exit_code


def _wait_for_sources(run: RunFolder, places: Places, heart: Heart, stop: threading.Event) -> None:
    """Wait until no run that this one reads is queued or running; the engine reports missing or failed ones."""
    config, store = run.config(), RunStore(places.runs)
    names = config.sources + ((config.source,) if config.kind != "distill" and config.source else ())
    for name in names:
        source = RunFolder(store.root / name)
        while source.config_file.exists() and source.status().state in ("queued", "running", "paused"):
            _obey(heart, stop)
            phase = f"waiting for the run {source.id}"
            if phase != heart.status.phase:
                heart.change(phase=phase)
            time.sleep(POLL_SECONDS)


def _obey(heart: Heart, stop: threading.Event) -> None:
    if stop.is_set():
        raise Stopped("stopped")
    if wish := heart.asked():
        raise Stopped(STATE_OF_WISH[wish])
