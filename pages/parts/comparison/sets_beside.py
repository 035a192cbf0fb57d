"""The sets of several runs beside each other at one step, then two of their frames under one slider.

>>> images(runs)  # of the runs that have frames
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import streamlit as st

from lgm_core.base.remembered import Remembered
from lgm_core.runs.frames import first_shown
from lgm_core.runs.store import RunFolder
from pages.parts.comparison.before_after import before_after
from pages.parts.images import frame_url
from pages.parts.theme import plain


def images(runs: Sequence[RunFolder]) -> None:
    """The sets at the same step, or at the same share of their steps; then two of them under one slider."""
    framed = [run for run in runs if run.frame_list()]
    if not framed:
        st.caption("None of these runs has images yet.")
        return
    last = max(run.frame_list()[-1]["step"] for run in framed) + 1
    step = st.slider("Step", 1, last, last, key="step", bind="query-params") if last > 1 else 1
    chosen = {run.id: at_step(run, step - 1) for run in framed}
    for column, run in zip(st.columns(len(framed)), framed, strict=True):
        column.markdown(f"**{plain(run.id)}**")
        column.image(frame_url(run, chosen[run.id]), width="stretch")
        column.caption(f"step {chosen[run.id]['step'] + 1}")
    st.markdown("**Before and after**")
    left, right = st.columns(2)
    first = {f"{run.id} · first that shows something": (run, _FIRST.of(run.frame_index)) for run in framed}
    options = first | {f"{run.id} · at this step": (run, chosen[run.id]) for run in framed}
    names = list(options)
    one = left.selectbox("Left", names, index=len(framed) if len(framed) > 1 else 0, key="left")
    other = right.selectbox("Right", names, index=len(names) - 1, key="right")
    before_after(frame_url(*options[one]), one, frame_url(*options[other]), other, key="before_after")


def _first_shown(index: Path) -> Mapping[str, Any]:
    run = RunFolder(index.parent.parent)
    return first_shown(run.frames, run.frame_list())


_FIRST = Remembered(_first_shown)


def at_step(run: RunFolder, step: int) -> dict[str, Any]:
    """The newest frame that is not after a step; steps count from 0 here, as in a run's files."""
    frames = run.frame_list()
    return max((frame for frame in frames if frame["step"] <= step), key=lambda frame: frame["step"], default=frames[0])
