"""What RCIG learns beside the images, live: labels as a heat map, temperature, loss traces, both gradients' lengths.

>>> show_rcig(run)  # draws nothing for runs of other methods, or before the first frame
"""

from collections.abc import Sequence
from typing import Any

import plotly.graph_objects as go
import streamlit as st

from lgm_core.runs.store import RunFolder
from pages.parts import charts
from pages.parts.pickers import settings
from pages.parts.player import class_titles

_EVERY = 3.0  # seconds
_TRACES = 6  # solves shown, spread over the run
_SCALE = [[0, "#d1495b"], [0.5, "rgba(127,127,127,0.06)"], [1, "#3f7fe0"]]  # fits light and dark
_MOST_NAMES = 20
_NEW, _OLD = "#3f7fe0", "rgba(127,127,127,0.45)"


def show_rcig(run: RunFolder) -> None:
    """The panel of a run; looks again every few seconds while the run goes."""
    if settings(run).get("method") != "rcig" or not run.details():
        return
    st.subheader("Labels and gradients", anchor=False)
    every = _EVERY if run.status().active else None
    st.fragment(_panel, run_every=every)(run)


def _panel(run: RunFolder) -> None:
    details, metrics = run.details(), run.metrics()
    newest, last = details[-1], metrics[-1] if metrics else {}
    facts = [("Temperature", newest.get("temperature"), "{:.2f}", "by which outputs are multiplied before the softmax")]
    facts += [
        ("Real batch", last.get("batch_top1"), "{:.0%}", "accuracy on the step's real images"),
        ("Implicit share", last.get("implicit_share"), "{:.0%}", "of the length of both gradients; at most a half"),
        ("Inner rate", last.get("inner_rate"), "{:.2g}", "searched for at first, adapted every 50 steps"),
    ]
    for column, (name, value, form, words) in zip(st.columns(len(facts)), facts, strict=True):
        column.metric(name, "–" if value is None else form.format(value), help=words, border=True)
    left, middle, right = st.columns(3)
    with left:
        st.caption(f"Learned labels at step {newest['step']}: {newest['label_rows']} down, classes across")
        per_class = settings(run).get("images_per_class", 1) if newest["label_rows"] == "images" else 1
        charts.show(label_figure(newest["labels"], class_titles(run), per_class), key=f"labels_{run.id}", legend=False)
    with middle:
        st.caption("Inner loss, as a share of its start; newest in blue")
        charts.show(trace_figure(details), key=f"traces_{run.id}", legend=False)
    with right:
        st.caption("Length of the gradients of the images")
        charts.show(length_figure(details), key=f"lengths_{run.id}")


def label_figure(labels: list[list[float]], names: Sequence[str] = (), per_class: int = 1) -> go.Figure:
    """A heat map, white at 0: classes across, images (or class means) down; by name where there are few."""
    most = max((abs(value) for row in labels for value in row if value is not None), default=1) or 1
    heat = go.Heatmap(
        z=labels, colorscale=_SCALE, zmin=-most, zmax=most, colorbar={"thickness": 10},
        hovertemplate="row %{y}, class %{x}: %{z:.2f}<extra></extra>",
    )  # fmt: skip
    figure = go.Figure(heat).update_yaxes(autorange="reversed", showgrid=False, zeroline=False)
    figure.update_xaxes(showgrid=False, zeroline=False)
    if not 0 < len(names) <= _MOST_NAMES or len(labels) > _MOST_NAMES:
        return figure
    rows = [names[place // per_class] for place in range(len(labels)) if place // per_class < len(names)]
    told = [[f"{row} image, {name}" for name in names] for row in rows]
    figure.update_traces(text=told, hovertemplate="%{text}: %{z:.2f}<extra></extra>")
    figure.update_yaxes(tickvals=list(range(len(rows))), ticktext=[short(name) for name in rows])
    across = {"tickvals": list(range(len(names))), "ticktext": [short(name) for name in names]}
    return figure.update_xaxes(**across, tickangle=-60, automargin=True)


def short(name: str, most: int = 12) -> str:
    """A name that fits beside an axis."""
    return name if len(name) <= most else name[: most - 1] + "…"


def trace_figure(details: list[dict[str, Any]]) -> go.Figure:
    """Some inner solves, from the oldest to the newest."""
    found = [line for line in details if line.get("inner")]
    chosen = (
        sorted({round(place * (len(found) - 1) / max(_TRACES - 1, 1)) for place in range(_TRACES)}) if found else []
    )
    figure = go.Figure()
    for place in chosen:
        trace = found[place]["inner"]
        start, name = trace[0] or 1.0, f"step {found[place]['step']}"
        figure.add_scatter(
            y=[None if value is None else value / start for value in trace], mode="lines", name=name,
            line={"color": _NEW if place == chosen[-1] else _OLD, "width": 2},
        )  # fmt: skip
    return figure.update_xaxes(title="inner step").update_yaxes(rangemode="tozero")


def length_figure(details: list[dict[str, Any]]) -> go.Figure:
    """Direct and implicit gradient over the steps, on a logarithmic axis."""
    found = [line for line in details if line.get("direct_norm")]
    figure = go.Figure()
    for name, label, colour in (("direct_norm", "direct", _NEW), ("implicit_norm", "implicit, clipped", "#e8833a")):
        points = [(line["step"], line[name]["pixels"]) for line in found if line[name]["pixels"]]
        figure.add_scatter(
            x=[step for step, _ in points], y=[length for _, length in points], mode="lines", name=label,
            line={"color": colour, "width": 2},
        )  # fmt: skip
    return figure.update_xaxes(title="step").update_yaxes(type="log", tickformat=".2~g")
