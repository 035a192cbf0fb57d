"""What a report and Watch say of MKDT besides images and curves: its stages, how near students came. Needs no torch.

>>> [title for title, headings, rows, note in report_tables(run.details(), run.metrics(), [], [])]
['Stages before the matching', 'Matching loss by epoch', 'Matching loss by expert']
"""

from collections.abc import Mapping, Sequence
from statistics import fmean
from typing import Any

from lgm_core.runs.misfits import NUMBER, misfits

_STAGES = {
    "teacher": str, "entries": int, "images": int, "scale": str, "experts": int, "epochs": int, "parameters": int,
    "losses": [NUMBER], "begun_with": str, "taken": int, "loss_taken": NUMBER, "loss_all": NUMBER,
}  # fmt: skip
METRICS = {"step": int, "loss": NUMBER, "rate": NUMBER, "expert": NUMBER, "start_epoch": NUMBER}
_PARTS, _MOST = 4, 20  # of a run; experts that are told

Table = tuple[str, list[str], list[tuple[str, list[tuple[float | None, str]]]], str]
Lines = Sequence[Mapping[str, Any]]


def report_tables(details: Lines, metrics: Lines, names: Sequence[str], owners: Sequence[int]) -> list[Table]:
    """Title, headings, rows of (value, text) and a note each; none of what is not recorded.

    `names`, `owners`: of classes and images, which say nothing here.
    """
    told: list[Table] = []
    if facts := stage_facts(details):
        told.append(("Stages before the matching", ["", ""], [(name, [(None, words)]) for name, words in facts], ""))
    lines = [line for line in metrics if not misfits(line, METRICS)]
    return [*told, _by_epoch(lines), _by_expert(lines)] if lines else told


def stage_facts(details: Lines) -> list[tuple[str, str]]:
    """What came before the matching, as (name, words); [] where no step is recorded, or by an earlier version."""
    found = next((line["stages"] for line in reversed(details) if isinstance(line.get("stages"), dict)), {})
    if misfits(found, _STAGES):
        return []
    losses = ", then ".join(f"{loss:.3g}" for loss in found["losses"])
    begun = {"high-loss": "hardest", "random": "random", "indices": "listed"}.get(found["begun_with"], "")
    harder = f", loss {found['loss_taken']:.3g} (of all images {found['loss_all']:.3g})" if found["loss_all"] else ""
    entries = f"{found['entries']:,} entries ({found['scale']})"
    trained = f"{found['experts']:,} of {found['parameters']:,} parameters, {found['epochs']} epochs each"
    trained += f"; mean squared error while in training, epoch by epoch: {losses}" if losses else ""
    return [
        ("targets", f"of {found['teacher']}, {entries}, {found['images']:,} images"),
        ("experts", trained),
        ("begun with", f"{found['taken']:,} {begun} real images{harder}"),
    ]


def by_expert(metrics: Lines) -> list[tuple[int, int, float, float]]:
    """(number, visits, mean loss, newest loss) of the experts that are matched worst, the worst first, 20 at most."""
    found: dict[int, list[float]] = {}
    for line in metrics:
        found.setdefault(int(line["expert"]), []).append(line["loss"])
    rows = [(expert, len(losses), fmean(losses), losses[-1]) for expert, losses in found.items()]
    return sorted(rows, key=lambda row: (-row[2], row[0]))[:_MOST]


def _by_epoch(lines: Lines) -> Table:
    whole, rows = lines[-1]["step"] + 1, []
    for start in sorted({line["start_epoch"] for line in lines}):
        parts: list[list[float]] = [[] for _ in range(_PARTS)]
        for line in lines:
            if line["start_epoch"] == start:
                parts[_PARTS * line["step"] // whole].append(line["loss"])
        row = [(fmean(one), f"{fmean(one):.3f}") if one else (None, "–") for one in parts]
        rows.append((f"epoch {start:.0f}", row))
    note = (
        "Distance of the student from the expert, as a share of the way that the expert went; 1: no nearer than at the "
        "start. By the epoch at which the expert was taken up, mean over the steps of each quarter. "
        f"The student's step size went from {lines[0]['rate']:.3g} to {lines[-1]['rate']:.3g}."
    )
    return "Matching loss by epoch", ["taken up after", "first quarter", "second", "third", "last"], rows, note


def _by_expert(lines: Lines) -> Table:
    rows = [
        (f"expert {expert + 1}", [(None, f"{visits:,}"), (mean, f"{mean:.3f}"), (newest, f"{newest:.3f}")])
        for expert, visits, mean, newest in by_expert(lines)
    ]
    visited = len({line["expert"] for line in lines})
    note = f"{visited} experts were visited" + (f"; those {_MOST} with the highest mean." if visited > _MOST else ".")
    return "Matching loss by expert", ["", "steps", "mean", "newest"], rows, note
