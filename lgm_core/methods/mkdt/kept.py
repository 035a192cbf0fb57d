"""Which of a run's first stages lie in the cache already, told by a note beside the experts. Needs no torch.

The key of the experts' folder follows from bits that only an opened data set and a teacher have; the note tells of the
settings that they came from, so that a run is priced before anything is opened.

>>> kept_of(own, config, "cpu", cache / "trajectories")
Kept(teacher=True, experts=4, losses=0, teacher_seconds=0.006)
"""

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from lgm_core.backbones.students.student_names import is_student
from lgm_core.base.errors import result_or_why
from lgm_core.base.files import read_json, write_json
from lgm_core.base.settings import SharedConfig
from lgm_core.methods.mkdt.config import MKDTSettings

_NOTE = "settings.json"
_RECIPE = ("expert_rate", "expert_momentum", "expert_decay", "expert_batch", "side_by_side", "half")


@dataclass(frozen=True)
class Kept:
    """What needs not be done again. `teacher`: its targets of these images; `teacher_seconds`: per image, the most
    that was seen of this teacher, 0 where none was; `losses`: experts whose images are ranked.
    """

    teacher: bool = False
    experts: int = 0
    losses: int = 0
    teacher_seconds: float = 0.0


def note_kept(own: MKDTSettings, shared: SharedConfig, kind: str, folder: Path, teacher_seconds: float) -> None:
    """Write down what the experts in `folder` come from. `teacher_seconds`: per image, of opening or making targets."""
    known = _noted(folder)
    teacher, experts = _facts(own, shared, kind)
    most = max(teacher_seconds, known.get("teacher_seconds", 0.0))  # targets that are there are opened in no time
    note = {"teacher": teacher, "experts": experts, "teacher_seconds": most}
    if note != known:
        write_json(folder / _NOTE, note)


def kept_of(own: MKDTSettings, shared: SharedConfig, kind: str, root: Path) -> Kept:
    """What is there of a run on a device of this kind, "cpu" or "cuda"; `root`: the folder of all trajectories."""
    teacher, experts = _facts(own, shared, kind)
    notes = {folder: _noted(folder) for folder in sorted(root.glob("*-*"))}
    mine = next((folder for folder, note in notes.items() if note.get("experts") == experts), None)
    alike = [note for note in notes.values() if note and _network(note["teacher"]) == _network(teacher)]
    return Kept(
        teacher=any(note.get("teacher") == teacher for note in notes.values()),
        experts=len(list(mine.glob("expert-*.npy"))) if mine else 0,
        losses=len(list(mine.glob("losses-*.npy"))) if mine else 0,
        teacher_seconds=max((note["teacher_seconds"] for note in alike), default=0.0),
    )


def _facts(own: MKDTSettings, shared: SharedConfig, kind: str) -> tuple[dict[str, Any], dict[str, Any]]:
    """Settings that the targets come from, and those of the experts, as JSON holds them."""
    name, data, knobs, scratch = own.pretrain.teacher, asdict(shared.data), own.mkdt, own.scratch
    del data["test_per_class"]
    teacher = {"name": name, "kind": kind, "dataset": shared.dataset, "data": data, "seed": shared.seed}
    teacher |= {"normalisation": shared.normalisation, "precision": shared.device.precision}
    side = {"side": scratch.resolution, "width": scratch.width, "depth": scratch.depth}
    teacher |= {**side, "steps": own.pretrain.teacher_steps} if is_student(name) else {}
    recipe = {name: value for name, value in vars(knobs).items() if name in _RECIPE}
    experts = {
        **recipe, **side, "targets": teacher, "scale": own.pretrain.scale, "network": shared.networks()[0],
        "epochs": knobs.epochs,
    }  # fmt: skip
    return json.loads(json.dumps(teacher)), json.loads(json.dumps(experts))


def _network(teacher: dict[str, Any]) -> tuple[Any, ...]:
    return teacher.get("name"), teacher.get("kind"), teacher.get("precision"), teacher.get("width")


def _noted(folder: Path) -> dict[str, Any]:
    """The note of a folder; {} where there is none that can be read, as of an earlier version."""
    found = result_or_why(lambda: read_json(folder / _NOTE))[0] or {}
    whole = isinstance(found.get("teacher"), dict) and isinstance(found.get("teacher_seconds"), float | int)
    return found if whole else {}
