"""Runs done in the terminal, one by one, with a progress bar; or sent to a cluster. Every verb that makes runs, or
continues them, comes here.

>>> work([start(config, places())], cluster="")
0
"""

import sys
import threading
from collections.abc import Sequence
from functools import partial

from lgm_core.base.places import places
from lgm_core.cli.clustering import send_off
from lgm_core.cli.console import progress_bar
from lgm_core.cli.look import show_run
from lgm_core.jobs.local import planned
from lgm_core.jobs.signals import soft_signals
from lgm_core.jobs.tickets import unfinished_sources
from lgm_core.jobs.worker import on_device
from lgm_core.runs.heart import plain
from lgm_core.runs.start import is_done
from lgm_core.runs.store import RunFolder


def work(runs: Sequence[RunFolder], cluster: str) -> int:
    """Do these runs, and show one that is done alone; returns the exit code. `cluster`: "" for here."""
    if cluster:
        return send_off(runs, cluster)
    with soft_signals() as (stop, code):
        if len(runs) > 1:
            return _work_through(runs, stop) or code[0]
        _work_on(runs[0], f"{runs[0].id}: ", "", stop)
        if stop.is_set():
            return code[0]
        show_run(runs[0].id)
    config = runs[0].config()
    if config.kind in ("distill", "baseline") and not config.evaluate_on and runs[0].has_images():
        judge = config.networks()[0]
        print(f"no network has judged these images yet: `lgm evaluate {runs[0].id} {judge}` does", file=sys.stderr)
    return 0


def _work_through(runs: Sequence[RunFolder], stop: threading.Event) -> int:
    """Do the runs one by one, also after one that fails; returns 1 where one did, else 0."""
    failed = {}
    with planned(runs) as is_left:
        for place, run in enumerate(runs, start=1):
            prefix = f"[{place}/{len(runs)}] {run.id}: "
            if not is_done(run) and (why := _why_left(run, is_left(run))):
                print(f"{prefix}left alone: {why}", file=sys.stderr)
                continue
            try:
                _work_on(run, prefix, prefix, stop)
            except Exception as error:  # one that no other run needs to fail for
                failed[run.id] = plain(error)
                print(f"{prefix}failed: {failed[run.id]}", file=sys.stderr)
            if stop.is_set():
                return 0
    for name, why in failed.items():
        print(f"failed: {name}: {why}", file=sys.stderr)
    if failed:
        print(f"{len(failed)} of {len(runs)} runs failed; the same command tries them again", file=sys.stderr)
    return 1 if failed else 0


def _why_left(run: RunFolder, is_left: bool) -> str:
    """Why a run of several is not begun here when its turn has come; "" where it is."""
    if not is_left:
        return f"it is {run.status().state} now"
    sources = [RunFolder(run.path.parent / name) for name in unfinished_sources(run)]
    paused = [source.id for source in sources if source.status().state == "paused"]
    return f"{paused[0]}, which it looks at, is paused" if paused else ""


def _work_on(run: RunFolder, words: str, bar: str, stop: threading.Event) -> None:
    """Do a run that is not done yet, and say how it ended. `words`, `bar`: what these lines, the bar, begin with."""
    if is_done(run):
        print(f"{words}already finished: {run.path}", file=sys.stderr)
        return
    with progress_bar(bar) as listener:
        state = on_device(run, places(), listener, stop, partial(print, f"{run.id}:", file=sys.stderr))
    print(f"{words}{state}: {run.path}", file=sys.stderr)
    if stop.is_set():
        name = run.config().study or run.id
        print(f"the same command, or `lgm resume {name}`, continues from here", file=sys.stderr)
