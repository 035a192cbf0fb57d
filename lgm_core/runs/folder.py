"""One run directory: the only module that knows its file names. Reading is here; writing is the recorder's.

A reader needs no lock: files are replaced atomically or only grow, and a half-written last line is left for later.

>>> run = RunStore(places().runs).open("20261120-1432-lgm-scenes-mobilenet_v2-k3f9")
>>> run.status().state, run.metrics()[-1]["loss"]
('finished', 0.0312)
"""

import time
from pathlib import Path
from typing import Any

from lgm_core.base.errors import UserError
from lgm_core.base.files import write_json
from lgm_core.base.locks import is_held
from lgm_core.base.names import LONGEST_FILE_NAME, why_no_name
from lgm_core.base.remembered import Remembered
from lgm_core.config import RunConfig
from lgm_core.datasets.group_files import bare_name, collection_of
from lgm_core.datasets.groups import PREFIX, Collection
from lgm_core.runs.damage import lines_or_none, problems_in, read_or_empty, read_whole, reports_in
from lgm_core.runs.marks import Marks, read_marks
from lgm_core.runs.old_configs import open_config
from lgm_core.runs.status import Status, elsewhere, is_alive, read_status


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
    checkpoint_before = _File("checkpoint.previous.safetensors")
    synthetic = _File("synthetic.safetensors")
    choice = _File("choice.json")
    labels_file = _File("labels.json")
    weights_file = _File("weights.json")
    data_file = _File("data.json")
    groups_file = _File("groups.json")
    evals = _File("evals")
    map_file = _File("map.json")
    map_axes = _File("map.safetensors")
    near_file = _File("neighbours.safetensors")
    trail_file = _File("trail.jsonl")
    details_file = _File("details.jsonl")
    alignment_file = _File("alignment.json")
    images_file = _File("disagreement.safetensors")
    findings_file = _File("findings.json")
    start = _File("start.safetensors")
    marks_file = _File("notes.json")
    log_file = _File("log.txt")
    lock_file = _File("writer.lock")

    def __init__(self, path: Path) -> None:
        self.path = path
        self.id = path.name

    def config(self) -> RunConfig:
        """The run's config in this version's terms. Raises `UserError` where the folder is no run that it can read."""
        return _CONFIGS.of(self.config_file).config

    def notes(self) -> list[str]:
        """The settings in the config that this version does not know or accept, a sentence each."""
        return list(_CONFIGS.of(self.config_file).notes.values())

    def why_not_resumed(self) -> str:
        """Why this version cannot go on with the run, and what to do; "" where it can."""
        return _CONFIGS.of(self.config_file).why_not_resumed(self.id)

    def config_to_work_on(self) -> RunConfig:
        """The config, for whoever goes on with the run. Raises `UserError` where this version cannot."""
        if why := self.why_not_resumed():
            raise UserError(why)
        return self.config()

    def environment(self) -> dict[str, Any]:
        """Versions and machine, as written at the start."""
        return _CONFIGS.of(self.config_file).environment

    def is_example(self) -> bool:
        """Is it the run that comes with the program?"""
        return _CONFIGS.of(self.config_file).is_example

    def weights(self) -> dict[str, dict[str, Any]]:
        """What is recorded of the weights that the run worked with, by network; {} in runs of earlier versions."""
        return read_or_empty(self.weights_file)

    def data(self) -> dict[str, Any]:
        """What is recorded of the images that the run read; {} in runs of earlier versions."""
        return read_or_empty(self.data_file)

    def collection(self, dataset: str = "") -> Collection | None:
        """The run's own copy of the groups that a data set of its consists of, at first its own data set; None where
        that is no collection. Raises `DamagedFile` where the copy cannot be used.
        """
        dataset = dataset or self.config().dataset
        if not dataset.startswith(PREFIX):
            return None
        copies = read_whole(self.groups_file)
        return collection_of(copies.get(dataset, {}), bare_name(dataset)[0], str(self.groups_file))

    def own_labels(self) -> tuple[list[int], list[str]]:
        """The class of each image, and the classes' names, of a run whose images are not equally many of each class,
        class by class; else ([], []).
        """
        found = read_or_empty(self.labels_file)
        return found.get("labels", []), found.get("classes", [])

    def problems(self) -> list[str]:
        """A sentence for each damaged file, with what to do."""
        reports = sorted(self.evals.glob("*.json"))
        gone = sum(not (self.frames / line["file"]).exists() for line in self.frame_list())
        records = [self.status_file, self.choice, self.labels_file, self.weights_file, self.data_file, self.map_file]
        records.append(self.groups_file)
        found = problems_in(
            [*records, self.alignment_file, self.findings_file, self.marks_file, *reports],
            self.line_files(),
            [self.synthetic, self.checkpoint, self.near_file, self.images_file],
        )
        links = [path for path in (self.frames, self.evals, *reports) if path.is_symlink()]
        found += [f"{path.relative_to(self.path)} is a link, which may lead out of the run: left out" for path in links]
        return found + ([f"frames: pictures of its index are missing ({gone}); others are shown."] if gone else [])

    def line_files(self) -> list[Path]:
        """The files that lines are appended to."""
        return [self.metrics_file, self.frame_index, self.trail_file, self.details_file]

    def has_images(self) -> bool:
        """Is there a set of images that can be read: a result, not a frame?"""
        return self.synthetic.exists() and not problems_in(tensor_files=[self.synthetic])

    def status(self) -> Status:
        """The status; "lost" where the run should have a worker, but that is dead or has long said nothing."""
        return read_status(self.status_file, self._is_locked, self._is_awaited)

    def ticket(self) -> Path | None:
        """The run's file in the queue, where it waits there for its turn."""
        return self._ticket(self.status().ticket)

    def _ticket(self, name: str, queue: str = "queue") -> Path | None:
        file = self.path.parent.parent / "slots" / queue / name
        return file if not why_no_name(name, LONGEST_FILE_NAME) and file.is_file() else None

    def _is_awaited(self, name: str) -> bool:
        """Will the run's turn come: is its ticket in the queue, or is a cluster's planner alive that has it?"""
        planned = self._ticket(name, "clusters")
        return self._ticket(name) is not None or (planned is not None and is_alive(planned))

    def marks(self) -> Marks:
        """What a person says of the run: a note, a star, tags; `mark` writes them."""
        return read_marks(self.marks_file)

    def has_writer(self) -> bool:
        """Is a process writing to the run now, on this machine or, by its heartbeat, on another?"""
        return self._is_locked() or bool(elsewhere(self.status()))

    def _is_locked(self) -> bool:
        return is_held(self.lock_file)

    def claims(self) -> list[int]:
        """The numbers of the writers' claims that lie here: of the latest one, and of others for a moment."""
        names = (path.name.split("-")[1].removesuffix(".claim") for path in self.path.glob("writer-*.claim"))
        return sorted(int(name) for name in names if name.isdecimal())

    def claim_file(self, number: int) -> Path:
        """The file by which one writer claims the run; see `runs/lease.py`."""
        return self.path / f"writer-{number}.claim"

    def metrics(self, offset: int = 0) -> list[dict[str, Any]]:
        """Lines of metrics from a byte offset on; see `readable_lines` for the offset to go on from."""
        return lines_or_none(self.metrics_file, offset)

    def trail(self, offset: int = 0) -> list[dict[str, Any]]:
        """Where the synthetic images lay on the run's map, a line per frame, from a byte offset on."""
        return lines_or_none(self.trail_file, offset)

    def details(self, offset: int = 0) -> list[dict[str, Any]]:
        """What a method reports of its steps besides the metrics, a line per frame, from a byte offset on."""
        return lines_or_none(self.details_file, offset)

    def map(self) -> dict[str, Any]:
        """The real images of the run's map; {} without one."""
        return read_or_empty(self.map_file)

    def alignment(self) -> dict[str, Any]:
        """What an align run has found so far; {} before its start."""
        return read_or_empty(self.alignment_file)

    def findings(self) -> dict[str, Any]:
        """What an instrument has found so far; {} before its start."""
        return read_or_empty(self.findings_file)

    def frame_list(self) -> list[dict[str, Any]]:
        """Frames that exist: step, file, columns, rows, side in pixels."""
        return [] if self.frames.is_symlink() else lines_or_none(self.frame_index)

    def eval_reports(self) -> list[dict[str, Any]]:
        """All evaluation reports in this run, in the order of their file names."""
        return reports_in(self.evals)

    def log_tail(self, lines: int = 20) -> str:
        """The last lines of the worker's log."""
        if not self.log_file.is_file():
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


_CONFIGS = Remembered(open_config, most=4096)
