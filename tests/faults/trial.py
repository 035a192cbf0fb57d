"""One kind of short run, done undisturbed once; what is wrong after a disturbance and the same command again.

>>> trial = Trial("distil", folder)
>>> trial.prepare()
>>> trial.fresh(), forked(trial.config, trial.cache, 1, options)  # something happens to it
>>> trial.mended()  # [] where the same command brings it to the same end
[]
"""

import shutil
from collections.abc import Callable, Sequence
from pathlib import Path

_MOST_TRIES = 3


class Trial:
    """`cache`: where the run is disturbed, in a folder of its own for each kind."""

    def __init__(self, kind: str, folder: Path) -> None:
        from tests.faults.crash_runs import KINDS  # torch, for this process and all its children

        self.kind, self.cache, self.log = kind, folder / kind / "cache", folder / kind / "strace.log"
        self.base, self.wanted = folder / kind / "base", folder / kind / "wanted"
        self._folder = folder
        (folder / kind).mkdir(exist_ok=True, parents=True)
        self.config = KINDS[kind](folder)

    def prepare(self, options: Sequence[str] = (), before: Callable[[], None] = lambda: None) -> None:
        """The undisturbed run, under strace with these options, where there are any; `before`: as in `forked`."""
        from tests.faults.crash_runs import KINDS, change, forked

        for old in (self.base, self.wanted):
            shutil.rmtree(old, ignore_errors=True)
        self.base.mkdir()
        if self.kind == "embed":
            few = {"name": "source", "steps": 2, "evaluate_on": ()}
            code, said = forked(change(KINDS["distil"](self._folder), few), self.base, 0)
            assert code == 0, said
        self.fresh()
        code, said = forked(self.config, self.cache, 1, options, before)
        assert code == 0, said
        shutil.copytree(self.cache, self.wanted)

    def fresh(self) -> None:
        """An empty cache, or one with what the run builds on."""
        shutil.rmtree(self.cache, ignore_errors=True)
        shutil.copytree(self.base, self.cache)
        for said in self.cache.parent.glob("said-*.txt"):
            said.unlink()

    def mended(self, before: Callable[[], None] = lambda: None) -> list[str]:
        """The same command until it ends; everything that is wrong then. `before`: as in `forked`."""
        from tests.faults.crash_runs import differences, forked, next_run

        wrong = []
        for attempt in range(2, 2 + _MOST_TRIES):
            code, said = forked(self.config, self.cache, attempt, before=before)
            if code == 0:
                next_run(self.cache)
                return wrong + differences(self.cache, self.wanted)
            wrong.append(f"the same command again ended with {code}: {last(said)}")
        return wrong


def last(said: str) -> str:
    """The last line that was said."""
    return said.strip().splitlines()[-1] if said.strip() else "nothing was said"
