"""Disturb a short run at every system call that changes one of its files, and look whether the same command mends it.

A run of ten steps is done undisturbed under strace, which counts the changes of files below its cache. Then, for each
of them, in an empty cache: the same run, killed there (KILL) or refused there (ENOSPC, EIO), and the same command until
it ends. The result must have the same bits, each file of lines neither a line too many nor too few, the cache no other
file.

    python -m tests.faults.crash_points --kinds distil bank --faults KILL --shard 1/4
"""

import argparse
import json
import shutil
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

from tests.faults import strace_points
from tests.faults.strace_points import Point, points_of

FAULTS = ("KILL", "ENOSPC", "EIO")
_MOST_TRIES = 3


class Trial:
    """One kind of run, in a folder of its own: `prepare` it, then `disturb` it at each of its points."""

    def __init__(self, kind: str, folder: Path) -> None:
        from tests.faults.crash_runs import KINDS  # torch, for this process and all its children

        self.kind, self.cache = kind, folder / kind / "cache"
        self._base, self._wanted, self._log = (folder / kind / name for name in ("base", "wanted", "reference.log"))
        folder.mkdir(parents=True, exist_ok=True)
        (folder / kind).mkdir(exist_ok=True)
        self.config = KINDS[kind](folder)

    def prepare(self) -> None:
        """The undisturbed run, and the log of what it changes."""
        from tests.faults.crash_runs import KINDS, change, forked

        for old in (self._base, self._wanted):
            shutil.rmtree(old, ignore_errors=True)
        self._base.mkdir()
        if self.kind == "embed":
            source = change(
                KINDS["distil"](self.cache.parent.parent), {"name": "source", "steps": 2, "evaluate_on": ()}
            )
            code, said = forked(source, self._base, 0)
            assert code == 0, said
        self._fresh()
        code, said = forked(self.config, self.cache, 1, strace_points.watch_all())
        assert code == 0, said
        (self.cache.parent / "strace.log").rename(self._log)
        self.cache.rename(self._wanted)

    def points(self, fault: str) -> list[Point]:
        from tests.faults.crash_runs import is_of

        return [point for point in points_of(self._log, self.cache, fault) if is_of(self.kind, point.path)]

    def disturb(self, point: Point) -> list[str]:
        """Everything that is wrong after the fault at a point and the same command again; [] where nothing is."""
        from tests.faults.crash_runs import differences, forked

        self._fresh()
        code, said = forked(self.config, self.cache, 1, point.options())
        log = (self.cache.parent / "strace.log").read_text(errors="replace")
        if point.fault == "KILL" and code != -9 or point.fault != "KILL" and "(INJECTED)" not in log:
            return [f"the point was not reached (exit code {code})"]
        wrong = [f"no sentence: {_last(said)}"] if "Traceback" in said else []
        if point.fault != "KILL" and code and "lgm: " not in said:
            wrong.append(f"exit code {code} without a sentence: {_last(said)}")
        for attempt in range(2, 2 + _MOST_TRIES):
            code, said = forked(self.config, self.cache, attempt)
            if code == 0:
                return wrong + differences(self.cache, self._wanted)
            wrong.append(f"the same command again ended with {code}: {_last(said)}")
        return wrong

    def _fresh(self) -> None:
        """An empty cache, or one with what the run builds on."""
        shutil.rmtree(self.cache, ignore_errors=True)
        shutil.copytree(self._base, self.cache)
        for number in range(1, 2 + _MOST_TRIES):
            (self.cache.parent / f"said-{number}.txt").unlink(missing_ok=True)


def _last(said: str) -> str:
    """The last line that was said."""
    return said.strip().splitlines()[-1] if said.strip() else "nothing was said"


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
        trial.prepare()
        wanted = [point for fault in asked.faults for point in _some(trial.points(fault), asked.most)]
        for point in wanted[shard - 1 :: shards]:
            name = f"{kind} {point.name(trial.cache)}"
            if name in done and not (asked.again and done[name]):
                continue
            if time.monotonic() > ends:
                left += 1
                continue
            done[name] = trial.disturb(point)
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
    kinds = ("distil", "baseline", "bank", "embed", "rcig")
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
