"""What lies in the cache and can be had again: how large, when last used, and dropped. Runs are never touched.

>>> cache(["drop", "features", "--older-than", "30"])
dropped features/scenes-train-mobilenet_v2-75bd3625b8919db0 (12.3 MB)
freed 12.3 MB
0
"""

import math
import shutil
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Annotated

import tyro

from lgm_core.backbones import catalog as backbones
from lgm_core.backbones.row import BackboneRow, ByHand
from lgm_core.backbones.students.student_names import is_student
from lgm_core.base.errors import UserError, result_or_why
from lgm_core.base.locks import is_held
from lgm_core.base.names import require_known, unknown
from lgm_core.base.places import Places, places
from lgm_core.cli.console import print_rows
from lgm_core.config import RunConfig
from lgm_core.datasets import catalog as datasets
from lgm_core.methods.catalog import METHODS
from lgm_core.runs.store import RunStore
from lgm_core.runs.used_groups import find_collection

_FOLDERS: dict[str, Callable[[Places], Path]] = {
    "weights": lambda here: here.weights[-1],
    "datasets": lambda here: here.datasets[-1],
    "features": lambda here: here.features,
    "teachers": lambda here: here.cache / "teachers",
    "trajectories": lambda here: here.trajectories,
    "estimates": lambda here: here.estimates,
    "index": lambda here: here.cache / "index",
}
_OPEN_FORMS = ("timm_", "open_clip_")  # how files of networks beyond the catalogue begin
_IN_ONE_ROW = ("estimates", "index")  # of many small files
_NAMES = "as `lgm cache` shows them, or their beginnings; default: all that can be fetched or recomputed"
_DAY = 24 * 3600.0


@dataclass(frozen=True, kw_only=True)
class Entry:
    """A file or folder of one kind. `used`: time at which it was last read or written, as far as the disk tells."""

    kind: str
    path: Path
    bytes: int
    used: float

    @property
    def days(self) -> float:
        return (time.time() - self.used) / _DAY


def cache(arguments: Sequence[str]) -> int:
    """Show what the cache holds, or drop it (never runs): lgm cache [drop KIND [NAME ...] [--older-than DAYS]]."""
    if arguments and arguments[0] == "drop":
        return _drop(arguments[1:])

    def read() -> None:
        return None

    said = f"{cache.__doc__} Kinds: {', '.join(_FOLDERS)}. More: lgm cache drop --help"
    tyro.cli(read, args=list(arguments), prog="lgm cache", description=said)
    rows, here, total = [], places(), 0
    for kind in _FOLDERS:
        found = entries(kind, here)
        total += sum(entry.bytes for entry in found)
        if found and kind in _IN_ONE_ROW:
            size, used = sum(entry.bytes for entry in found), max(entry.used for entry in found)
            rows.append([kind, f"{len(found)} files", _megabytes(size), _day(used)])
        else:
            rows += [[kind, entry.path.name, _megabytes(entry.bytes), _day(entry.used)] for entry in found]
    print_rows(["kind", "name", "size", "last used"], rows)
    print(f"{_megabytes(total)} in {here.cache} can be fetched or recomputed; to free it: lgm cache drop KIND")
    return 0


def _drop(arguments: Sequence[str]) -> int:
    def read(
        kind: Annotated[str, tyro.conf.Positional, tyro.conf.arg(help=", ".join(_FOLDERS))],
        names: Annotated[tuple[str, ...], tyro.conf.Positional, tyro.conf.arg(help=_NAMES)] = (),
        older_than: Annotated[float, tyro.conf.arg(help="only what has not been used for this many days")] = 0.0,
    ) -> tuple[str, tuple[str, ...], float]:
        return kind, names, older_than

    kind, names, days = tyro.cli(
        read, args=list(arguments), prog="lgm cache drop", description="Remove what can be fetched or recomputed."
    )
    require_known(kind, _FOLDERS, "kind of cache")
    here, freed = places(), 0
    for entry in _chosen(entries(kind, here), names, kind):
        if entry.days < days:
            continue
        if why := why_kept(entry, here, by_name=bool(names)):
            print(f"left {kind}/{entry.path.name}: {why}")
            continue
        _remove(entry.path)
        freed += entry.bytes
        print(f"dropped {kind}/{entry.path.name} ({_megabytes(entry.bytes)})")
    print(f"freed {_megabytes(freed)}")
    return 0


def entries(kind: str, here: Places) -> list[Entry]:
    """All of a kind, by name. Hidden files belong to fetches under way; a folder that is a link is not the cache's."""
    folder = _FOLDERS[kind](here)
    if folder.is_symlink() or not folder.is_dir():
        return []
    paths = sorted(path for path in folder.iterdir() if not path.name.startswith("."))
    return [_entry(kind, path) for path in paths]


def why_kept(entry: Entry, here: Places, *, by_name: bool) -> str:
    """Why an entry may not be dropped now, "" where it may. `by_name`: the user has named it."""
    if entry.kind in ("features", "trajectories") and is_held(entry.path / "lock"):
        return "it is being computed"
    measured = entry.kind == "estimates" and entry.path.name.startswith("precision-")
    for run in RunStore(here.runs).runs():
        state = run.status().state
        if measured and state in ("running", "queued", "paused", "stopped", "failed", "lost"):
            return f"the run {run.id}, which is {state}, must continue in the precision it started with"
        if state in ("running", "queued") and _reads(run.config(), entry, here):
            return f"the run {run.id}, which is {state}, uses it"
    if not by_name and not _can_be_fetched(entry, here):
        return f"it cannot be fetched automatically; to drop it anyway: lgm cache drop {entry.kind} {entry.path.name}"
    return ""


def _reads(config: RunConfig, entry: Entry, here: Places) -> bool:
    """May a run with this config read the entry?"""
    data, _ = result_or_why(partial(datasets.find_row, config.dataset))
    asked = (*config.networks(), *config.evaluate_on, config.pretrain.teacher)
    names = [name for name in asked if not is_student(name)]
    rows = [row for row in (result_or_why(partial(backbones.find_row, name))[0] for name in names) if row]
    if entry.kind == "weights":
        return any(_belongs(entry, row) for row in rows)
    if entry.kind == "datasets":
        groups = result_or_why(lambda: find_collection(config.dataset, here))[0] if data and data.collection else None
        owners = [result_or_why(partial(datasets.find_row, name))[0] for name in groups.datasets] if groups else [data]
        return any(_holds(entry, owner, here) for owner in owners if owner)
    begun = bool(data) and entry.path.name.startswith(f"{data.name.replace('/', '-')}-")
    if entry.kind == "trajectories":
        return begun and config.method in METHODS and bool(METHODS[config.method].high_loss)
    if entry.kind == "teachers":
        return begun and is_student(config.pretrain.teacher)
    if entry.kind == "features":
        return begun and any(f"-{row.name.replace('/', '-').replace(':', '-')}-" in entry.path.name for row in rows)
    return False


def _can_be_fetched(entry: Entry, here: Places) -> bool:
    if entry.kind == "weights":
        known = any(_belongs(entry, row) and _fetchable(row) for row in backbones.ROWS)
        return known or entry.path.name.startswith(_OPEN_FORMS)
    if entry.kind == "datasets":
        return any(_holds(entry, row, here) and row.can_be_fetched for row in datasets.CATALOG.values())
    return True


def _fetchable(row: BackboneRow) -> bool:
    return not row.gated and not isinstance(row.source, ByHand)


def _belongs(entry: Entry, row: BackboneRow) -> bool:
    return entry.path.stem == Path(row.file).stem


def _holds(entry: Entry, row: datasets.DatasetRow, here: Places) -> bool:
    return any(place.is_relative_to(entry.path) for place in datasets.candidates(row, here.datasets[-1]))


def _chosen(found: Sequence[Entry], names: Iterable[str], kind: str) -> list[Entry]:
    """The entries that the names mean, each once; all where there is no name. Raises `UserError` for others."""
    if not names:
        return list(found)
    chosen: dict[Path, Entry] = {}
    for name in names:
        begins = tuple(f"{name}{mark}" for mark in "-_.:")
        fitting = [one for one in found if one.path.name == name or one.path.name.startswith(begins)]
        if not fitting:
            raise UserError(unknown(name, [one.path.name for one in found], f"entry of {kind}"))
        chosen |= {one.path: one for one in fitting}
    return list(chosen.values())


def _remove(path: Path) -> None:
    """A link goes alone: what it leads to is the user's."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink()


def _entry(kind: str, path: Path) -> Entry:
    files = [path] if path.is_symlink() or path.is_file() else [one for one in path.rglob("*") if one.is_file()]
    facts = [one.lstat() for one in files] or [path.lstat()]
    used = max(max(one.st_atime, one.st_mtime) for one in facts)
    return Entry(kind=kind, path=path, bytes=sum(one.st_size for one in facts), used=used)


def _megabytes(count: int) -> str:
    return f"{count / 2**20:.1f} MB" if count < 2**30 else f"{count / 2**30:.1f} GB"


def _day(stamp: float) -> str:
    days = math.floor((time.time() - stamp) / _DAY)
    return time.strftime("%Y-%m-%d", time.localtime(stamp)) + (f" ({days} days ago)" if days else "")
