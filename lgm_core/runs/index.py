"""What lists need to know of all runs, without reading ten thousand configs: a cache, rebuilt from the folders.

The index lies beside the runs (`cache/index/runs.json`), may be deleted at any time, and is rebuilt by a version
with other settings. Within a process it is kept in memory: a second listing costs a scandir and a stat per run.

>>> entries = Index(root, identity).entries()  # oldest first
>>> entries[0].id, entries[0].facts.dataset
('demo-lgm-mobilenet_v2-s0', 'scenes')
"""

import hashlib
import json
import os
import threading
from collections.abc import Callable
from dataclasses import MISSING, asdict, dataclass, fields, is_dataclass
from pathlib import Path
from typing import Any, get_args, get_type_hints

from lgm_core.backbones.catalog import ALIASES
from lgm_core.base.errors import DamagedFile, UserError
from lgm_core.base.files import read_json, write_json
from lgm_core.base.places import VERSION
from lgm_core.base.settings import Kind
from lgm_core.config import RENAMED, RunConfig
from lgm_core.methods.catalog import METHODS
from lgm_core.runs.old_configs import open_config

Identity = Callable[[RunConfig], dict[str, Any]]


@dataclass(frozen=True, kw_only=True)
class Facts:
    """A config in short. `digest`: of what makes two runs the same; "" where this version cannot tell."""

    kind: str
    dataset: str
    backbone: str
    method: str
    preset: str
    study: str
    name: str
    source: str
    sources: tuple[str, ...]
    evaluate_on: tuple[str, ...]
    seed: int
    steps: int
    images_per_class: int
    choice: str  # a baseline's choice: random, centroids, neighbours or full; "" for other runs
    digest: str
    example: bool  # the one that comes with the program


@dataclass(frozen=True, kw_only=True)
class Entry:
    """A folder with a config.json. `stamp`: its mtime in ns, its size; `facts`: None where `problem` says why."""

    id: str
    stamp: tuple[int, int]
    facts: Facts | None
    problem: str = ""


class Index:
    """The entries of one folder of runs. `identity` tells what makes two runs the same."""

    def __init__(self, root: Path, identity: Identity) -> None:
        self.root, self.file = root, root.parent / "index" / f"{root.name}.json"
        self._identity = identity

    def entries(self) -> list[Entry]:
        """One per folder with a config, oldest first, as the folders are now."""
        with _LOCK:
            known = _MEMORY.get(str(self.root))
            if known is None:
                known = self._from_file()
            now = {name: self._entry(name, stamp, known.get(name)) for name, stamp in self._stamps().items()}
            if now != known:
                now = dict(sorted(now.items(), key=lambda item: (item[1].stamp[0], item[0])))
                self._to_file(now)
            else:
                now = known
            _MEMORY[str(self.root)] = now
            return list(now.values())

    def entry(self, name: str) -> Entry | None:
        """One run's entry as the last listing of this process found it; looked up anew where that had none."""
        found = _MEMORY.get(str(self.root), {}).get(name)
        return found or next((entry for entry in self.entries() if entry.id == name), None)

    def _stamps(self) -> dict[str, tuple[int, int]]:
        """The modification time and size of the config in each folder that has one."""
        found = {}
        try:
            names = [entry.name for entry in os.scandir(self.root) if not entry.name.startswith(".")]  # being made
        except OSError:
            return {}
        for name in names:
            try:
                config = os.stat(f"{self.root}/{name}/config.json")  # noqa: PTH116 (ten thousand)
            except OSError:
                continue  # a folder that is no run, or is just being made
            found[name] = (config.st_mtime_ns, config.st_size)
        return found

    def _entry(self, name: str, stamp: tuple[int, int], known: Entry | None) -> Entry:
        if known is not None and known.stamp == stamp and known.facts is not None:
            return known  # what could not be read is tried again: the disk or the permissions may have been at fault
        try:
            facts = facts_of(self.root / name / "config.json", self._identity)
            return Entry(id=name, stamp=stamp, facts=facts)
        except UserError as error:
            return Entry(id=name, stamp=stamp, facts=None, problem=str(error))

    def _from_file(self) -> dict[str, Entry]:
        """What the file says; {} where there is none, a damaged one, or that of a version with other settings."""
        try:
            found = read_json(self.file)
            if found.get("made_by") != fingerprint(self._identity):
                return {}
            return {name: _from_plain(name, values) for name, values in found["runs"].items()}
        except (DamagedFile, KeyError, TypeError, ValueError, AttributeError):
            return {}

    def _to_file(self, entries: dict[str, Entry]) -> None:
        """Write the index; where the folder is read-only, the entries are only kept in memory."""
        plain = {entry.id: _to_plain(entry) for entry in entries.values()}
        try:
            self.file.parent.mkdir(exist_ok=True)
            write_json(self.file, {"made_by": fingerprint(self._identity), "runs": plain}, indent=None)
        except OSError:
            return


def facts_of(config_file: Path, identity: Identity) -> Facts:
    """A config.json in short. Raises `UserError` where it is no run's."""
    found = open_config(config_file)
    config = found.config
    values = {f.name: getattr(config, f.name) for f in fields(Facts) if f.name not in ("choice", "digest", "example")}
    digest = "" if found.why_not_resumed("") else digest_of(identity(config))
    choice = config.baseline.choice if config.kind == "baseline" else ""
    return Facts(**values, choice=choice, digest=digest, example=found.is_example)


def digest_of(values: Any) -> str:
    """A short text that is equal for equal plain values."""
    return hashlib.sha256(json.dumps(values, sort_keys=True).encode()).hexdigest()[:24]


def fingerprint(identity: Identity) -> str:
    """A text that changes whenever a version reads configs, or tells runs apart, in another way."""
    same = [identity(RunConfig(kind=kind, method=method)) for kind in get_args(Kind) for method in METHODS]
    return digest_of([VERSION, _schema(RunConfig), RENAMED, dict(ALIASES), same, [f.name for f in fields(Facts)]])


def _schema(cls: type) -> dict[str, Any]:
    hints = get_type_hints(cls)
    return {
        f.name: _schema(hints[f.name])
        if is_dataclass(hints[f.name])
        else [str(hints[f.name]), repr(f.default is not MISSING and f.default), repr(sorted(f.metadata.items()))]
        for f in fields(cls)
    }


def _to_plain(entry: Entry) -> dict[str, Any]:
    said = {"facts": asdict(entry.facts)} if entry.facts else {"problem": entry.problem}
    return {"stamp": entry.stamp, **said}


def _from_plain(name: str, values: dict[str, Any]) -> Entry:
    mtime, size = values["stamp"]
    plain = values.get("facts")
    if plain is None:
        return Entry(id=name, stamp=(mtime, size), facts=None, problem=values["problem"])
    lists = {"sources": tuple(plain["sources"]), "evaluate_on": tuple(plain["evaluate_on"])}
    return Entry(id=name, stamp=(mtime, size), facts=Facts(**plain | lists))


_LOCK = threading.Lock()
_MEMORY: dict[str, dict[str, Entry]] = {}  # by folder of runs; one per folder that this process has listed
