"""Verbs that speak to running workers, the worker itself, and what a person says of a run.

>>> pause(["demo-lgm-mobilenet_v2-s0"])  # it checkpoints and leaves the device; `lgm resume` goes on
0
"""

import os
import re
import sys
from collections.abc import Callable, Sequence
from contextlib import nullcontext
from pathlib import Path
from typing import Annotated, Any

import tyro

from lgm_core.base.errors import UserError
from lgm_core.base.files import read_json, write_json
from lgm_core.base.knobs import from_dict
from lgm_core.base.places import places
from lgm_core.cli.console import print_rows, progress_bar
from lgm_core.cli.flags import parse_config
from lgm_core.config import RunConfig
from lgm_core.jobs import local
from lgm_core.jobs.crew import dismiss_launched, follow_first, is_launched, join_launched
from lgm_core.runs.marks import mark
from lgm_core.runs.store import RunFolder, RunStore

Name = Annotated[str, tyro.conf.Positional]


def work(arguments: Sequence[str]) -> int:
    """Wait for a device, then do the run of a folder here: lgm work RUN_DIR; torchrun ... -m lgm_core work RUN_DIR."""
    from lgm_core.jobs.worker import do

    def read(folder: Annotated[Path, tyro.conf.Positional]) -> Path:
        return folder

    folder = tyro.cli(read, args=list(arguments), prog="lgm work", description=work.__doc__)
    run = RunFolder(folder.resolve())
    if is_launched() and join_launched():
        follow_first(run, places())
    with progress_bar() if sys.stderr.isatty() else nullcontext() as listener:
        code = do(run, places(), listener)
    dismiss_launched()
    return code


def wait(arguments: Sequence[str]) -> int:
    """Wait for a device for the runs in the queue, as the dashboard does: lgm wait SLOT.

    --lock: an open file; whoever starts this passes it so that only one process waits for the slot.
    """
    from lgm_core.jobs.waiter import wait as wait_for

    def read(slot: Name, lock: int | None = None) -> tuple[str, int | None]:
        return slot, lock

    slot, lock = tyro.cli(read, args=list(arguments), prog="lgm wait", description=wait.__doc__)
    if not re.fullmatch(r"cpu-0|cuda-.+", slot):
        raise UserError(f"a device's slot was expected, such as cpu-0 or cuda-0; {slot!r} was given")
    return wait_for(slot, places(), None if lock is None else os.fdopen(lock, "a+"))


def stop(arguments: Sequence[str]) -> int:
    """Ask a run, or all of a study, to checkpoint and end: lgm stop RUN|STUDY."""
    return _ask(_runs(arguments, "stop", stop.__doc__), local.stop)


def pause(arguments: Sequence[str]) -> int:
    """Ask a run, or all of a study, to checkpoint and free the device: lgm pause RUN|STUDY."""
    return _ask(_runs(arguments, "pause", pause.__doc__), local.pause)


def note(arguments: Sequence[str]) -> int:
    """Annotate a run: lgm note RUN ["TEXT"] [--star|--no-star] [--tag TAG ...] [--untag TAG ...]."""

    def read(
        run: Name,
        text: Annotated[str | None, tyro.conf.Positional] = None,
        star: Annotated[bool, tyro.conf.FlagCreatePairsOff] = False,
        no_star: Annotated[bool, tyro.conf.FlagCreatePairsOff] = False,
        tag: Annotated[tuple[str, ...], tyro.conf.UseAppendAction] = (),
        untag: Annotated[tuple[str, ...], tyro.conf.UseAppendAction] = (),
    ) -> tuple[str, dict[str, Any]]:
        starred = True if star else False if no_star else None
        return run, {"note": text, "starred": starred, "add": tag, "remove": untag}

    name, said = tyro.cli(read, args=list(arguments), prog="lgm note", description=note.__doc__)
    run = RunStore(places().runs).open(name)
    marks = mark(run.marks_file, **said) if any(value not in (None, ()) for value in said.values()) else run.marks()
    print(f"{run.id}: {marks.words() or 'no note, star or tags'}")
    return 0


def queue(arguments: Sequence[str]) -> int:
    """List the runs that wait for a device, the next one first: lgm queue."""

    def read() -> None:
        return None

    tyro.cli(read, args=list(arguments), prog="lgm queue", description=queue.__doc__)
    rows = [[str(place), run.id, words] for place, (run, words) in enumerate(local.queue(places()), start=1)]
    print_rows(["place", "run", "waiting for"], rows)
    return 0


def calibrate(arguments: Sequence[str]) -> int:
    """Measure a few steps for an estimate, for the dashboard: lgm calibrate REQUEST ANSWER."""
    from lgm_core.cli.measuring import measure

    def read(
        request: Annotated[Path, tyro.conf.Positional], answer: Annotated[Path, tyro.conf.Positional]
    ) -> list[Path]:
        return [request, answer]

    request, answer = tyro.cli(read, args=list(arguments), prog="lgm calibrate", description=calibrate.__doc__)
    asked = read_json(request)
    if not {"config", "classes"} <= asked.keys():
        raise UserError(f"{request} is no request of the dashboard's: an object with config and classes was expected")
    config = from_dict(RunConfig, asked["config"])

    def progress(done: int, total: int) -> None:
        print(f"measuring: {100 * done // total:3d}%| {done}/{total}", file=sys.stderr, flush=True)

    write_json(answer, measure(config, classes=asked["classes"], places=places(), progress=progress))
    return 0


def bench(arguments: Sequence[str]) -> int:
    """Time a step beside the bare forward + backward and the paper's literal step: lgm bench BACKBONE ..."""
    from lgm_core.cli.bench import bench as run_bench

    return tyro.cli(run_bench, args=list(arguments), prog="lgm bench")


def estimate(arguments: Sequence[str]) -> int:
    """Estimate time and memory of a distillation: lgm estimate DATASET BACKBONE [settings]."""
    from lgm_core.jobs.estimate import calibrate as measured
    from lgm_core.jobs.estimate import estimate as from_past

    config = parse_config(arguments, prog="lgm estimate", positional=("dataset", "backbone"))
    guess = from_past(config, places()) or measured(config, places(), lambda line: print(line, file=sys.stderr))
    told = f"from {len(guess.from_runs)} runs" if guess.from_runs else "from a few steps just measured"
    rows = [
        ["a step", f"{guess.seconds_per_step:.3g} s"],
        ["features of the real images", f"{guess.seconds_prepare:.0f} s"],
        ["evaluation at the end", f"{guess.seconds_evaluate:.0f} s"],
        ["total", f"{guess.seconds_total:.0f} s"],
        ["memory", f"{guess.bytes / 2**30:.1f} of {guess.memory_here / 2**30:.1f} GB. {guess.remedy}"],
        ["on", ". ".join(filter(None, (f"{guess.device}, {told}", guess.words_of_devices)))],
    ]
    print_rows(["quantity", "estimate"], rows)
    return 0


def _ask(runs: Sequence[RunFolder], wish: Callable[[RunFolder], None]) -> int:
    """Ask them all and say what came of it; of several, those that have ended are counted."""
    active = [run for run in runs if run.status().active or len(runs) == 1]
    for run in reversed(active):  # those of a study that wait before the one that runs, so that none begins meanwhile
        before = run.status().state
        wish(run)
        after = run.status().state
        asked = "will end at the next step"
        then = "" if before == "finished" else f"; `lgm resume {run.id}` goes on with it"
        left = asked if before in ("queued", "running") else f"is {before}: it does not run{then}"
        print(f"{run.id} {left if after == before else f'is {after} now'}", file=sys.stderr)
    if len(active) < len(runs):
        print(f"{len(runs) - len(active)} of {len(runs)} runs do not run", file=sys.stderr)
    return 0


def _runs(arguments: Sequence[str], verb: str, description: str | None) -> list[RunFolder]:
    def read(name: Name) -> str:
        return name

    return RunStore(places().runs).named(
        tyro.cli(read, args=list(arguments), prog=f"lgm {verb}", description=description)
    )
