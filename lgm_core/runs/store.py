"""All runs in one folder: found, listed, made.

>>> store = RunStore(places().runs)
>>> store.open("demo-lgm").id, [run.id for run in store.named("demo")][:2]
('demo-lgm-mobilenet_v2-s0', ['demo-lgm-mobilenet_v2-s0', 'demo-random-s0'])
"""

import errno
import os
import platform
import secrets
import shutil
import threading
import time
from dataclasses import asdict
from pathlib import Path
from typing import Any

from lgm_core.analysis.catalog import OF_SETS
from lgm_core.base.errors import UserError
from lgm_core.base.files import to_disk, write_json
from lgm_core.base.knobs import to_dict
from lgm_core.base.names import LONGEST_FILE_NAME, LONGEST_NAME, file_name, unknown, why_no_name
from lgm_core.config import RunConfig
from lgm_core.runs.folder import RunFolder
from lgm_core.runs.identity import identity
from lgm_core.runs.index import Facts, Index, digest_of
from lgm_core.runs.status import Status


class RunStore:
    """All runs in one folder."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self._index = Index(root, identity)

    def runs(self) -> list[RunFolder]:
        """All runs that this version can read, oldest first. A folder without a config is not a run."""
        return [run for run, _ in self.listed()]

    def listed(self) -> list[tuple[RunFolder, Facts]]:
        """The same, each with its config in short. The example that comes with the program is none of them."""
        return [(run, facts) for run, facts in self._all() if not facts.example]

    def shown(self) -> list[tuple[RunFolder, Facts]]:
        """`listed`, for whoever looks: while there is no run, the example (`example`)."""
        found = self._all()
        return [(run, facts) for run, facts in found if not facts.example] or found

    def _all(self) -> list[tuple[RunFolder, Facts]]:
        return [(RunFolder(self.root / entry.id), entry.facts) for entry in self._index.entries() if entry.facts]

    def unreadable(self) -> list[str]:
        """Why a folder with a config is none of `runs`, a sentence each."""
        return [entry.problem for entry in self._index.entries() if entry.problem]

    def facts(self, name: str) -> Facts:
        """A run's config in short, as the last listing found it. Raises `UserError` where it cannot be read."""
        entry = self._index.entry(name)
        if entry is None or entry.facts is None:
            raise UserError(entry.problem if entry else f"there is no run {name!r} in {self.root}")
        return entry.facts

    def open(self, name: str) -> RunFolder:
        """The run with this id, or the only one whose id begins so. Raises `UserError` for none, and for several."""
        if run := self._whole(name):
            return run
        runs = self.runs()
        near = [run for run in runs if name and run.id.startswith(name)]
        if len(near) == 1:
            return near[0]
        if near:
            shown = ", ".join(run.id for run in near[:4]) + (f" and {len(near) - 4} more" if len(near) > 4 else "")
            raise UserError(f"{name!r} begins the names of {len(near)} runs; give one of them: {shown}")
        if not runs:
            raise UserError(f"there are no runs in {self.root} yet, so no {name!r}; `lgm distill` makes one")
        raise UserError(unknown(name, [run.id for run in runs], "run"))

    def named(self, name: str) -> list[RunFolder]:
        """The runs that a name means to what acts on a whole study, too: all of that study, or as `open`."""
        return (not self._whole(name) and self.study(name)) or [self.open(name)]

    def _whole(self, name: str) -> RunFolder | None:
        run = RunFolder(self.root / name)
        return run if not why_no_name(name, LONGEST_FILE_NAME) and run.config_file.exists() else None

    def create(self, config: RunConfig, environment: dict[str, Any], groups: dict[str, Any] | None = None) -> RunFolder:
        """A new run directory with its config, which appears whole or not at all. With a name, the name is the id.

        `groups`: the collections that its data sets consist of, by data set, as `Collection.values` has them.
        Raises `UserError` where something else lies under that name.
        """
        run = RunFolder(self.root / (config.name or run_id(config)))
        new = RunFolder(self.root / f".{run.id}.{os.getpid()}-{threading.get_native_id()}.new")
        new.path.mkdir(parents=True)
        try:
            steps = config.steps if config.kind == "distill" else 0
            write_json(new.status_file, asdict(Status(steps=steps, pid=os.getpid(), host=platform.node())))
            if groups:
                write_json(new.groups_file, groups, indent=None, sealed=True)
            write_json(new.config_file, {"config": to_dict(config), "environment": environment}, sealed=True)
            new.path.rename(run.path)  # also over an empty folder
            to_disk(self.root)
        except OSError as error:
            shutil.rmtree(new.path, ignore_errors=True)
            if error.errno not in (errno.ENOTEMPTY, errno.EEXIST, errno.ENOTDIR):
                raise
            raise UserError(
                f"{run.path} exists, but is not the run of this command; move it away, or use another --name"
            ) from None
        return run

    def same(self, config: RunConfig) -> RunFolder | None:
        """The newest run with this very config (or this name): the one that the same command means again."""
        if config.name:
            run = RunFolder(self.root / config.name)
            return run if run.config_file.exists() else None
        digest = digest_of(identity(config))
        return next((run for run, facts in reversed(self.listed()) if facts.digest == digest), None)

    def evaluations(self, source: str) -> list[RunFolder]:
        """The evaluate runs that judge the images of a run, oldest first."""
        return [run for run, facts in self.listed() if (facts.kind, facts.source) == ("evaluate", source)]

    def looking_at(self, source: str) -> list[RunFolder]:
        """The runs that judge the images of a run, or look at them with an instrument, oldest first."""
        return [run for run, its in self.listed() if its.kind in ("evaluate", *OF_SETS) and its.source == source]

    def study(self, study: str) -> list[RunFolder]:
        """The runs of a study, and those of any that evaluate their images, oldest first."""
        listed = self.listed()
        own = {run.id for run, facts in listed if facts.study == study}
        return [run for run, facts in listed if run.id in own or (facts.kind == "evaluate" and facts.source in own)]


def run_id(config: RunConfig) -> str:
    """Date, time, what, data set, backbone, four random letters: readable, sortable, unique."""
    what = (
        config.baseline.choice
        if config.kind == "baseline"
        else config.method
        if config.kind == "distill"
        else config.kind
    )
    looks = config.kind in ("evaluate", "align", *OF_SETS)  # with these networks, not with the one that made a set
    networks = "+".join(config.evaluate_on) if looks else config.backbone
    plain = file_name(f"{what}-{config.dataset}-{networks}")[:80]
    while len(plain.encode()) > LONGEST_NAME - 20:  # letters of other alphabets have up to four bytes
        plain = plain[:-1]
    return f"{time.strftime('%Y%m%d-%H%M')}-{plain}-{secrets.token_hex(2)}"
