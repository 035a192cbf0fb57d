"""What RCIG learns beside the images, live: labels as a heat map, temperature, loss traces, both gradients' lengths.

>>> show(run)  # draws nothing before the first frame
"""

from collections.abc import Mapping, Sequence
from typing import Any

import plotly.graph_objects as go
import streamlit as st

from lgm_core.backbones.students.student_names import is_student
from lgm_core.base.files import count_of_lines
from lgm_core.base.settings import LIVE_RATE
from lgm_core.methods.rcig.learned import whole
from lgm_core.runs.store import RunFolder
from pages.parts import charts
from pages.parts.pickers import settings
from pages.parts.player.player import class_titles
from pages.parts.status import BROKEN, panel
from pages.parts.theme import BLUE, ORANGE, VERMILLION

_EVERY = 3.0  # seconds
_TRACES = 6  # solves shown, spread over the run
_SCALE = [[0, VERMILLION], [0.5, "rgba(127,127,127,0.06)"], [1, BLUE]]  # fits light and dark
_MOST_NAMES = 20
_UPRIGHT = 3  # letters: longer names are tilted
_SHARE = "of the summed length of both gradients; above 50 % it is clipped to the direct one's length"
_NEW, _OLD = BLUE, "rgba(127,127,127,0.45)"


def show(run: RunFolder) -> None:
    """A caption on the live accuracy, and the panel, which is drawn anew every few seconds while the run goes."""
    details = run.details()
    if left := len(details) - len(whole(details)):
        st.warning(f"details.jsonl has {count_of_lines(left)}, left out; the others are shown.", icon=BROKEN)
    if left == len(details):
        return
    if words := live_caption(settings(run), run.eval_reports()):
        st.caption(words)
    st.subheader("Labels and gradients", anchor=False)
    every = _EVERY if run.status().active else None
    st.fragment(_panel, run_every=every)(run)


def live_caption(config: Mapping[str, Any], reports: Sequence[Mapping[str, Any]] = ()) -> str:
    """Why the live accuracy differs from the table's; "" for a run without one."""
    live, rate = config["live"], LIVE_RATE * config["scratch"]["learning_rate"]
    if not live["times"]:
        return ""
    words = f"Accuracy during the run: one network, trained for {live['steps']:,} steps at a rate of {rate:g}"
    judged = next((report for report in reports if is_student(report["backbone"]) and "steps" in report), None)
    if judged is None:
        return f"{words} and tested on up to {live['test_images']:,} images."
    count, tested = len(judged["top1_seeds"]), judged["test_images"]
    others = f"{count} networks, each" if count > 1 else "one network,"
    return (
        f"{words} and tested on {min(live['test_images'], tested):,} images. The table below: {others} trained for "
        f"{judged['steps']:,} steps at {judged['learning_rate']:g} and tested on {tested:,}. The two may differ."
    )


@panel("Labels and gradients")
def _panel(run: RunFolder) -> None:
    details, metrics = whole(run.details()), run.metrics()
    newest, last = details[-1], metrics[-1] if metrics else {}
    facts = [("Temperature", newest.get("temperature"), "{:.2f}", "by which outputs are multiplied before the softmax")]
    facts += [
        ("Real batch", last.get("batch_top1"), "{:.0%}", "accuracy on the step's real images"),
        ("Implicit share", last.get("implicit_share"), "{:.0%}", _SHARE),
        ("Inner rate", last.get("inner_rate"), "{:.2g}", "found by a search at the start, adapted every 50 steps"),
    ]
    tiles = st.container(key="lgm_row_tiles").columns(len(facts))
    for column, (name, value, form, words) in zip(tiles, facts, strict=True):
        column.metric(name, form.format(value) if isinstance(value, int | float) else "–", help=words, border=True)
    left, middle, right = st.container(key="lgm_row_plots").columns(3)
    with left:
        st.caption(f"Learned labels at step {newest['step'] + 1}: {newest['label_rows']} down, classes across")
        per_class = settings(run).get("images_per_class", 1) if newest["label_rows"] == "images" else 1
        charts.show(label_figure(newest["labels"], class_titles(run), per_class), key=f"labels_{run.id}", legend=False)
    with middle:
        st.caption("Inner loss relative to its start; newest in blue")
        charts.show(trace_figure(details), key=f"traces_{run.id}", legend=False)
    with right:
        st.caption("Length of the gradients of the images")
        charts.show(length_figure(details), key=f"lengths_{run.id}")


def label_figure(labels: list[list[float]], names: Sequence[str] = (), per_class: int = 1) -> go.Figure:
    """A heat map, white at 0: classes across, images (or class means) down by class; named where there are few."""
    most = max((abs(value) for row in labels for value in row if value is not None), default=1) or 1
    heat = go.Heatmap(
        z=labels, colorscale=_SCALE, zmin=-most, zmax=most, colorbar={"thickness": 10},
        hovertemplate="row %{y}, class %{x}: %{z:.2f}<extra></extra>",
    )  # fmt: skip
    figure = go.Figure(heat).update_yaxes(autorange="reversed", showgrid=False, zeroline=False)
    figure.update_xaxes(showgrid=False, zeroline=False)
    if not 0 < len(names) <= _MOST_NAMES or len(names) * per_class != len(labels):
        return figure
    told = [[f"{row} image, {name}" for name in names] for row in names for _ in range(per_class)]
    figure.update_traces(text=told, hovertemplate="%{text}: %{z:.2f}<extra></extra>")
    places, shown = list(range(len(names))), [short(name) for name in names]
    figure.update_yaxes(tickvals=[per_class * place + (per_class - 1) / 2 for place in places], ticktext=shown)
    tilt = -60 if max(map(len, shown)) > _UPRIGHT else 0
    return figure.update_xaxes(tickvals=places, ticktext=shown, tickangle=tilt, automargin=True)


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
        start, name = trace[0] or 1.0, f"step {found[place]['step'] + 1}"
        figure.add_scatter(
            y=[None if value is None else value / start for value in trace], mode="lines", name=name,
            line={"color": _NEW if place == chosen[-1] else _OLD, "width": 2},
        )  # fmt: skip
    return figure.update_xaxes(title="inner step").update_yaxes(title="inner loss / its start", rangemode="tozero")


def length_figure(details: list[dict[str, Any]]) -> go.Figure:
    """Direct and implicit gradient over the steps, on a logarithmic axis."""
    found = [line for line in details if line.get("direct_norm")]
    figure = go.Figure()
    for name, label, colour in (("direct_norm", "direct", _NEW), ("implicit_norm", "implicit", ORANGE)):
        points = [(line["step"] + 1, line[name]["pixels"]) for line in found if line[name]["pixels"]]
        figure.add_scatter(
            x=[step for step, _ in points], y=[length for _, length in points], mode="lines", name=label,
            line={"color": colour, "width": 2},
        )  # fmt: skip
    figure.update_yaxes(title="length (log)", type="log", dtick="D2", tickformat=".3~g")  # 1, 2, 5: all do not fit
    return figure.update_xaxes(title="step")
