"""What RCIG learned besides its images, read from a run's details: for its report, and for forks. Needs no torch.

>>> [(title, headings, rows, note)] = label_tables(run.details(), run.metrics(), ["tench", "church"], [0, 1])
>>> learned_at(run.details()[-1], own)["log_temperature"]
array(0.31, dtype=float32)
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from jaxtyping import Float32

from lgm_core.methods.rcig.config import RCIGSettings
from lgm_core.runs.misfits import MAYBE, misfits

DETAILS = {
    "labels": [[MAYBE]], "label_rows": str, "temperature": MAYBE, "inner?": [MAYBE], "solve?": [MAYBE],
    "direct_norm?": dict, "implicit_norm?": dict,
}  # fmt: skip
_MOST = 20  # rows and columns

Table = tuple[str, list[str], list[tuple[str, list[tuple[float | None, str]]]], str]


def whole(details: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """The lines of details that hold what is shown of them."""
    return [dict(line) for line in details if not misfits(line, DETAILS)]


def label_tables(
    details: Sequence[Mapping[str, Any]], metrics: object, names: Sequence[str], owners: Sequence[int]
) -> list[Table]:
    """Title, headings, rows of (value, text) and a note; [] where there are no labels, or too many to be read.

    A row per image, or per class where there are many images. `names`: of the classes; `owners`: class of each image.
    """
    last: Mapping[str, Any] = next(iter(whole(details)[-1:]), {})
    matrix = last.get("labels", [])
    if not 0 < len(matrix) <= _MOST or len(matrix[0]) > _MOST:
        return []
    own = owners if last["label_rows"] == "images" and len(owners) == len(matrix) else range(len(matrix))
    across = [_name(names, place) for place in range(len(matrix[0]))]
    rows = [
        (_name(names, label), [(value, "–" if value is None else f"{value:.2f}") for value in row])
        for label, row in zip(own, matrix, strict=True)
    ]
    temperature = last["temperature"]
    note = (
        "What a network is trained to give, an image per row, a class per column; it began as 1 at the image's own "
        f"class and 0 elsewhere, less 1 / {len(across)}. Temperature of the outer loss: "
        f"{'–' if temperature is None else format(temperature, '.3g')}."
    )
    return [("Learned labels", ["", *across], rows, note)]


def learned_at(line: Mapping[str, Any], own: RCIGSettings) -> dict[str, Float32[np.ndarray, "..."]]:
    """Labels [M, C] and log temperature as they were published at a frame, as far as its line of details has them."""
    found, temperature = {}, line.get("temperature")
    if temperature:
        found["log_temperature"] = np.asarray(np.log(temperature), dtype=np.float32)
    rows = line.get("labels", []) if line.get("label_rows") == "images" and own.rcig.learn_labels else []
    if rows and all(value is not None for row in rows for value in row):
        found["targets"] = np.array(rows, dtype=np.float32)
    return found


def _name(names: Sequence[str], label: int) -> str:
    return names[label] if label < len(names) else f"class {label}"
