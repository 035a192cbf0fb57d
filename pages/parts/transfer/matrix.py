"""A clickable matrix: transfer of a study, cell by cell, or alignment of backbones.

>>> chosen = transfer_matrix(matrix, "relative", key="cell")  # "row label|column", "" where none is open
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import streamlit as st
from streamlit.components.v2 import component

from lgm_core.base.settings import taken_apart
from lgm_core.evaluation.protocol import network_of
from lgm_core.reports.matrix import Matrix, View
from lgm_core.reports.summary import Cell, Row, column_note
from pages.parts.address import forget
from pages.parts.maps.neighbourhood import title_of
from pages.parts.theme import VERMILLION, backbone_colour

_HERE = Path(__file__).parent
_component = component(
    "lgm_matrix",
    html='<div class="lgm-matrix"></div>',
    css=f".lgm-matrix {{ --below: {VERMILLION}; }} {(_HERE / 'matrix.css').read_text()}",
    js=(_HERE / "matrix.js").read_text(),
)


def transfer_matrix(matrix: Matrix, view: View, *, key: str = "cell") -> str:
    """Draw a study's matrix; returns the key of the open cell, which lives in the URL."""
    values = [matrix.value(row, column, view) for row in matrix.rows for column in matrix.columns]
    limits = _limits([value for value in values if value is not None], view)
    cells = [[_cell(matrix, row, column, view, limits) for column in matrix.columns] for row in matrix.rows]
    state = st.session_state.get(f"matrix_{key}") or {}
    chosen = state.get("cell") if "cell" in state else st.query_params.get(key, "")
    titles = [_title(name, column_note(matrix.rows, name)) for name in matrix.columns]
    keys = [[f"{row.label}|{column}" for column in matrix.columns] for row in matrix.rows]
    if view == "raw" and matrix.tells_unseen:
        titles = [*titles, {"name": "worst unseen", "note": "took no part", "colour": ""}]
        cells = [[*line, _unseen(row, limits)] for row, line in zip(matrix.rows, cells, strict=True)]
        keys = [[*line, ""] for line in keys]  # nothing to open
    data = {
        "corner": "Images made with ↓   Evaluated on →", "columns": titles, "keys": keys,
        "rows": [_row_title(row) for row in matrix.rows], "cells": cells, "chosen": chosen,
        "opens": True, "small": False,
    }  # fmt: skip
    _component(key=f"matrix_{key}", data=data, default={"cell": chosen}, on_cell_change=lambda: None)
    if chosen:
        st.query_params[key] = chosen
    else:
        forget(key)
    return chosen or ""


def alignment_matrix(
    backbones: Sequence[str], values: Sequence[Sequence[float | None]], *, key: str,
    spreads: Mapping[tuple[int, int], str] | None = None, chosen: str = "",
) -> str:  # fmt: skip
    """Draw a symmetric matrix of similarities in [0, 1]; None is shown as under way.

    `spreads`: a line below the value, by row and column. With them, cells can be opened: returns the one that was
    clicked, "row|column"; `chosen` is the one that is open.
    """
    numbers = [v for y, line in enumerate(values) for x, v in enumerate(line) if v is not None and x != y]
    low, high = (min(numbers), max(numbers)) if numbers else (0.0, 1.0)
    cells = [
        [
            {
                "state": "none" if x == y else "done" if value is not None else "running",
                "text": "same" if x == y else "…" if value is None else f"{value:.2f}",
                "spread": (spreads or {}).get((y, x), ""), "title": "",
                "heat": None if value is None or x == y else (value - low) / (high - low) if high > low else 0.5,
            }
            for x, value in enumerate(line)
        ]
        for y, line in enumerate(values)
    ]  # fmt: skip
    titles = [_title(name) for name in backbones]
    keys = [["" if a == b else f"{a}|{b}" for b in backbones] for a in backbones]
    data = {"columns": titles, "rows": titles, "cells": cells, "keys": keys}
    data |= {"corner": "", "chosen": chosen or "-", "opens": spreads is not None, "small": True}
    result = _component(key=f"matrix_{key}", data=data, default={"cell": ""}, on_cell_change=lambda: None)
    return result.get("cell") or ""


def _cell(matrix: Matrix, row: Row, column: str, view: View, limits: tuple[float, float]) -> dict[str, Any]:
    slot, value = matrix.slot(row, column), matrix.value(row, column, view)
    words = {"missing": "not launched", "queued": "queued", "running": "running"}.get(slot.state, slot.state)
    if value is None or slot.cell is None:
        text = ("–", "no base") if slot.cell else ({"missing": "·", "running": "…"}.get(slot.state, slot.state), "")
        return {
            "state": "none" if slot.cell else slot.state, "text": text[0], "spread": text[1], "heat": None,
            "title": "nothing to compare with yet" if slot.cell else words,
        }  # fmt: skip
    sign = "+" if view == "over centroids" and value > 0 else ""
    runs = f"{len(slot.runs)} runs" if len(slot.runs) > 1 else "".join(slot.runs)
    low, high = limits
    span = value / high if view == "over centroids" else (value - low) / (high - low) if high > low else 0.5
    return {
        "state": "done", "text": f"{sign}{100 * value:.1f}", "heat": span,
        "spread": " · ".join(filter(None, [_spread(slot.cell, view), _count(len(slot.runs), slot.waiting)])),
        "title": f"{row.label}, judged by {column}: top-1 {100 * slot.cell.mean:.1f} %, {runs}",
    }  # fmt: skip


def _unseen(row: Row, limits: tuple[float, float]) -> dict[str, Any]:
    found, (low, high) = row.unseen, limits
    if found is None:
        return {"state": "none", "text": "–", "spread": "", "heat": None, "title": "not judged by all of them yet"}
    spread = f"± {100 * found.spread:.1f}" if found.count > 1 else "1 run"
    return {
        "state": "done", "text": f"{100 * found.mean:.1f}", "spread": f"{spread} · of {len(found.judges)}",
        "heat": (found.mean - low) / (high - low) if high > low else 0.5,
        "title": f"{row.label}: {title_of(found.worst)} is the worst of {', '.join(map(title_of, found.judges))}",
    }  # fmt: skip


def _spread(cell: Cell, view: View) -> str:
    """That of the accuracy itself; of a ratio or a difference it would be another."""
    return "" if view != "raw" else f"± {100 * cell.spread:.1f}" if cell.count > 1 else "1 run"


def _count(done: int, waiting: int) -> str:
    return f"{done} of {done + waiting}" if waiting else f"{done} runs" if done > 1 else ""


def _limits(values: Sequence[float], view: View) -> tuple[float, float]:
    if not values:
        return 0.0, 1.0
    if view == "over centroids":
        most = max(max(map(abs, values)), 1e-9)
        return -most, most
    return min(values), max(values)


def _title(name: str, note: str = "") -> dict[str, str]:
    words = title_of(name).replace(":", ":\u200b")  # a long name may break there, and not within a word
    return {"name": words, "note": note, "colour": backbone_colour(network_of(name))}


def _row_title(row: Row) -> dict[str, str]:
    named = row.label
    for name in taken_apart(row.backbone) if row.backbone else ():
        named = named.replace(name, _title(name)["name"], 1)
    words = {"random": "random real images", "full": "all real images"}.get(row.choice, named)
    told = [f"{row.images} images" if row.images else "", row.budget.words if row.budget else ""]
    colour = backbone_colour(taken_apart(row.backbone)[0]) if row.choice not in ("random", "full") else ""
    return {"name": words, "note": " · ".join(filter(None, told)), "colour": colour}
