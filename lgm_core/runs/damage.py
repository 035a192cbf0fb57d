"""Which of a run's files are damaged, in sentences for the user; readers leave damaged parts out and go on.

>>> problems_in([run.status_file], [run.metrics_file])
['metrics.jsonl has 2 damaged lines, left out; the others are shown.']
"""

from collections.abc import Iterable
from pathlib import Path
from typing import Any

from lgm_core.base.errors import DamagedFile
from lgm_core.base.files import count_of_lines, read_json, readable_lines
from lgm_core.base.remembered import Remembered
from lgm_core.runs.status import written_status

_REPORT = ("backbone", "top1")  # without these it is no report of an evaluation
_REMEDIES = {
    "status.json": "what the run has computed is there; resume it, which writes its status anew",
    "evals": "move it away and evaluate once more (`lgm evaluate RUN BACKBONE`), or resume a run that is not finished",
    "map.json": "start the run anew to have its map",
    "alignment.json": "start the run anew to have its matrix",
    "notes.json": "it held a note, a star, tags; `lgm note RUN` writes it anew, and keeps the damaged one",
    "choice.json": "the images are whole; start the baseline anew under another name to know which they are",
}


def problems_in(json_files: Iterable[Path], line_files: Iterable[Path]) -> list[str]:
    """A sentence per damaged file, with what to do; [] where all are whole or not there."""
    found = [_WORDS_OF_JSON.of(path) for path in json_files if path.exists()]
    found += [_WORDS_OF_LINES.of(path) for path in line_files if path.exists()]
    return [words for words in found if words]


def read_or_empty(path: Path) -> dict[str, Any]:
    """The object in a JSON file; {} where there is none, or a damaged one, which `problems_in` names."""
    try:
        return read_json(path)
    except DamagedFile:
        return {}


def lines_or_none(path: Path, offset: int = 0) -> list[dict[str, Any]]:
    """The good lines of a file from a byte offset on; [] where there is none, or it cannot be read at all."""
    try:
        return readable_lines(path, offset).good
    except DamagedFile:
        return []


def read_report(path: Path) -> dict[str, Any]:
    """The report of an evaluation. Raises `DamagedFile` where the file is damaged, or is no report."""
    report = read_json(path)
    if lacking := [name for name in _REPORT if name not in report]:
        raise DamagedFile(f"{path} is damaged (no {' and no '.join(lacking)}); move it away, and evaluate once more")
    return report


def reports_in(folder: Path) -> list[dict[str, Any]]:
    """All evaluation reports in a folder, in the order of their file names, without the damaged."""
    found = []
    for path in sorted(folder.glob("*.json")):
        try:
            found.append(read_report(path))
        except DamagedFile:
            continue
    return found


def _words_of_json(path: Path) -> str:
    kind = path.parent.name if path.parent.name == "evals" else path.name
    try:
        {"status.json": written_status, "evals": read_report}.get(kind, read_json)(path)
    except DamagedFile:
        remedy = _REMEDIES.get(kind, "move it away, or copy it back from where it is still whole")
        name = f"evals/{path.name}" if kind == "evals" else path.name
        return f"{name} is damaged and left out: {remedy}."
    return ""


def _words_of_lines(path: Path) -> str:
    name = f"frames/{path.name}" if path.parent.name == "frames" else path.name
    try:
        damaged = readable_lines(path).damaged
    except DamagedFile:
        return f"{name} cannot be read and is left out: check its permissions and the disk."
    return f"{name} has {count_of_lines(damaged)}, left out; the others are shown." if damaged else ""


_WORDS_OF_JSON, _WORDS_OF_LINES = Remembered(_words_of_json), Remembered(_words_of_lines)
