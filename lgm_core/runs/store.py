"""The run directory: the only module that knows its file names. Reading is here; writing is the recorder's.

A reader needs no lock: files are replaced atomically or only grow, and a half-written last line is left for later.

>>> store = RunStore(places().runs)
>>> run = store.open("20261120-1432-lgm-scenes-mobilenet_v2-k3f9")
>>> run.status().state, run.metrics()[-1]["loss"]
('finished', 0.0312)
"""

import os
import secrets
import time
from dataclasses import asdict
from pathlib import Path
from typing import Any

from lgm_core.base.errors import UserError
from lgm_core.base.files import read_json, read_lines, write_json
from lgm_core.base.knobs import from_dict, to_dict
from lgm_core.base.locks import is_held
from lgm_core.base.names import file_name, unknown
from lgm_core.config import RunConfig, renamed
from lgm_core.evaluation.protocol import setting_of
from lgm_core.methods.catalog import method_of
from lgm_core.runs.status import HEARTBEAT_SECONDS, LOST_AFTER_SECONDS, STATES, Status, read_status

__all__ = [
    "HEARTBEAT_SECONDS", "LOST_AFTER_SECONDS", "STATES", "RunFolder", "RunStore", "Status", "differences", "identity",
    "read_json", "read_lines", "run_id", "write_json",
]  # fmt: skip


class RunFolder:
    """One run directory, for reading."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.id = path.name
        self.config_file = path / "config.json"
        self.status_file = path / "status.json"
        self.control_file = path / "control.json"
        self.metrics_file = path / "metrics.jsonl"
        self.frames = path / "frames"
        self.frame_index = path / "frames" / "index.jsonl"
        self.checkpoint = path / "checkpoint.safetensors"
        self.synthetic = path / "synthetic.safetensors"
        self.choice = path / "choice.json"
        self.evals = path / "evals"
        self.map_file = path / "map.json"
        self.map_axes = path / "map.safetensors"
        self.near_file = path / "neighbours.safetensors"
        self.trail_file = path / "trail.jsonl"
        self.details_file = path / "details.jsonl"
        self.alignment_file = path / "alignment.json"
        self.start = path / "start.safetensors"
        self.log_file = path / "log.txt"
        self.lock_file = path / "writer.lock"

    def config(self) -> RunConfig:
        """The run's config; missing keys take today's defaults."""
        return from_dict(RunConfig, renamed(self._config_json()["config"]))

    def environment(self) -> dict[str, Any]:
        """Versions and machine, as written at the start."""
        return self._config_json()["environment"]

    def status(self) -> Status:
        """The status; "lost" where the run should have a worker, but that is dead or has long said nothing."""
        return read_status(self.status_file, self.has_writer)

    def has_writer(self) -> bool:
        """Is a process of this machine writing to the run now?"""
        return is_held(self.lock_file)

    def metrics(self, offset: int = 0) -> list[dict[str, Any]]:
        """Lines of metrics from a byte offset on; see `read_lines` for the offset to go on from."""
        return read_lines(self.metrics_file, offset)[0]

    def trail(self, offset: int = 0) -> list[dict[str, Any]]:
        """Where the synthetic images lay on the run's map, a line per frame, from a byte offset on."""
        return read_lines(self.trail_file, offset)[0]

    def details(self, offset: int = 0) -> list[dict[str, Any]]:
        """What a method says of its steps beside the metrics, a line per frame, from a byte offset on."""
        return read_lines(self.details_file, offset)[0]

    def map(self) -> dict[str, Any]:
        """The real images of the run's map; {} without one."""
        return read_json(self.map_file)

    def alignment(self) -> dict[str, Any]:
        """What an align run has found so far; {} before its start."""
        return read_json(self.alignment_file)

    def frame_list(self) -> list[dict[str, Any]]:
        """Frames that exist: step, file, columns, rows, side in pixels."""
        return read_lines(self.frame_index)[0]

    def eval_reports(self) -> list[dict[str, Any]]:
        """All evaluation reports in this run, in the order of their file names."""
        return [report for path in sorted(self.evals.glob("*.json")) if (report := read_json(path))]

    def log_tail(self, lines: int = 20) -> str:
        """The last lines of the worker's log."""
        if not self.log_file.exists():
            return ""
        with self.log_file.open("rb") as file:
            file.seek(0, os.SEEK_END)
            file.seek(max(file.tell() - 64 * 1024, 0))
            return "\n".join(file.read().decode(errors="replace").splitlines()[-lines:])

    def ask(self, wish: str) -> None:
        """Ask the writer for "pause", "stop" or, taking either back, "resume"."""
        if wish not in ("pause", "stop", "resume"):
            raise ValueError(f"a run can be asked to pause, stop or resume, not to {wish!r}")
        write_json(self.control_file, {"wish": wish, "time": time.time()})

    def wish(self) -> str:
        """What the writer was asked for last: "pause", "stop", "resume", or ""."""
        return read_json(self.control_file).get("wish", "")

    def _config_json(self) -> dict[str, Any]:
        found = read_json(self.config_file)
        if not found:
            raise UserError(
                f"{self.config_file} is missing or not readable: {self.path} is not a run; delete the folder"
            )
        return found


class RunStore:
    """All runs in one folder."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def runs(self) -> list[RunFolder]:
        """All runs, oldest first. A folder without a config is not a run."""
        if not self.root.exists():
            return []
        found = [RunFolder(path) for path in self.root.iterdir() if (path / "config.json").exists()]
        return sorted(found, key=lambda run: (run.config_file.stat().st_mtime_ns, run.id))

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
        for run in reversed(self.runs()):
            if identity(run.config()) == identity(config):
                return run
        return None

    def evaluations(self, source: str) -> list[RunFolder]:
        """The evaluate runs that judge the images of a run, oldest first."""
        return [run for run in self.runs() if (config := run.config()).kind == "evaluate" and config.source == source]

    def study(self, study: str) -> list[RunFolder]:
        """The runs of a study, oldest first."""
        return [run for run in self.runs() if run.config().study == study]


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
    a, b = _flat(to_dict(left)), _flat(to_dict(right))
    return [f"{key}: {a[key]} / {b[key]}" for key in a if a[key] != b[key]]


def _flat(values: dict[str, Any], prefix: str = "") -> dict[str, Any]:
    flat: dict[str, Any] = {}
    for key, value in values.items():
        flat |= _flat(value, f"{prefix}{key}.") if isinstance(value, dict) else {f"{prefix}{key}": value}
    return flat
