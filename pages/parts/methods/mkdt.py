"""What MKDT does beside its images, live: the stages of the run, how near students come to experts, the step size.

>>> show(run)
"""

from collections.abc import Mapping, Sequence
from typing import Any

import plotly.graph_objects as go
import streamlit as st

from lgm_core.methods.mkdt.told import by_expert, stage_facts
from lgm_core.runs.store import RunFolder
from pages.parts import charts
from pages.parts.pickers import settings
from pages.parts.status import panel
from pages.parts.theme import CLASS_PALETTE

_EVERY = 3.0  # seconds
_RECENT = 20  # steps in the mean loss that is shown
_READ = {"loss", "rate", "expert", "start_epoch"}
_STARTS = CLASS_PALETTE[:6]  # one for each epoch of a start
_HARDEST = "hardest images"  # a stage of runs that begin with them
STAGES = {  # name -> how the phases of it begin
    "targets": ("opening", "fitting", "features of", "fetching", "the teacher"),
    "experts": ("experts",),
    _HARDEST: ("the hardest",),
    "matching": ("distilling",),
    "pre-training and probes": ("pre-training", "labels of"),
}


def show(run: RunFolder) -> None:
    """The panel, which is drawn anew every few seconds while the run goes."""
    st.subheader("Stages and matching", anchor=False)
    every = _EVERY if run.status().active else None
    st.fragment(_panel, run_every=every)(run)


@panel("Stages and matching")
def _panel(run: RunFolder) -> None:
    status, metrics = run.status(), [line for line in run.metrics() if line.keys() >= _READ]
    config = settings(run).get("mkdt", {})
    names = [name for name in STAGES if name != _HARDEST or config.get("initial") == "high-loss"]
    st.markdown(stage_line(names, status.phase, status.phase_done, status.phase_total, bool(metrics), status.state))
    if facts := stage_facts(run.details()):
        st.markdown("\n".join(f"- **{name}**: {words}" for name, words in facts))
    if not metrics:
        return
    last = metrics[-1]
    recent = metrics[-_RECENT:]
    mean = sum(line["loss"] for line in recent) / len(recent)
    used = f"{last.get('experts_used', 0):.0f} of {config.get('experts', '?')}"
    facts = (
        ("Matching loss", f"{mean:.3f}", f"mean of the last {len(recent)} steps; 1: as far as at the start"),
        ("Step size", f"{last['rate']:.3g}", f"of the student; learned, starting from {config.get('rate', 0):g}"),
        ("Experts visited", used, "each is visited once before any is visited again"),
    )
    tiles = st.container(key="lgm_row_tiles").columns(len(facts))
    for column, (name, value, words) in zip(tiles, facts, strict=True):
        column.metric(name, value, help=words, border=True)
    left, right = st.container(key="lgm_row_plots").columns(2)
    with left:
        st.caption("Matching loss of each step, by the expert's epoch that it starts from; hover to see the expert")
        charts.show(loss_figure(metrics), key=f"matching_{run.id}")
    with right:
        st.caption("The student's step size")
        figure = charts.curves({"step size": metrics}, "rate", {"step size": _STARTS[0]}, "step size")
        charts.show(figure, key=f"rate_{run.id}", legend=False)
    st.caption("Matching loss by expert, the worst first, 20 at most")
    rows = [
        {"expert": expert + 1, "steps": visits, "mean": round(mean, 3), "newest": round(newest, 3)}
        for expert, visits, mean, newest in by_expert(metrics)
    ]
    st.dataframe(rows, hide_index=True, height="content")


def stage_line(names: Sequence[str], phase: str, done: int, total: int, matched: bool, state: str) -> str:
    """The stages in one line: those behind ticked, the present one with how far it is."""
    found = next((place for place, name in enumerate(names) if phase.startswith(STAGES[name])), 0)
    now = len(names) if state == "finished" else max(found, names.index("matching")) if matched else found
    words = [f":green[✓] {name}" for name in names[:now]]
    if now < len(names):
        far = f" ({phase}{f', {done:,} of {total:,}' if total else ''})" if phase else ""
        words.append(f"**{names[now]}**{far}")
    return " → ".join([*words, *(f":gray[{name}]" for name in names[now + 1 :])])


def loss_figure(metrics: Sequence[Mapping[str, Any]]) -> go.Figure:
    """A point a step, a colour an epoch of the start; the line is at 1."""
    figure = go.Figure()
    for start in sorted({line["start_epoch"] for line in metrics}):
        found = [line for line in metrics if line["start_epoch"] == start]
        figure.add_scatter(
            x=[line["step"] + 1 for line in found], y=[line["loss"] for line in found], mode="markers",
            name=f"from epoch {start:.0f}", marker={"color": _STARTS[int(start) % len(_STARTS)], "size": 5},
            text=[f"expert {line['expert'] + 1:.0f}" for line in found], hovertemplate="%{y:.3f}, %{text}",
        )  # fmt: skip
    figure.add_hline(y=1, line={"color": "rgba(127,127,127,0.5)", "dash": "dot"})
    return figure.update_xaxes(title="step").update_yaxes(title="distance left / distance gone")
