"""Cards of backbones beside each other: accuracies, dimensions, cost; their spectra; the classes that they mix up.

>>> show_cards({"mobilenet_v2": run.findings()})
"""

from collections.abc import Mapping
from html import escape
from typing import Any

import plotly.graph_objects as go
import streamlit as st

from lgm_core.reports.findings import costs, on_what, percent
from lgm_core.runs.store import RunFolder
from pages.parts import charts
from pages.parts.distil_this import distil_this
from pages.parts.images import real_image_html, thumb_index, tiles_html
from pages.parts.looks.found import looks
from pages.parts.maps.neighbourhood import heading, title_of
from pages.parts.theme import backbone_colour, plain

_WHAT = (
    "**Probe**: a regularised linear head at its optimum, trained on these training images; **nearest mean** and "
    "**k-NN** need no training. **Effective dimension**: participation ratio of the covariance. "
    "**RankMe**: exponential of the entropy of the normalised singular values. **Separation**: share of the "
    "variance that lies between the classes."
)

_SHOWN = 12  # images of a mistake
_STYLE = (
    "<style>.lgm-card{width:100%;max-width:24rem;border-collapse:collapse}.lgm-card td{padding:.18rem 0}"
    ".lgm-card td:last-child{text-align:right;font-variant-numeric:tabular-nums}</style>"
)


def show_cards(found: Mapping[str, Mapping[str, Any]]) -> None:
    """One card per backbone, then what they have in common to compare."""
    first = next(iter(found.values()))
    st.caption(_WHAT)
    columns = st.container(key="lgm_row_cards").columns(len(found))
    for column, (name, values) in zip(columns, found.items(), strict=True):
        with column.container(border=True, height="stretch"):
            _card(name, values)
    st.subheader("Spectrum", anchor=False)
    st.caption(
        "Share of the variance along each principal axis of the training images; the steeper the line, the fewer axes "
        "matter."
    )
    _spectra(found)
    _moments({name: values["moments"] for name, values in found.items() if values.get("moments")})
    st.subheader("Hardest pairs of classes", anchor=False)
    runs = looks("backbone", first["dataset"], list(found))
    for name, values in found.items():
        _pairs(name, values, runs.get(name))


def _card(name: str, values: Mapping[str, Any]) -> None:
    rows = [(judge, f"{percent(report['top1'])} %") for judge, report in values["judges"].items()]
    probe = values["judges"]["probe"]
    if probe["worst_group"] is not None:
        group = values["groups"][probe["per_group"].index(probe["worst_group"])]
        rows.append((f"probe, worst group ({group})", f"{percent(probe['worst_group'])} %"))
    rows += [
        ("effective dimension", f"{values['dimension']:.1f}"), ("RankMe", f"{values['rank_me']:.1f}"),
        ("separation", f"{values['separation']:.3f}"),
    ]  # fmt: skip
    cells = "".join(f"<tr><td>{escape(key)}</td><td><b>{escape(value)}</b></td></tr>" for key, value in rows)
    st.html(f"{heading(name)}{_STYLE}<table class='lgm-card'>{cells}</table>")
    st.caption(plain(f"{values['feature_size']} features: {values['feature']}; on {on_what(values)}"))
    for key, value in costs(values.get("cost", {})):
        st.caption(f"**{key}** {plain(value)}")


def _spectra(found: Mapping[str, Mapping[str, Any]]) -> None:
    figure = go.Figure()
    for name, values in found.items():
        figure.add_scatter(
            x=list(range(1, len(values["spectrum"]) + 1)), y=values["spectrum"], name=title_of(name), mode="lines",
            line={"color": backbone_colour(name), "width": 2},
        )  # fmt: skip
    figure.update_xaxes(title="Principal axis", type="log").update_yaxes(title="Share of the variance", type="log")
    charts.show(figure, key="spectra", height=320)


def _moments(found: Mapping[str, list[dict[str, float]]]) -> None:
    """A slider over the heads' size: from means that are all there is to images at the border."""
    if not found:  # cards of before this was measured
        return
    st.subheader("What class means explain", anchor=False)
    st.caption(
        "Share of a linear head's gradient that the class means explain (squared cosine, mean over five random heads). "
        "The target `mean` of a distillation matches only these means: exact while the head's outputs are near 0, and "
        "less so the more confident the head is."
    )
    sizes = {f"{row['logits']:g}": row["logits"] for row in next(iter(found.values()))}
    first = "1" if "1" in sizes else next(iter(sizes))
    words = "Standard deviation of the head's outputs"
    size = sizes[st.select_slider(words, list(sizes), first, key="head", bind="query-params")]
    row = st.container(key="lgm_row_moments").columns(len(found))
    figure = go.Figure()
    for column, (name, lines) in zip(row, found.items(), strict=True):
        share = next((line["share"] for line in lines if line["logits"] == size), float("nan"))
        column.metric(title_of(name), f"{percent(share)} %", border=True)
        figure.add_scatter(
            x=[line["logits"] for line in lines], y=[100 * line["share"] for line in lines], name=title_of(name),
            mode="lines+markers", line={"color": backbone_colour(name), "width": 2},
        )  # fmt: skip
    figure.add_vline(x=size, line_dash="dot", opacity=0.6)
    figure.update_xaxes(title="Standard deviation of the head's outputs", type="log")
    figure.update_yaxes(title="Explained by class means, %", range=[0, 102])
    charts.show(figure, key="moments", height=300)


def _pairs(name: str, values: Mapping[str, Any], run: RunFolder | None) -> None:
    """Each pair that the probe mixes up, with test images of both mistakes."""
    st.html(heading(name))
    index, classes = thumb_index(values["thumbs"]), values["classes"]
    if not values["hardest"]:
        st.caption("The probe confuses no classes.")
    for one in values["hardest"][:4]:
        (a, b), counts = one["pair"], one["counts"]
        ways = [
            (classes[a], classes[b], counts[0], one["images"][0]),
            (classes[b], classes[a], counts[1], one["images"][1]),
        ]
        for column, (true, taken, count, images) in zip(st.columns(2), ways, strict=True):
            column.markdown(f"{plain(true)} taken for {plain(taken)}: **{count}**")
            if index and images:
                column.html(tiles_html([real_image_html(index, image, 72) for image in images[:_SHOWN]]))
                if run is not None:
                    words = f"{true} taken for {taken}"
                    with column:
                        distil_this(images, run, index, key=f"{name}-{true}-{taken}", name=words, page="backbones")
