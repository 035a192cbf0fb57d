"""Runs that were put away: moved into `.trash` beside the others, where nobody lists them, and back. Needs no torch.

>>> trash = Trash(RunStore(places().runs))
>>> trash.put("demo-random-s0")  # what to know about it, a sentence each
['demo-random-s0 is the source of map: their results stay, but none can be resumed until it is restored']
>>> trash.restore("demo-random-s0").id
'demo-random-s0'
"""

import shutil
from pathlib import Path

from lgm_core.base.errors import UserError
from lgm_core.base.locks import take
from lgm_core.base.names import LONGEST_FILE_NAME, unknown, why_no_name
from lgm_core.runs.folder import RunFolder
from lgm_core.runs.store import RunStore

_MOST_NAMED = 4


class Trash:
    """The trash of one folder of runs. A run lies in it under its own name; a second of the name in a folder `.2`."""

    def __init__(self, store: RunStore) -> None:
        self._store, self.root = store, store.root / ".trash"

    def put(self, name: str) -> list[str]:
        """Move a run into the trash, by its whole name; returns what to know about it, a sentence each.

        Raises `UserError`, and moves nothing, where there is no such run, somebody works on it, or a run that is under
        way looks at it.
        """
        run = RunFolder(self._store.root / name)
        if why_no_name(name, LONGEST_FILE_NAME) or not run.config_file.exists():
            raise UserError(unknown(name, [other.id for other in self._store.runs()], "run"))
        listed = self._store.listed()
        looking = [other for other, facts in listed if name in (facts.source, *facts.sources) and other.id != name]
        if under_way := [other.id for other in looking if _is_under_way(other)]:
            raise UserError(f"the run {name!r} is the source of {_named(under_way)}, still unfinished; stop that first")
        lock = None if _is_under_way(run) else take(run.lock_file)
        if lock is None:
            raise UserError(f"the run {name!r} is {run.status().state}: stop it first, or wait for it to finish")
        with lock:  # no worker begins meanwhile
            place = self._free_place(name)
            place.parent.mkdir(parents=True, exist_ok=True)
            run.path.rename(place)
        if not looking:
            return []
        named = _named([other.id for other in looking])
        return [f"{name} is the source of {named}: their results stay, but none can be resumed until it is restored"]

    def restore(self, name: str) -> RunFolder:
        """Move a run back: of several of that name, the one that was put away last. Raises `UserError` if it cannot."""
        if name not in self.names():
            raise UserError(unknown(name, self.names(), "run in the trash") if self.names() else "the trash is empty")
        run = RunFolder(self._store.root / name)
        if run.path.exists():
            raise UserError(f"a run {name!r} exists again; delete that one first")
        self._places(name)[-1].rename(run.path)
        return run

    def names(self) -> list[str]:
        """The names of the runs in it; one that lies there twice, once."""
        return sorted({path.name for path in self._folders()})

    def bytes(self) -> int:
        """How much the files in it hold."""
        return sum(path.stat().st_size for path in self.root.rglob("*") if path.is_file())

    def empty(self) -> None:
        """Remove all that lies in it, for ever."""
        if self.root.exists():
            shutil.rmtree(self.root)

    def _folders(self) -> list[Path]:
        groups = [self.root, *(path for path in self.root.glob(".*/") if _number(path) > 1)]
        return [path for group in groups for path in group.glob("[!.]*") if path.is_dir()]

    def _places(self, name: str) -> list[Path]:
        """Where runs of that name lie, the one that was put away last at the end."""
        found = [path for path in self._folders() if path.name == name]
        return sorted(found, key=lambda path: 1 if path.parent == self.root else _number(path.parent))

    def _free_place(self, name: str) -> Path:
        taken = self._places(name)
        if not taken:
            return self.root / name
        last = taken[-1].parent
        return self.root / f".{1 + (1 if last == self.root else _number(last))}" / name


def _number(folder: Path) -> int:
    """Of a folder such as `.2`; 0 for any other hidden one, which is none of the trash's."""
    digits = folder.name[1:]
    return int(digits) if digits.isdecimal() and len(digits) < 10 else 0


def _is_under_way(run: RunFolder) -> bool:
    """Has the run a worker, here or elsewhere, or was one sent for? One that was only planned has none."""
    status = run.status()
    return run.has_writer() or (status.active and (status.state, status.heartbeat) != ("queued", 0.0))


def _named(names: list[str]) -> str:
    more = f" and {len(names) - _MOST_NAMED} more" if len(names) > _MOST_NAMED else ""
    return ", ".join(names[:_MOST_NAMED]) + more
