"""The verb that puts runs away, brings them back, and empties the trash. The program removes no run otherwise.

>>> delete(["demo-random-s0"])
demo-random-s0 is in the trash; `lgm delete --restore demo-random-s0` restores it
0
"""

import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Annotated

import tyro

from lgm_core.base.errors import UserError
from lgm_core.base.names import unknown
from lgm_core.base.places import places
from lgm_core.runs.store import RunStore
from lgm_core.runs.trash import Trash


@dataclass(frozen=True, kw_only=True)
class _Flags:
    runs: Annotated[tuple[str, ...], tyro.conf.Positional] = ()
    """full names of runs, or of whole studies, to move to the trash"""
    restore: tuple[str, ...] = ()
    """names of runs in the trash to move back"""
    empty: bool = False
    """permanently delete everything in the trash; only together with --yes"""
    yes: bool = False
    """confirm permanent deletion"""


def delete(arguments: Sequence[str]) -> int:
    """Move runs to the trash, or back with --restore RUN: lgm delete RUN|STUDY [...]; --empty --yes empties it."""
    given = tyro.cli(_Flags, args=list(arguments), prog="lgm delete", description=delete.__doc__)
    store = RunStore(places().runs)
    trash = Trash(store)
    if given.empty:
        return _empty(trash, given.yes)
    if not given.runs and not given.restore:
        raise UserError(f"name the runs to delete, or to --restore; in the trash: {', '.join(trash.names()) or 'none'}")
    names = dict.fromkeys(name for word in given.runs for name in _named(store, word))  # a wrong one moves none
    codes = [_told(lambda name=name: _put(trash, name)) for name in names]
    codes += [_told(lambda name=name: f"{trash.restore(name).id} is restored") for name in given.restore]
    return max(codes)


def _named(store: RunStore, name: str) -> list[str]:
    """The run of this whole name, or all of a study, those first that look at others. Raises `UserError` for none."""
    listed = [run.id for run in store.runs()]
    study = [] if name in listed else [run.id for run in store.study(name)]
    if name not in listed and not study and not (store.root / name).exists():
        raise UserError(f"{unknown(name, listed, 'run')}; nothing was deleted")
    return study[::-1] or [name]


def _put(trash: Trash, name: str) -> str:
    notes = trash.put(name)
    return "\n".join([f"{name} is in the trash; `lgm delete --restore {name}` restores it", *notes])


def _empty(trash: Trash, yes: bool) -> int:
    names = trash.names()
    if not names:
        print("the trash is empty")
        return 0
    held = f"{len(names)} run{'s' if len(names) > 1 else ''} ({', '.join(names)}), {trash.bytes() / 2**20:.1f} MB"
    if not yes:
        raise UserError(f"the trash holds {held}; `lgm delete --empty --yes` deletes them permanently")
    trash.empty()
    print(f"permanently deleted: {held}")
    return 0


def _told(action: Callable[[], str]) -> int:
    """Do it and say so; why it was refused goes to standard error, and the others go on."""
    try:
        print(action())
        return 0
    except UserError as error:
        print(f"lgm: {error}", file=sys.stderr)
        return error.exit_code
