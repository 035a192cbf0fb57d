"""The style of a set beside real images, how robust it is to damage, and how near its images are to copies.

>>> show_style(run, source)  # a style run with findings
"""

from collections.abc import Mapping, Sequence
from typing import Any

import plotly.graph_objects as go
import streamlit as st

from lgm_core.reports.findings import DIVERSITY
from lgm_core.runs.store import RunFolder
from pages.parts import charts
from pages.parts.images import real_image_html, thumb_index, tiles_html
from pages.parts.maps.neighbourhood import synthetic_tile, title_of
from pages.parts.theme import BLUE, GREY, backbone_colour, plain

_CHANNELS = ("Lightness", "Green to red", "Blue to yellow")


def show_style(run: RunFolder, source: RunFolder) -> None:
    """Spectrum and colours, robustness, then each image beside the real one that is nearest."""
    found = run.findings()
    st.subheader("Spectrum and colours", anchor=False)
    st.caption(f"{found['images']} images of the set, {found['real_images']} real training images at the same size.")
    left, right = st.container(key="lgm_row_beside").columns([2, 3])
    with left:
        power = found["power"]
        _lines({"the set": power["set"], "real": power["real"]}, None, "cycles per image", "log10 power", "power")
    with right:
        lab = found["lab"]
        for place, (column, name) in enumerate(zip(st.columns(3), _CHANNELS, strict=True)):
            with column:
                shares = {"the set": lab["set"][place], "real": lab["real"][place]}
                _lines(shares, lab["centres"][place], name, "share of the pixels", f"lab_{place}")
    st.subheader("Robustness", anchor=False)
    st.caption(
        "The set's images are damaged before the class means are computed from them; the test images stay as they are. "
        "Leftmost: undamaged."
    )
    for column, kind in zip(st.columns(len(found["strengths"])), found["strengths"], strict=True):
        with column:
            _damage(found, kind)
    if found.get("diversity"):
        _diversity(found["diversity"])
    if found["copies"]:
        _copies(found, source)


def _lines(lines: Mapping[str, Any], x: list[float] | None, title: str, axis: str, key: str) -> None:
    figure = go.Figure()
    for (name, values), colour in zip(lines.items(), (BLUE, GREY), strict=True):
        places = x or list(range(1, len(values) + 1))
        figure.add_scatter(x=places, y=values, name=name, mode="lines", line={"color": colour, "width": 2})
    figure.update_xaxes(title=title, type="linear" if x else "log").update_yaxes(title=axis)
    charts.show(figure, key=f"style_{key}", height=260)


def _damage(found: Mapping[str, Any], kind: str) -> None:
    figure = go.Figure()
    strengths = [f"{strength:g}" for strength in found["strengths"][kind]]
    for name, values in found["damage"].get(kind, {}).items():
        figure.add_scatter(
            x=strengths[: len(values)], y=values, name=title_of(name), mode="lines+markers",
            line={"color": backbone_colour(name), "width": 2},
        )  # fmt: skip
    figure.update_xaxes(title=kind, type="category").update_yaxes(title="Top-1", tickformat=".0%", rangemode="tozero")
    charts.show(figure, key=f"style_{kind}", height=260)


def _diversity(rows: Sequence[Mapping[str, Any]]) -> None:
    st.subheader("Several images per class", anchor=False)
    st.caption(
        "Cosine: similarity of an image to the nearest other one of its class in the set; 1 for copies. Coverage: each "
        "real training image is assigned to the nearest image of its class; 100 % where all images of the set get "
        "equally many, less the more unevenly they are assigned."
    )
    shown = [[title_of(one["backbone"]), f"{one['cosine']:.3f}", f"{100 * one['coverage']:.1f}"] for one in rows]
    st.table([dict(zip(("Backbone", *DIVERSITY), row, strict=True)) for row in shown])


def _copies(found: Mapping[str, Any], source: RunFolder) -> None:
    st.subheader("Not a copy", anchor=False)
    st.caption(plain(
        f"Each image beside its nearest real training image in {title_of(found['backbones'][0])}: cosine of the "
        "features, and SSIM of the pixels. Both are 1 for a copy."
    ))  # fmt: skip
    index = thumb_index(found.get("thumbs", ""))
    if not index:
        st.caption("There are no thumbnails of these training images; `record.thumbnails` makes them.")
    pairs = []
    for one in found["copies"][:30]:
        known = bool(index) and one["nearest"] < index["count"]
        real = real_image_html(index, one["nearest"], 86, f"SSIM {one['ssim']:.2f}") if known else ""
        made = synthetic_tile(source, one["image"], f"cosine {one['cosine']:.2f}", one["label"], 86)
        pairs.append(tiles_html([made, real]))
    st.html(f"<div style='display:flex;flex-wrap:wrap;gap:.6rem 1.6rem'>{''.join(pairs)}</div>")
