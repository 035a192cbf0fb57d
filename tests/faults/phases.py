"""Send a short run KILL, TERM or INT in each phase that its status names, and look whether the same command mends it.

A run is done undisturbed, which lists its phases. Then, for each of them, in an empty cache: the same run, which gets
the signal in the middle of the phase, and the same command until it ends. KILL ends it at once; after TERM and INT it
ends by itself, says how to go on, and its status says "stopped". The result must be that of the undisturbed run.

    python -m tests.faults.phases --kinds distil mkdt --signals KILL
"""

import argparse
import json
import signal
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

from lgm_core.runs.heart import Heart
from tests.faults.trial import Trial, last

SIGNALS = {"KILL": -signal.SIGKILL, "TERM": 128 + signal.SIGTERM, "INT": 128 + signal.SIGINT}  # name: exit code
KINDS = ("distil", "baseline", "embed", "align", "rcig", "mkdt")
_BY_CHANCE = "thumbnails of the real images"  # waited for where they are slower than the run


def at_each_phase(told: Callable[[str], object]) -> Callable[[], None]:
    """To be called in a child before a run: `told(phase)` each time the run's status is told its phase."""

    def begin() -> None:
        for name in ("set", "change"):
            _tell_also(name, told)

    return begin


def _tell_also(name: str, told: Callable[[str], object]) -> None:
    method = getattr(Heart, name)

    def and_tell(self: Heart, **values: Any) -> None:
        method(self, **values)
        if values.get("phase"):
            told(values["phase"])

    setattr(Heart, name, and_tell)


def listing(file: Path) -> Callable[[], None]:
    """Write a line for each time that a phase is told."""

    def told(phase: str) -> None:
        with file.open("a") as lines:
            lines.write(phase + "\n")

    return at_each_phase(told)


def signalled(number: int, phase: str, time: int) -> Callable[[], None]:
    """Get this signal the `time`-th time that this phase is told, from 1 on."""
    seen = Counter()

    def told(name: str) -> None:
        seen[name] += 1
        if name == phase and seen[name] == time:
            signal.raise_signal(number)

    return at_each_phase(told)


def disturb(trial: Trial, name: str, phase: str, time: int, *, is_last: bool) -> list[str]:
    """Everything that is wrong after the signal of this name and the same command again; [] where nothing is.

    Only in the last phase, which `is_last` says this is, may a run end before it hears TERM or INT.
    """
    from tests.faults.crash_runs import NAME, forked

    trial.fresh()
    number = getattr(signal, f"SIG{name}")
    code, said = forked(trial.config, trial.cache, 1, before=signalled(number, phase, time))
    if code != SIGNALS[name]:
        return [f"it ended with {code}, not with {SIGNALS[name]}: {last(said)}"]
    wrong = [f"no sentence: {last(said)}"] if "Traceback" in said else []
    if name != "KILL":
        state = json.loads((trial.cache / "runs" / NAME / "status.json").read_text())["state"]
        wrong += [] if state == "stopped" or (is_last and state == "finished") else [f"its status says {state}"]
        wrong += [] if "continues from here" in said else [f"it does not say how to go on: {last(said)}"]
    return wrong + trial.mended()


def main() -> int:
    asked = _asked()
    done_file, ends = asked.folder / "phases.json", time.monotonic() + 60 * asked.minutes
    done: dict[str, list[str]] = json.loads(done_file.read_text()) if done_file.exists() else {}
    left = 0
    for kind in asked.kinds:
        trial, lines = Trial(kind, asked.folder), asked.folder / f"phases-of-{kind}.txt"
        lines.unlink(missing_ok=True)
        trial.prepare(before=listing(lines))
        times = Counter(line for line in lines.read_text().splitlines() if line != _BY_CHANCE)
        each = -(-len(times) // asked.most) if asked.most else 1
        phases = list(times)[each // 2 :: each]
        for place, (phase, name) in enumerate((phase, name) for phase in phases for name in asked.signals):
            if asked.in_turn and place % len(asked.signals) != place // len(asked.signals) % len(asked.signals):
                continue
            key = f"{kind} {name} {phase.replace(str(asked.folder), '')}"
            if key in done and not (asked.again and done[key]):
                continue
            if time.monotonic() > ends:
                left += 1
                continue
            done[key] = disturb(trial, name, phase, (times[phase] + 1) // 2, is_last=phase == list(times)[-1])
            done_file.write_text(json.dumps(done, indent=1))
            if done[key]:
                print(f"{key}: {'; '.join(done[key])}", flush=True)
    for kind in asked.kinds:
        of_kind = {key: wrong for key, wrong in done.items() if key.startswith(f"{kind} ")}
        print(f"{kind:10} {len(of_kind):4} signals {sum(map(bool, of_kind.values())):4} failures")
    if left:
        print(f"{left} are left for the next call with the same --folder")
    return int(any(done.values()))


def _asked() -> argparse.Namespace:
    folder = Path(tempfile.gettempdir()) / "lgm-phases"
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kinds", nargs="+", choices=KINDS, default=KINDS)
    parser.add_argument("--signals", nargs="+", choices=tuple(SIGNALS), default=tuple(SIGNALS))
    parser.add_argument("--most", type=int, default=0, help="at most so many phases of a kind; 0: all")
    parser.add_argument("--in-turn", action="store_true", help="one signal at each phase, in turn, not all of them")
    parser.add_argument("--minutes", type=float, default=1e6, help="begin nothing further after so long")
    parser.add_argument("--folder", type=Path, default=folder, help="where it works and remembers what is done")
    parser.add_argument("--again", action="store_true", help="try again what failed")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
