"""Which of a run's files are damaged, in sentences for the user; readers leave damaged parts out and go on.

>>> problems_in([run.status_file], [run.metrics_file])
['metrics.jsonl has 2 damaged lines, left out; the others are shown.']
"""

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from safetensors import SafetensorError, safe_open

from lgm_core.base.errors import DamagedFile
from lgm_core.base.files import Lines, count_of_lines, read_json, readable_lines, set_aside
from lgm_core.base.remembered import Remembered
from lgm_core.base.seals import require_whole
from lgm_core.runs.shapes import what_misfits
from lgm_core.runs.status import written_status

_REMEDIES = {
    "status.json": "its results are intact; resume the run to rewrite its status",
    "evals": "move it away and evaluate again (`lgm evaluate RUN BACKBONE`), or resume an unfinished run",
    "map.json": "start the run again to get its map",
    "alignment.json": "start the run again to get its matrix",
    "disagreement.safetensors": "start the run again to see where the backbones disagree",
    "findings.json": "start the run again to get its findings",
    "weights.json": "resume or evaluate the run again to record the current weights",
    "data.json": "resume or evaluate the run again to record the current data",
    "synthetic.safetensors": "restore an intact copy, or start the run again under another name",
    "checkpoint.safetensors": "resume the run, which uses the previous checkpoint and keeps the damaged one",
    "neighbours.safetensors": "start the run again to get its neighbours",
    "groups.json": "restore an intact copy; without it the run cannot open its data",
    "notes.json": "it held a note, a star, tags; `lgm note RUN` rewrites it and keeps the damaged one",
    "labels.json": "resume the run to rewrite it; until then its images are shown without their classes",
    "choice.json": "the images are intact; start the baseline again under another name to know which they are",
}


def problems_in(
    json_files: Iterable[Path] = (), line_files: Iterable[Path] = (), tensor_files: Iterable[Path] = ()
) -> list[str]:
    """A sentence per damaged file, with what to do; [] where all are whole or not there."""
    kinds = (_WORDS_OF_JSON, json_files), (_WORDS_OF_LINES, line_files), (_WORDS_OF_TENSORS, tensor_files)
    found = [words.of(path) for words, files in kinds for path in files if path.exists()]
    return [words for words in found if words]


def read_or_empty(path: Path) -> dict[str, Any]:
    """The object in a JSON file; {} where there is none, or a damaged one, which `problems_in` names."""
    try:
        return read_whole(path)
    except DamagedFile:
        return {}


def good_lines(path: Path, offset: int = 0) -> Lines:
    """As `readable_lines`, without the lines that lack what they are read for."""
    found = readable_lines(path, offset)
    good = [line for line in found.good if not what_misfits(path, line)]
    return Lines(good, found.end, found.damaged + len(found.good) - len(good))


def lines_or_none(path: Path, offset: int = 0) -> list[dict[str, Any]]:
    """The good lines of a file from a byte offset on; [] where there is none, or it cannot be read at all."""
    try:
        return good_lines(path, offset).good
    except DamagedFile:
        return []


def read_whole(path: Path) -> dict[str, Any]:
    """The object in a JSON file; {} where there is none. Raises `DamagedFile` where it lacks what it is read for."""
    values = read_json(path)
    if (values or path.exists()) and (found := what_misfits(path, values)):
        raise DamagedFile(f"{path} is damaged ({found})")
    return values


def set_aside_unusable(path: Path) -> str:
    """Call before replacing a JSON file: if the old one is damaged, it is renamed; a sentence that says so, else ""."""
    try:
        read_whole(path)
    except DamagedFile:
        return set_aside(path)
    return ""


def set_aside_broken(path: Path) -> str:
    """The same for a file of tensors, which may be missing."""
    try:
        if path.exists():
            require_whole(path)
    except DamagedFile:
        return set_aside(path)
    return ""


def reports_in(folder: Path) -> list[dict[str, Any]]:
    """All evaluation reports in a folder, in the order of their file names, without the damaged, and without links."""
    found = []
    for path in sorted(folder.glob("*.json")) if not folder.is_symlink() else ():
        if path.is_symlink():
            continue
        try:
            found.append(read_whole(path))
        except DamagedFile:
            continue
    return found


def _words_of_json(path: Path) -> str:
    kind = path.parent.name if path.parent.name == "evals" else path.name
    try:
        (written_status if kind == "status.json" else read_whole)(path)
    except DamagedFile:
        remedy = _REMEDIES.get(kind, "move it away, or restore an intact copy")
        name = f"evals/{path.name}" if kind == "evals" else path.name
        return f"{name} is damaged and left out: {remedy}."
    return ""


def _words_of_lines(path: Path) -> str:
    name = f"frames/{path.name}" if path.parent.name == "frames" else path.name
    try:
        damaged = good_lines(path).damaged
    except DamagedFile:
        return f"{name} cannot be read and is left out: check its permissions and the disk."
    return f"{name} has {count_of_lines(damaged)}, left out; the others are shown." if damaged else ""


def _words_of_tensors(path: Path) -> str:
    try:
        require_whole(path)
        with safe_open(path, framework="numpy") as file:
            if _TENSORS.get(path.name, lambda file: True)(file):
                return ""
    except (DamagedFile, OSError, SafetensorError):
        pass
    return f"{path.name} is damaged and left out: {_REMEDIES[path.name]}."


def _is_a_set(file: Any) -> bool:
    """Are there images [N, 3, R, R] as floats, and labels [N] as whole numbers, -1 where the class is not known?"""
    images, labels = file.get_slice("images"), file.get_slice("labels")
    shape = images.get_shape()
    fits = len(shape) == 4 and shape[1] == 3 and shape[2] == shape[3] and labels.get_shape() == shape[:1]
    kinds = images.get_dtype().startswith("F") and labels.get_dtype()[0] in "IU"
    return bool(fits and kinds and (file.get_tensor("labels") >= -1).all())


def named_step(metadata: Mapping[str, str]) -> int | None:
    """The step that a checkpoint says it goes on with; None where it does not say one that a run can have."""
    step = metadata.get("next_step", "")
    return int(step) if step.isascii() and step.isdecimal() and len(step) < 10 else None


def _names_its_step(file: Any) -> bool:
    return named_step(file.metadata() or {}) is not None


def _are_neighbours(file: Any) -> bool:
    """Are there indices [N, k] as whole numbers, and as many cosines?"""
    indices, cosines = file.get_slice("indices"), file.get_slice("similarity")
    shape = indices.get_shape()
    kinds = indices.get_dtype()[0] == "I" and cosines.get_dtype().startswith("F")
    return bool(kinds and len(shape) == 2 and cosines.get_shape() == shape)


def _are_compared(file: Any) -> bool:
    """Are there facts about N images in V backbones and their pairs, each as whole numbers or floats?"""
    kinds = {"indices": "I", "labels": "I", "neighbours": "I", "similarity": "F", "shared": "I"}
    slices = {name: file.get_slice(name) for name in kinds}
    shapes = {name: one.get_shape() for name, one in slices.items()}
    images, near = shapes["indices"], shapes["neighbours"]
    return (
        all(slices[name].get_dtype().startswith(kind) for name, kind in kinds.items())
        and shapes["labels"] == images
        and len(images) == 1 < len(near) == len(shapes["shared"]) == 3
        and near[1:2] == images == shapes["shared"][2:]
        and shapes["similarity"] == near
    )


_TENSORS = {
    "synthetic.safetensors": _is_a_set, "checkpoint.safetensors": _names_its_step,
    "neighbours.safetensors": _are_neighbours, "disagreement.safetensors": _are_compared,
}  # fmt: skip
_WORDS_OF_JSON, _WORDS_OF_LINES = Remembered(_words_of_json), Remembered(_words_of_lines)
_WORDS_OF_TENSORS = Remembered(_words_of_tensors)
