"""What a report says of MKDT besides its images and curves: how near students came to experts. Needs no torch.

>>> title, headings, rows, note = matching_table(run.details(), [], [])
>>> rows[0]
('epoch 0', [(0.81, '0.810'), (0.62, '0.620'), (0.53, '0.530'), (0.44, '0.440')])
"""

from collections.abc import Mapping, Sequence
from statistics import fmean
from typing import Any

from lgm_core.runs.misfits import NUMBER, misfits

DETAILS = {"step": int, "loss": NUMBER, "rate": NUMBER, "expert": int, "start": int}
_PARTS = 4  # of a run

Table = tuple[str, list[str], list[tuple[str, list[tuple[float | None, str]]]], str]


def matching_table(details: Sequence[Mapping[str, Any]], names: Sequence[str], owners: Sequence[int]) -> Table | None:
    """Title, headings, rows of (value, text) and a note: matching loss by the expert's epoch and quarter of the run.

    None where no step is recorded. `names`, `owners`: of classes and images, which say nothing here.
    """
    lines = [line for line in details if not misfits(line, DETAILS)]
    if not lines:
        return None
    whole = lines[-1]["step"] + 1
    rows = []
    for start in sorted({line["start"] for line in lines}):
        parts: list[list[float]] = [[] for _ in range(_PARTS)]
        for line in lines:
            if line["start"] == start:
                parts[_PARTS * line["step"] // whole].append(line["loss"])
        rows.append((f"epoch {start}", [(fmean(one), f"{fmean(one):.3f}") if one else (None, "–") for one in parts]))
    note = (
        "Distance of the student from the expert, as a share of the way that the expert went; 1: no nearer than at the "
        "start. By the epoch at which the expert was taken up, mean over the recorded steps of each quarter. "
        f"{len({line['expert'] for line in lines})} experts are among these. The student's step size went from "
        f"{lines[0]['rate']:.3g} to {lines[-1]['rate']:.3g}."
    )
    return "Matching loss", ["taken up after", "first quarter", "second", "third", "last"], rows, note
