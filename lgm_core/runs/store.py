"""The run directory: the only module that knows its file names. Reading is here; writing is the recorder's.

A reader needs no lock: files are replaced atomically or only grow, and a half-written last line is left for later.

>>> store = RunStore(places().runs)
>>> run = store.open("20261120-1432-lgm-scenes-mobilenet_v2-k3f9")
>>> run.status().state, run.metrics()[-1]["loss"]
('finished', 0.0312)
"""

import secrets
import time
from dataclasses import asdict
from pathlib import Path
from typing import Any

from lgm_core.base.errors import UserError
from lgm_core.base.files import read_json, read_lines, write_json
from lgm_core.base.knobs import flat, to_dict
from lgm_core.base.locks import is_held
from lgm_core.base.names import file_name, unknown
from lgm_core.config import RunConfig
from lgm_core.evaluation.protocol import setting_of
from lgm_core.methods.catalog import method_of
from lgm_core.runs.damage import lines_or_none, problems_in, read_or_empty, reports_in
from lgm_core.runs.index import Facts, Index, digest_of
from lgm_core.runs.old_configs import open_config
from lgm_core.runs.status import HEARTBEAT_SECONDS, LOST_AFTER_SECONDS, STATES, Status, read_status

__all__ = [
    "HEARTBEAT_SECONDS", "LOST_AFTER_SECONDS", "STATES", "Facts", "RunFolder", "RunStore", "Status", "differences",
    "identity", "read_json", "read_lines", "run_id", "write_json",
]  # fmt: skip


class _File:
    """A path inside a run's folder, joined when it is asked for: a list of ten thousand runs needs few of them."""

    def __init__(self, *parts: str) -> None:
        self._parts = parts

    def __get__(self, run: "RunFolder", owner: type | None = None) -> Path:
        return run.path.joinpath(*self._parts)


class RunFolder:
    """One run directory, for reading. What is damaged is left out; `problems` names it."""

    config_file = _File("config.json")
    status_file = _File("status.json")
    control_file = _File("control.json")
    metrics_file = _File("metrics.jsonl")
    frames = _File("frames")
    frame_index = _File("frames", "index.jsonl")
    checkpoint = _File("checkpoint.safetensors")
    synthetic = _File("synthetic.safetensors")
    choice = _File("choice.json")
    evals = _File("evals")
    map_file = _File("map.json")
    map_axes = _File("map.safetensors")
    near_file = _File("neighbours.safetensors")
    trail_file = _File("trail.jsonl")
    details_file = _File("details.jsonl")
    alignment_file = _File("alignment.json")
    start = _File("start.safetensors")
    log_file = _File("log.txt")
    lock_file = _File("writer.lock")

    def __init__(self, path: Path) -> None:
        self.path = path
        self.id = path.name

    def config(self) -> RunConfig:
        """The run's config in this version's terms. Raises `UserError` where the folder is no run that it can read."""
        return open_config(self.config_file).config

    def notes(self) -> list[str]:
        """What of the config this version does not know or accept, a sentence each."""
        return list(open_config(self.config_file).notes.values())

    def why_not_resumed(self) -> str:
        """Why this version cannot go on with the run, and what to do; "" where it can."""
        return open_config(self.config_file).why_not_resumed(self.id)

    def config_to_work_on(self) -> RunConfig:
        """The config, for whoever goes on with the run. Raises `UserError` where this version cannot."""
        if why := self.why_not_resumed():
            raise UserError(why)
        return self.config()

    def environment(self) -> dict[str, Any]:
        """Versions and machine, as written at the start."""
        return open_config(self.config_file).environment

    def problems(self) -> list[str]:
        """A sentence for each damaged file, with what to do."""
        reports = sorted(self.evals.glob("*.json"))
        return problems_in(
            [self.status_file, self.choice, self.map_file, self.alignment_file, *reports],
            [self.metrics_file, self.frame_index, self.trail_file, self.details_file],
        )

    def status(self) -> Status:
        """The status; "lost" where the run should have a worker, but that is dead or has long said nothing."""
        return read_status(self.status_file, self.has_writer)

    def has_writer(self) -> bool:
        """Is a process of this machine writing to the run now?"""
        return is_held(self.lock_file)

    def metrics(self, offset: int = 0) -> list[dict[str, Any]]:
        """Lines of metrics from a byte offset on; see `read_lines` for the offset to go on from."""
        return lines_or_none(self.metrics_file, offset)

    def trail(self, offset: int = 0) -> list[dict[str, Any]]:
        """Where the synthetic images lay on the run's map, a line per frame, from a byte offset on."""
        return lines_or_none(self.trail_file, offset)

    def details(self, offset: int = 0) -> list[dict[str, Any]]:
        """What a method says of its steps beside the metrics, a line per frame, from a byte offset on."""
        return lines_or_none(self.details_file, offset)

    def map(self) -> dict[str, Any]:
        """The real images of the run's map; {} without one."""
        return read_or_empty(self.map_file)

    def alignment(self) -> dict[str, Any]:
        """What an align run has found so far; {} before its start."""
        return read_or_empty(self.alignment_file)

    def frame_list(self) -> list[dict[str, Any]]:
        """Frames that exist: step, file, columns, rows, side in pixels."""
        return lines_or_none(self.frame_index)

    def eval_reports(self) -> list[dict[str, Any]]:
        """All evaluation reports in this run, in the order of their file names."""
        return reports_in(self.evals)

    def log_tail(self, lines: int = 20) -> str:
        """The last lines of the worker's log."""
        if not self.log_file.exists():
            return ""
        with self.log_file.open("rb") as file:
            file.seek(max(self.log_file.stat().st_size - 64 * 1024, 0))
            return "\n".join(file.read().decode(errors="replace").splitlines()[-lines:])

    def ask(self, wish: str) -> None:
        """Ask the writer for "pause", "stop" or, taking either back, "resume"."""
        if wish not in ("pause", "stop", "resume"):
            raise ValueError(f"a run can be asked to pause, stop or resume, not to {wish!r}")
        write_json(self.control_file, {"wish": wish, "time": time.time()})

    def wish(self) -> str:
        """What the writer was asked for last: "pause", "stop", "resume", or ""."""
        return str(read_or_empty(self.control_file).get("wish", ""))


class RunStore:
    """All runs in one folder."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self._index = Index(root, identity)

    def runs(self) -> list[RunFolder]:
        """All runs that this version can read, oldest first. A folder without a config is not a run."""
        return [run for run, _ in self.listed()]

    def listed(self) -> list[tuple[RunFolder, Facts]]:
        """The same, each with its config in short."""
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
        """The run of this id, or whose id begins or whose name is so; the newest where several do."""
        run = RunFolder(self.root / name)
        if "/" not in name and run.config_file.exists():
            return run
        runs = self.runs()
        near = [run for run in runs if name and run.id.startswith(name)]
        if near:
            return near[-1]
        if not runs:
            raise UserError(f"there is no run in {self.root} yet, so not {name!r} either; `lgm distill` makes one")
        raise UserError(unknown(name, [run.id for run in runs], "run"))

    def create(self, config: RunConfig, environment: dict[str, Any]) -> RunFolder:
        """A new run directory with its config. With a name, the name is the id."""
        run = RunFolder(self.root / (config.name or run_id(config)))
        run.path.mkdir(parents=True, exist_ok=False)
        write_json(run.status_file, asdict(Status(steps=config.steps if config.kind == "distill" else 0)))
        write_json(run.config_file, {"config": to_dict(config), "environment": environment})
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

    def study(self, study: str) -> list[RunFolder]:
        """The runs of a study, oldest first."""
        return [run for run, facts in self.listed() if facts.study == study]


def run_id(config: RunConfig) -> str:
    """Date, time, what, data set, backbone, four random letters: readable, sortable, unique."""
    what = (
        config.baseline.choice
        if config.kind == "baseline"
        else config.method
        if config.kind == "distill"
        else config.kind
    )
    plain = file_name(f"{what}-{config.dataset}-{config.backbone}")
    return f"{time.strftime('%Y%m%d-%H%M')}-{plain[:80]}-{secrets.token_hex(2)}"


def identity(config: RunConfig) -> dict[str, Any]:
    """The config without what does not change the result; for a set of images, also without what only judges it."""
    values = to_dict(config)
    for name in ("name", "study", "record", "live"):
        del values[name]
    if config.kind == "distill" or (config.kind == "baseline" and config.baseline.choice != "full"):
        for name in ("evaluate_on", "protocol", "probe", "scratch"):
            del values[name]
        del values["data"]["test_per_class"]
    if config.kind == "distill":
        values |= {name: setting_of(config, name) for name in method_of(config).distils_by}
    if config.kind == "embed":  # elsewhere the list is what the run is about
        del values["evaluate_on"]
    return values


def differences(left: RunConfig, right: RunConfig) -> list[str]:
    """One line per setting that differs, such as "lgm.views: 3 / 10"."""
    a, b = flat(to_dict(left)), flat(to_dict(right))
    return [f"{key}: {a[key]} / {b[key]}" for key in a if a[key] != b[key]]
