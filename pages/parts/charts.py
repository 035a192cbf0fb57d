"""Plotly figures that look alike, follow the theme and keep their zoom.

>>> show(curves({"run a": lines}, "loss", {"run a": "blue"}, "distance of the gradients"), key="loss")
"""

from collections.abc import Mapping, Sequence
from typing import Any

import plotly.graph_objects as go
import streamlit as st

_CONFIG = {"displayModeBar": False, "displaylogo": False}


def curves(
    lines: Mapping[str, Sequence[Mapping[str, Any]]], name: str, colours: Mapping[str, str], title: str = "",
    percent: bool = False,
) -> go.Figure:  # fmt: skip
    """One line per run over its steps, counted from 1; lines of metrics without the value are left out.

    `title`: what the value is, in words, for the axis.
    """
    figure = go.Figure()
    for label, found in lines.items():
        points = [line for line in found if line.get(name) is not None]
        figure.add_scatter(
            x=[line["step"] + 1 for line in points], y=[line[name] for line in points], name=label, mode="lines",
            line={"color": colours.get(label), "width": 2},
        )  # fmt: skip
    figure.update_xaxes(title="step").update_yaxes(title=title)
    if percent:
        figure.update_yaxes(tickformat=".0%", range=[0, 1])
    return figure


def show(figure: go.Figure, key: str, height: int = 280, legend: bool = True) -> None:
    """Draw it with small margins, without a tool bar, keeping the zoom over reruns."""
    st.plotly_chart(_laid_out(figure, key, height, legend), key=key, config=_CONFIG)


def choose(figure: go.Figure, key: str, axis: str = "x", height: int = 280, legend: bool = True) -> str:
    """Draw it with bars that can be clicked; returns the chosen one's place on `axis`, "" without one.

    The choice lives in the URL under `key`, until it is forgotten there.
    """
    _laid_out(figure, key, height, legend).update_layout(hovermode="closest", clickmode="event+select")

    def chosen() -> None:
        points = st.session_state[f"chart_{key}"]["selection"]["points"]
        if points:
            st.query_params[key] = str(points[0][axis])

    st.plotly_chart(figure, key=f"chart_{key}", config=_CONFIG, on_select=chosen, selection_mode="points")
    return st.query_params.get(key, "")


def _laid_out(figure: go.Figure, key: str, height: int, legend: bool) -> go.Figure:
    return figure.update_layout(
        height=height, margin={"l": 8, "r": 8, "t": 12, "b": 8}, uirevision=key, showlegend=legend,
        legend={"orientation": "h", "y": 1.02, "yanchor": "bottom", "x": 0}, hovermode="x unified",
        plot_bgcolor="rgba(0,0,0,0)", paper_bgcolor="rgba(0,0,0,0)",
    )  # fmt: skip
