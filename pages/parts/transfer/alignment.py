"""How alike backbones see a data set, from an align run, and whether transfer follows it.

>>> values = show_alignment(run, backbones)  # {("mobilenet_v2", "clip_vitb16"): 0.41, ...}
>>> show_scatter(run, matrix, backbones, values)
"""

from collections.abc import Sequence

import plotly.graph_objects as go
import streamlit as st

from lgm_core.base.knobs import from_dict
from lgm_core.config import RunConfig
from lgm_core.reports.disagreement import WORDS, open_disagreement
from lgm_core.reports.matrix import Matrix
from lgm_core.reports.transfer import Point, related, transfer_points, transfer_table
from lgm_core.runs.store import RunFolder
from pages.parts import charts
from pages.parts.maps.neighbourhood import title_of
from pages.parts.pickers import listed_runs, settings
from pages.parts.theme import backbone_colour
from pages.parts.transfer.matrix import alignment_matrix
from pages.parts.ways import pick_way

Values = dict[tuple[str, str], float]
_GLOBAL = {"cka", "cka_debiased", "rsa", "procrustes"}


def align_run(dataset: str, backbones: Sequence[str]) -> RunFolder | None:
    """The newest align run on a data set that compares all of these backbones; a finished one first."""
    runs = [
        run for run, its in listed_runs()
        if (its.kind, its.dataset) == ("align", dataset) and set(backbones) <= set(its.evaluate_on)
    ]  # fmt: skip
    return next((run for run in runs if run.status().state == "finished"), runs[0] if runs else None)


def align_config(dataset: str, backbones: Sequence[str], like: RunFolder | None = None) -> RunConfig:
    """The config of an align run, on the same part of the data as the run `like`."""
    first = settings(like) if like else {}
    values = {name: first[name] for name in ("seed", "data", "device", "normalisation") if name in first}
    return from_dict(RunConfig, values | {"kind": "align", "dataset": dataset, "evaluate_on": list(backbones)})


def show_alignment(run: RunFolder, backbones: Sequence[str]) -> Values:
    """The matrix of the measure that the reader chooses; returns what is known of it."""
    found = run.alignment()
    if not found:
        return {}
    measures = {"knn": WORDS["mutual_knn"]} | {
        name: words for name, words in WORDS.items() if name in _GLOBAL & {*found}
    }
    measure = pick_way("Measure", measures, key="measure", hide_label=True)
    if measure == "knn":
        sizes = sorted(found["mutual_knn"], key=int)
        first = "10" if "10" in sizes else sizes[0]
        many = len(sizes) > 1
        k = (
            st.select_slider("Number of neighbours, k", sizes, first, key="neighbours", bind="query-params")
            if many
            else first
        )
        values, chance = found["mutual_knn"][k], found.get("chance", {}).get("mutual_knn", {}).get(k)
        words = "Share of an image's k nearest images on which both backbones agree, averaged over the images."
        words += "" if chance is None else f" Chance level: {chance:.3f}."
    else:
        values = found[measure]
        words = f"{WORDS[measure]} of the features: 1 where they agree up to rotation and scale."
    place = {name: i for i, name in enumerate(found["backbones"])}
    shown = [name for name in backbones if name in place]
    table = [[values[place[a]][place[b]] for b in shown] for a in shown]
    alignment_matrix(shown, table, key="alignment")
    st.caption(f"{words} {found['images']} test images.")
    return {
        (a, b): value
        for a, line in zip(shown, table, strict=True)
        for b, value in zip(shown, line, strict=True)
        if value is not None
    }


def show_scatter(run: RunFolder, matrix: Matrix, backbones: Sequence[str], values: Values) -> None:
    """Transfer against alignment, a point per ordered pair of different backbones, with r and its interval."""
    full = any(row.choice == "full" for row in matrix.rows)
    points = transfer_points(matrix, values, "relative" if full else "raw")
    points = [one for one in points if {one.made, one.judge} <= set(backbones)]
    if len(points) < 2:
        return
    st.subheader("Transfer against alignment", anchor=False)
    figure = go.Figure()
    for made in dict.fromkeys(one.made for one in points):
        own = [one for one in points if one.made == made]
        figure.add_scatter(
            x=[one.alignment for one in own], y=[one.accuracy for one in own], mode="markers",
            name=f"distilled with {title_of(made)}",
            marker={
                "size": 12, "color": backbone_colour(made), "line": {"width": 1, "color": "white"},
                "symbol": ["circle-open" if one.control else "circle" for one in own],
            },
            customdata=[title_of(one.judge) for one in own],
            hovertemplate="judged by %{customdata}<br>alignment %{x:.2f}, accuracy %{y:.1%}<extra></extra>",
        )  # fmt: skip
    low, high = min(one.alignment for one in points), max(one.alignment for one in points)
    figure.update_xaxes(title="Alignment of the two backbones", range=[max(low - 0.1, -0.02), min(high + 0.1, 1.02)])
    figure.update_yaxes(title="Accuracy relative to all real images" if full else "Top-1 accuracy", tickformat=".0%")
    left, right = st.container(key="lgm_row_beside").columns([3, 2], vertical_alignment="center")
    with left:
        charts.show(figure, key="scatter", height=340)
    with right:
        _correlation([one for one in points if not one.control], any(one.control for one in points))
    if compared := open_disagreement(run):
        headings, rows = transfer_table(matrix, compared)
        if not rows:
            return
        with st.expander("By every measure, against chance", icon=":material/table_rows:"):
            st.dataframe([dict(zip(headings, row, strict=True)) for row in rows], hide_index=True)


def _correlation(points: Sequence[Point], has_controls: bool) -> None:
    found = related(points)
    if found is None:
        st.caption("The correlation is shown here once there are three pairs of different backbones.")
        return
    low, high = found.interval
    st.metric(
        "Pearson's r", f"{found.r:.2f}", f"95 % interval {low:.2f} to {high:.2f}, {found.pairs} pairs",
        delta_color="off", delta_arrow="off", border=True,
    )  # fmt: skip
    st.caption(
        f"The interval is over the {found.backbones} backbones, whose pairs are not independent (if they were: "
        f"{found.fisher[0]:.2f} to {found.fisher[1]:.2f}); p = {found.p:.3f}, by permuting the backbones."
        + (" Untrained controls, drawn hollow, are left out." if has_controls else "")
    )
