"""One evaluation opened: its numbers, who is taken for whom, the worst classes and groups, and the images behind it.

>>> open_report(run, report, key="opened")
"""

from html import escape
from typing import Any

import plotly.graph_objects as go
import streamlit as st

from lgm_core.base.names import thumbs_key
from lgm_core.evaluation.catalog import PROTOCOLS
from lgm_core.evaluation.protocol import column_of, judged_by, protocol_of
from lgm_core.reports.confusion import most_confused, shares, titles_of, worst_classes
from lgm_core.reports.matrix import config_of
from lgm_core.reports.pictures import class_names, labels
from lgm_core.reports.summary import stand_in_of
from lgm_core.runs.store import RunFolder
from pages.parts.distil_this import distil_this
from pages.parts.images import real_image_html, thumb_index, tiles_html
from pages.parts.maps.neighbourhood import synthetic_tile
from pages.parts.theme import BLUE, plain

_MOST_NAMED = 40  # classes whose confusion can be read
_MOST_TILES = 60
_SCALE = [[0, "rgba(0,114,178,0.06)"], [1, BLUE]]  # fits light and dark


def open_report(run: RunFolder, report: dict[str, Any], source: RunFolder | None = None, *, key: str) -> None:
    """Everything that a report says; `source`: the run whose images it judges, where not `run`."""
    column = column_of(report)
    many = PROTOCOLS[protocol_of(column)].many
    st.caption(f"Judged by {judged_by([column])}.")
    tops = [(name, key) for name, key in (("Top-1", "top1"), ("Top-5", "top5")) if report[key] is not None]
    spreads = [f"± {100 * report.get(f'{key}_std', 0):.1f} over the {many}" for _, key in tops]
    if len(report["top1_seeds"]) == 1:
        spreads = [""] * len(tops)
    facts = [(name, f"{100 * report[key]:.1f} %", note) for (name, key), note in zip(tops, spreads, strict=True)]
    if report["worst_group"] is not None:
        worst = min(range(len(report["per_group"])), key=lambda g: _or_one(report["per_group"][g]))
        facts.append(("Worst group", f"{100 * report['worst_group']:.1f} %", str(report["groups"][worst])))
    facts.append(("Images", str(report["train_images"]), f"tested on {report['test_images']}"))
    tiles = st.container(key="lgm_row_tiles").columns(len(facts))
    for column, (name, value, note) in zip(tiles, facts, strict=True):
        column.metric(name, value, note or None, delta_color="off", delta_arrow="off", border=True)
    if note := stand_in_of(report):
        st.caption(f"The weights of {plain(report['backbone'])} were a stand-in for the published ones: {plain(note)}.")
    if report.get("mark"):
        st.warning(plain(str(report["mark"])), icon=":material/visibility:")
    left, right = st.container(key="lgm_row_plots").columns([3, 2])
    with left:
        _confusion(report, key)
        _groups(report, key)
    with right:
        _worst(report)
    _mistakes(run, report, key)
    _images(source or run, titles_of(report))


def _confusion(report: dict[str, Any], key: str) -> None:
    names = titles_of(report)
    if len(names) > _MOST_NAMED:
        st.markdown("**Most frequent confusions**")
        rows = [{"class": a, "taken for": b, "times": n} for n, a, b in most_confused(report, 20)]
        st.dataframe(rows, hide_index=True)
        return
    _heatmap(report["confusion"], names, names, "True class (rows), predicted class (columns)", key=f"confusion_{key}")


def _mistakes(run: RunFolder, report: dict[str, Any], key: str) -> None:
    """The test images behind a cell of the confusion, and a way to distil what they have in common."""
    config, names, prints = config_of(run), titles_of(report), run.data().get("fingerprints", [])
    if not report.get("mistaken") or report.get("dataset", config.dataset) != config.dataset or len(prints) < 2:
        return
    named = {f"{names[one['true']]} taken for {names[one['taken']]}": one for one in report["mistaken"]}
    words = st.selectbox("Test images of", list(named), key=f"mistaken_{key}")
    one, index = named[words], thumb_index(thumbs_key(config.dataset, "test", prints[1]))
    images = [image for image in one["images"] if image < index.get("count", 0)]
    if not images:
        st.caption("There are no thumbnails of the test images; `record.thumbnails` makes them.")
        return
    times, shown = report["confusion"][one["true"]][one["taken"]], len(images)
    many = PROTOCOLS[protocol_of(column_of(report))].many
    by = f", by the first of the {many}" if len(report["top1_seeds"]) > 1 else ""
    counted = f"{shown} of {times} images" if shown < times else f"{times} {'image' if times == 1 else 'images'}"
    st.caption(counted + by)
    st.html(tiles_html([real_image_html(index, image, 72, "") for image in images]))
    distil_this(images, run, index, key=f"mistaken_{key}_{words}", name=words, page="cross_model")


def _groups(report: dict[str, Any], key: str) -> None:
    """What the images of each group are taken for: a class that a group's images go to is what the group gives away."""
    names, groups = titles_of(report), [str(name) for name in report["groups"]]
    if report.get("group_confusion") and max(len(names), len(groups)) <= _MOST_NAMED:
        title = "Group (rows), predicted class (columns)"
        _heatmap(report["group_confusion"], groups, names, title, key=f"groups_{key}")


def _heatmap(counts: list[list[int]], rows: list[str], columns: list[str], title: str, *, key: str) -> None:
    """Each row's counts as shares of it."""
    rows, columns = ([escape(name) for name in names] for names in (rows, columns))  # Plotly reads some HTML
    figure = go.Figure(
        go.Heatmap(
            z=shares(counts), customdata=counts, colorscale=_SCALE, zmin=0, zmax=1, showscale=False,
            text=[columns for _ in rows], xgap=2, ygap=2,
            hovertemplate="taken for %{text}: %{customdata}<extra></extra>",
        )
    )  # fmt: skip
    figure.update_layout(
        title={"text": title, "font": {"size": 14}}, height=130 + 26 * len(rows),
        margin={"l": 10, "r": 10, "t": 36, "b": 10}, uirevision=key,
        xaxis=_ticks(columns) | {"tickangle": -40}, yaxis=_ticks(rows) | {"autorange": "reversed"},
    )  # fmt: skip
    st.plotly_chart(figure, key=key, config={"displayModeBar": False})


def _ticks(names: list[str]) -> dict[str, Any]:
    short = [name if len(name) < 18 else f"{name[:16]}…" for name in names]
    return {"tickmode": "array", "tickvals": list(range(len(names))), "ticktext": short}


def _worst(report: dict[str, Any]) -> None:
    rows = [
        {
            "class": hard.name,
            "top-1, %": round(100 * hard.top1, 1),
            "taken for": hard.taken_for[0][0] if hard.taken_for else "",
        }
        for hard in worst_classes(report, 10)
    ]
    st.markdown("**Worst classes**")
    st.dataframe(rows, hide_index=True)
    if report["per_group"]:
        groups = zip(report["groups"], report["per_group"], strict=True)
        ranked_groups = sorted((value, str(name)) for name, value in groups if value is not None)
        st.markdown("**Worst groups**")
        st.dataframe([{"group": n, "top-1, %": round(100 * v, 1)} for v, n in ranked_groups[:10]], hide_index=True)


def _images(run: RunFolder, names: list[str]) -> None:
    frames = run.frame_list()
    if not frames:
        st.caption("This run trains on the real images themselves, so it has no images of its own.")
        return
    owners, names = labels(run)[:_MOST_TILES], class_names(run) or names
    st.markdown("**Evaluated images**")
    st.html(tiles_html([synthetic_tile(run, place, names[label], label) for place, label in enumerate(owners)]))


def _or_one(value: float | None) -> float:
    return 1.0 if value is None else value
