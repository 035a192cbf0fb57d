"""Disturb a short run at every system call that changes one of its files, and look whether the same command mends it.

A run of ten steps is done undisturbed under strace, which counts the changes of files below its cache. Then, for each
of them, in an empty cache: the same run, killed there (KILL) or refused there (ENOSPC, EIO), and the same command until
it ends. The result must have the same bits, each file of lines neither a line too many nor too few, the cache no other
file.

    python -m tests.faults.crash_points --kinds distil bank --faults KILL --shard 1/4
"""

import argparse
import json
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

from tests.faults import strace_points
from tests.faults.strace_points import Point, points_of
from tests.faults.trial import Trial, last

FAULTS = ("KILL", "ENOSPC", "EIO")


def points(trial: Trial, fault: str) -> list[Point]:
    """Where the undisturbed run changes files."""
    from tests.faults.crash_runs import is_of

    found = points_of(_reference(trial), trial.cache, fault)
    return [point for point in found if is_of(trial.kind, point.path)]


def disturb(trial: Trial, point: Point) -> list[str]:
    """Everything that is wrong after the fault at a point and the same command again; [] where nothing is.

    Thumbnails may be left to a later run: strace counts by thread, so that their second try is refused, too.
    """
    from tests.faults.crash_runs import NAME, forked

    trial.fresh()
    code, said = forked(trial.config, trial.cache, 1, point.options())
    log = trial.log.read_text(errors="replace")
    if point.fault == "KILL" and code != -9 or point.fault != "KILL" and "(INJECTED)" not in log:
        return [f"the point was not reached (exit code {code})"]
    wrong = [f"no sentence: {last(said)}"] if "Traceback" in said else []
    if point.fault != "KILL" and code and "lgm: " not in said:
        wrong.append(f"exit code {code} without a sentence: {last(said)}")
    wrong += trial.mended()
    left_out = "no thumbnails: " in (trial.cache / "runs" / NAME / "log.txt").read_text()
    return [words for words in wrong if not (left_out and words.startswith("lacks thumbs"))]


def _reference(trial: Trial) -> Path:
    return trial.log.with_name("reference.log")


def main() -> int:
    asked = _asked()
    if not strace_points.is_here():
        print(strace_points.WITHOUT)
        return 0
    done_file, ends = asked.folder / "done.json", time.monotonic() + 60 * asked.minutes
    done: dict[str, list[str]] = json.loads(done_file.read_text()) if done_file.exists() else {}
    left, (shard, shards) = 0, map(int, asked.shard.split("/"))
    for kind in asked.kinds:
        trial = Trial(kind, asked.folder)
        trial.prepare(strace_points.watch_all())
        trial.log.rename(_reference(trial))
        wanted = [point for fault in asked.faults for point in _some(points(trial, fault), asked.most)]
        for point in wanted[shard - 1 :: shards]:
            name = f"{kind} {point.name(trial.cache)}"
            if name in done and not (asked.again and done[name]):
                continue
            if time.monotonic() > ends:
                left += 1
                continue
            done[name] = disturb(trial, point)
            done_file.write_text(json.dumps(done, indent=1))
            if done[name]:
                print(f"{name}: {'; '.join(done[name])}", flush=True)
    _print_totals(done)
    if left:
        print(f"{left} points of this shard are left for the next call with the same --folder")
    return int(any(done.values()))


def _some(points: list[Point], most: int) -> list[Point]:
    """At most so many of the points, evenly over the run."""
    return points[:: max(-(-len(points) // most), 1)] if most else points


def _print_totals(done: dict[str, list[str]]) -> None:
    """Points and failures by kind and fault."""
    points, failures = Counter(), Counter()
    for name, wrong in done.items():
        row = tuple(name.split()[:2])
        points[row] += 1
        failures[row] += bool(wrong)
    print(f"{'kind':10} {'fault':8} {'points':>6} {'failures':>8}")
    for row in sorted(points):
        print(f"{row[0]:10} {row[1]:8} {points[row]:6} {failures[row]:8}")
    print(f"{'all':10} {'':8} {points.total():6} {failures.total():8}")


def _asked() -> argparse.Namespace:
    kinds = ("distil", "rarely", "baseline", "bank", "embed", "align", "rcig", "mkdt")
    folder = Path(tempfile.gettempdir()) / "lgm-crash-points"
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kinds", nargs="+", choices=kinds, default=kinds)
    parser.add_argument("--faults", nargs="+", choices=FAULTS, default=FAULTS)
    parser.add_argument("--shard", default="1/1", help="k/n: every n-th point, from the k-th on")
    parser.add_argument("--most", type=int, default=0, help="at most so many points per kind and fault; 0: all")
    parser.add_argument("--minutes", type=float, default=1e6, help="begin no further point after so long")
    parser.add_argument("--folder", type=Path, default=folder, help="where it works and remembers what is done")
    parser.add_argument("--again", action="store_true", help="try the points again that failed")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
