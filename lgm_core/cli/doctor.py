"""Is all well here? What is installed, where, with which devices, weights, data and runs, and what to do about it.

>>> doctor([])
ok     python          3.12.3
wrong  timm            1.0.20; requirements.txt asks for 1.0.31
                       -> pip install -r requirements.txt
1
"""

import os
import platform
import shutil
import sys
import tempfile
import threading
import urllib.error
import urllib.request
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Annotated

import tyro

from lgm_core.backbones import catalog as backbones
from lgm_core.base.machine import free_memory, idle_cores
from lgm_core.base.places import PROJECT, VERSION, Places, places
from lgm_core.datasets import catalog as datasets
from lgm_core.jobs.slots import device_slots
from lgm_core.runs.store import RunStore

_OLDEST = (3, 11)  # Python
_LITTLE = 2 * 2**30  # bytes of free disk
_PATIENCE = 4.0  # seconds that the hub has to answer, name service included
_NAMED = 5  # runs named one by one
_NEWEST = 200  # runs that are read for damage, every line of theirs
_NEEDLESS = "development"  # group of requirements.txt that only changes of the program need
_OPTIONAL = "#cluster: "  # what lines of requirements.txt begin with that `make cluster` alone installs


@dataclass(frozen=True, kw_only=True)
class Finding:
    """What was looked at, what was found, and what to do; `wrong`: it has to be mended, else it is worth knowing."""

    what: str
    found: str
    remedy: str = ""
    wrong: bool = False

    def __str__(self) -> str:
        mark = "wrong" if self.wrong else "note" if self.remedy else "ok"
        return f"{mark:6} {self.what:15} {self.found}" + (f"\n{'':22} -> {self.remedy}" if self.remedy else "")


def doctor(arguments: Sequence[str]) -> int:
    """Check packages, devices, folders, weights, data and runs, and say how to fix what is wrong: lgm doctor."""

    def read(
        *, all: Annotated[bool, tyro.conf.arg(help=f"read all runs, not only the newest {_NEWEST}")] = False
    ) -> bool:
        return all

    every = tyro.cli(read, args=list(arguments), prog="lgm doctor", description=doctor.__doc__)
    wrong = 0
    for one in examine(places(), every=every):
        print(one, flush=True)
        wrong += one.wrong
    print(f"{wrong or 'nothing'} {'are' if wrong > 1 else 'is'} wrong")
    return 1 if wrong else 0


def examine(here: Places, *, every: bool = False) -> Iterator[Finding]:
    """All that is looked at, in order; of many runs the newest alone, unless `every`."""
    yield from packages((PROJECT / "requirements.txt").read_text().splitlines())
    yield from _devices()
    yield from _folders(here)
    yield _at_hand("weights", [row.name for row in backbones.ROWS if backbones.status(row, here) == "ready"])
    ready = [row.name for row in datasets.CATALOG.values() if datasets.status(row, here) == "ready"]
    yield _at_hand("data sets", ready)
    yield from _hub()
    yield from _runs(RunStore(here.runs), every)


def packages(required: Sequence[str]) -> Iterator[Finding]:
    """Python, and the packages of which another version is installed than the lines of requirements.txt pin."""
    told = "" if sys.version_info >= _OLDEST else "install Python 3.11 or newer, then: make setup PYTHON=python3.12"
    yield Finding(what="python", found=platform.python_version(), remedy=told, wrong=bool(told))
    group, right = "", 0
    for line in required:
        optional = line.startswith(_OPTIONAL)
        name, pinned, wanted = line.removeprefix(_OPTIONAL).partition("==")
        if not pinned:
            group = line.removeprefix("#").strip() if line.startswith("#") else group
            continue
        found = _version(name)
        if found.split("+")[0] == wanted:  # "2.15.0+cu132" is a build of 2.15.0
            right += 1
            continue
        remedy = f"pip install -r {PROJECT / 'requirements.txt'}, or `make setup`"
        remedy = "`make cluster`, for studies on a cluster" if optional else remedy
        said = f"{found or 'not installed'}; requirements.txt asks for {wanted}"
        yield Finding(what=name, found=said, remedy=remedy, wrong=not optional and group != _NEEDLESS)
    yield Finding(what="packages", found=f"{right} as requirements.txt pins them, lgm_core {VERSION}")


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return ""


def _devices() -> Iterator[Finding]:
    memory = f"{free_memory('cpu') / 2**30:.1f} GB of memory free"
    yield Finding(what="cpu", found=f"{os.cpu_count()} cores, a run would use {idle_cores()} now; {memory}")
    try:
        import torch
    except (ImportError, OSError) as error:
        yield Finding(what="torch", found=f"cannot be loaded ({error})", remedy="`make setup`", wrong=True)
        return
    seen = range(torch.cuda.device_count())
    for index in seen:
        free, total = torch.cuda.mem_get_info(index)
        half = "bfloat16" if torch.cuda.get_device_capability(index) >= (8, 0) else "no fast bfloat16"
        said = f"{torch.cuda.get_device_name(index)}, {free / 2**30:.1f} of {total / 2**30:.1f} GB free, {half}"
        yield Finding(what=f"cuda:{index}", found=said)
    if not seen and device_slots() != ["cpu-0"]:
        remedy = f"install the torch for its driver (here: {torch.__version__}), see https://pytorch.org/get-started"
        yield Finding(what="cuda", found="there is a GPU, but torch cannot use it", remedy=remedy, wrong=True)
    elif not seen:
        said = f"no GPU; the CPU computes with {torch.backends.cpu.get_cpu_capability()}"
        yield Finding(what="cuda", found=f"{said}, bfloat16 where it is measured to be faster")


def _folders(here: Places) -> Iterator[Finding]:
    yield _written_to("cache", here.cache, "LGM_CACHE")
    for what, variable, folders in (
        ("weights", "LGM_WEIGHTS", here.weights), ("data sets", "LGM_DATASETS", here.datasets)
    ):  # fmt: skip
        for folder in folders[:-1]:  # only searched
            remedy = "" if folder.is_dir() else f"create it, or remove it from {variable}"
            said = f"{folder} {'does not exist' if remedy else 'is searched'}"
            yield Finding(what=what, found=said, remedy=remedy, wrong=bool(remedy))
        yield _written_to(what, folders[-1], "LGM_CACHE")


def _written_to(what: str, folder: Path, variable: str) -> Finding:
    """Can files be written there (or where the folder will be made), and is there room?"""
    there = next((path for path in (folder, *folder.parents) if path.exists()), folder)
    try:
        with tempfile.TemporaryFile(dir=there):
            free = shutil.disk_usage(there).free
    except OSError as error:
        remedy = f"make {there} writable, or name another folder: {variable}"
        return Finding(what=what, found=f"{folder} cannot be written to ({error})", remedy=remedy, wrong=True)
    remedy = "" if free >= _LITTLE else f"`lgm cache` shows what can be dropped; or name another folder: {variable}"
    return Finding(what=what, found=f"{folder}, {free / 2**30:.1f} GB free", remedy=remedy, wrong=bool(remedy))


def _at_hand(what: str, names: list[str]) -> Finding:
    remedy = "" if names else f"`lgm list {what.replace(' ', '').replace('weights', 'backbones')}`, `lgm fetch NAME`"
    return Finding(what=what, found=f"{len(names)} available: {', '.join(names) or 'none'}", remedy=remedy)


def _hub() -> Iterator[Finding]:
    """Does the model hub answer? Not asked where its client is told to stay offline; out of reach is no mistake."""
    from huggingface_hub import constants

    if constants.HF_HUB_OFFLINE:
        yield Finding(what="model hub", found="not asked: HF_HUB_OFFLINE is set")
        return
    said = [f"no answer within {_PATIENCE:g} s"]
    asking = threading.Thread(target=lambda: said.insert(0, _answer(constants.ENDPOINT)), daemon=True)
    asking.start()
    asking.join(_PATIENCE)  # a name service may take longer than any time limit of a connection
    remedy = (
        "" if said[0] == "answers" else "weights on this machine work; put others into a folder listed in LGM_WEIGHTS"
    )
    yield Finding(what="model hub", found=f"{constants.ENDPOINT}: {said[0]}", remedy=remedy)


def _answer(address: str) -> str:
    try:
        with urllib.request.urlopen(urllib.request.Request(address, method="HEAD"), timeout=_PATIENCE):
            return "answers"
    except urllib.error.HTTPError:
        return "answers"
    except (OSError, ValueError) as error:
        return f"not reachable ({getattr(error, 'reason', error)})"


def _runs(store: RunStore, every: bool) -> Iterator[Finding]:
    runs = store.runs()
    made_by = Counter(str(run.environment().get("lgm_core", "unknown")) for run in runs)
    versions = ", ".join(f"{count} by version {name}" for name, count in sorted(made_by.items()))
    yield Finding(what="runs", found=f"{len(runs)} in {store.root}" + (f", written {versions}" if versions else ""))
    lost = [run.id for run in runs if run.status().state == "lost"]
    yield from _wrong_runs(lost, "lost their worker", "`lgm retry RUN` continues from the last checkpoint")
    read = runs if every else runs[-_NEWEST:]
    if len(read) < len(runs):
        remedy = "`lgm doctor --all` reads them too"
        yield Finding(what="runs", found=f"the {len(runs) - len(read)} oldest were not read for damage", remedy=remedy)
    damaged = [run.id for run in read if run.problems()]
    yield from _wrong_runs(damaged, "have damaged files", "`lgm show RUN` names the files, and what to do")
    for problem in store.unreadable():
        yield Finding(what="runs", found=problem, remedy="until then the other runs work as usual", wrong=True)


def _wrong_runs(names: Sequence[str], said: str, remedy: str) -> Iterable[Finding]:
    shown = ", ".join(names[:_NAMED]) + (f" and {len(names) - _NAMED} more" if len(names) > _NAMED else "")
    return [Finding(what="runs", found=f"{len(names)} {said}: {shown}", remedy=remedy, wrong=True)] if names else []
