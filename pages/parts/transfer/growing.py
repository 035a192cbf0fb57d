"""Accuracy against images per class: the sets of a study that were made in several sizes, beside the real picks.

>>> show_growth(matrix)
"""

import plotly.graph_objects as go
import streamlit as st

from lgm_core.reports.growth import Growth, growth_table, growths
from lgm_core.reports.matrix import Matrix
from pages.parts import charts
from pages.parts.maps.neighbourhood import title_of
from pages.parts.theme import backbone_colour, plain
from pages.parts.ways import pick_way

_REAL = {"random": "circle", "centroids": "square", "neighbours": "diamond"}  # as on maps; other choices: a cross


def show_growth(matrix: Matrix) -> None:
    """A curve for each way of making or choosing images, in one of the judges; nothing where each has one size."""
    found = {one.column: one for one in growths(matrix)}
    if not found:
        return
    st.subheader("Accuracy against images per class", anchor=False)
    several = len(found) > 1
    column = pick_way("Judge", {name: title_of(name) for name in found}, key="growth") if several else next(iter(found))
    growth = found[column]
    charts.show(_figure(growth), key=f"growth_{column}", height=360)
    st.caption(f"{plain(growth.judge_words())} Solid: learned sets; dashed: real images. {growth.meeting()}")
    with st.expander("As a table", icon=":material/table_rows:"):
        headings, rows = growth_table(growth)
        st.dataframe([dict(zip(headings, row, strict=True)) for row in rows], hide_index=True)


def _figure(growth: Growth) -> go.Figure:
    figure = go.Figure()
    for way, line in growth.lines.items():
        learned = growth.choices[way] == "distill"
        colour = "#888" if growth.choices[way] == "random" else backbone_colour(growth.backbones[way])
        figure.add_scatter(
            x=list(line), y=[cell.mean for cell in line.values()], name=way, mode="lines+markers",
            error_y={"type": "data", "array": [cell.spread for cell in line.values()], "thickness": 1},
            line={"color": colour, "width": 3 if learned else 1.5, "dash": "solid" if learned else "dash"},
            marker={"size": 9, "symbol": "star" if learned else _REAL.get(growth.choices[way], "x")},
            hovertemplate="%{y:.1%}",
        )  # fmt: skip
    if growth.full:
        figure.add_hline(
            growth.full.mean, line={"color": "#888", "width": 1, "dash": "dot"}, annotation_text="all real"
        )
    figure.update_xaxes(
        title="images per class", type="log", tickvals=list(growth.counts), ticktext=[*map(str, growth.counts)]
    )
    return figure.update_yaxes(title="Top-1 accuracy", tickformat=".0%")
