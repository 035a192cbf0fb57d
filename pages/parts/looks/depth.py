"""How well each layer of a backbone tells the classes apart, as curves over its depth.

>>> show_depth({"dinov2_vits14": run.findings()})
"""

from collections.abc import Mapping
from typing import Any

import plotly.graph_objects as go
import streamlit as st

from lgm_core.backbones.points import READOUTS
from lgm_core.reports.findings import judges_of, on_what, points_of_curve, tables
from pages.parts import charts
from pages.parts.address import forget
from pages.parts.maps.neighbourhood import title_of
from pages.parts.theme import backbone_colour, plain
from pages.parts.ways import pick_way

_DASHES = {"cls": "solid", "mean": "dot", "pool": "solid"}
_MEASURES = {"dimension": "Effective dimension", "separation": "Separation of classes"}


def show_depth(found: Mapping[str, Mapping[str, Any]]) -> None:
    """One figure for all backbones, and a table for each."""
    rows = [row for values in found.values() for row in values["points"]]
    ways = {name: f"Top-1, {name}" for name in judges_of(rows)} | _MEASURES
    if not ways or not rows:
        return
    way = pick_way("Curve", ways, key="curve", hide_label=True)
    figure = go.Figure()
    for name, values in found.items():
        _curves(figure, name, values, way)
    figure.update_xaxes(title="Depth: 0 the first layer, 1 the last", range=[-0.03, 1.03])
    figure.update_yaxes(title=ways[way], rangemode="tozero", tickformat="" if way in _MEASURES else ".0%")
    chosen = charts.choose(figure, key="layer", axis="customdata", height=380)
    images = "; ".join(dict.fromkeys(map(on_what, found.values())))
    st.caption(
        f"{images}. Solid: class token, or pooled map; dotted: mean of the patch tokens. Click a point to distil with "
        "that layer or to see its map. On other pages, add the layer to the backbone's name, such as @block6.cls."
    )
    if chosen.partition("@")[0] in found:
        _lead_on(chosen, next(iter(found.values()))["dataset"])
    for values in found.values():
        for title, columns, cells in tables(values):
            with st.expander(plain(title)):
                st.dataframe([dict(zip(columns, row, strict=True)) for row in cells], hide_index=True)


def _curves(figure: go.Figure, name: str, values: Mapping[str, Any], way: str) -> None:
    points = points_of_curve(values)
    layers = list(dict.fromkeys(row["point"].split(".")[0] for row in points))
    depth = {layer: place / max(len(layers) - 1, 1) for place, layer in enumerate(layers)}
    for readout in dict.fromkeys(row["point"].split(".")[1] for row in points):
        own = [row for row in points if row["point"].endswith(f".{readout}")]
        figure.add_scatter(
            x=[depth[row["point"].split(".")[0]] for row in own],
            y=[row[way] if way in _MEASURES else row["top1"][way] for row in own],
            name=f"{title_of(name)}, {READOUTS[readout]}", mode="lines+markers",
            line={"color": backbone_colour(name), "width": 2, "dash": _DASHES[readout]},
            customdata=[f"{name}@{row['point']}" for row in own], text=[row["point"] for row in own],
            hovertemplate="%{text}: %{y}<extra>%{fullData.name}</extra>",
        )  # fmt: skip


def _lead_on(point: str, dataset: str) -> None:
    """From a point of the curves to what can be done with it as a backbone."""
    with st.container(horizontal=True, vertical_alignment="center"):
        st.markdown(f"**{plain(point)}**")
        for page, label, icon in (("launch", "Distil", "join_inner"), ("embeddings", "Its map", "scatter_plot")):
            query = {"dataset": dataset, "backbones": point}
            st.page_link(f"pages/{page}.py", label=label, icon=f":material/{icon}:", query_params=query)
        st.button("Deselect", on_click=forget, args=("layer",))
