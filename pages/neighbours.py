"""Which real images does each synthetic one resemble? Its nearest ones, in one backbone beside another."""

from collections.abc import Mapping
from typing import Any

import streamlit as st

from lgm_core.runs.store import RunFolder
from pages.parts import needed
from pages.parts.distil_this import distil_this
from pages.parts.images import thumb_index
from pages.parts.maps.embedded import embed_config, embed_runs, known_backbones, with_features
from pages.parts.maps.neighbourhood import heading, neighbour_row, summary, title_of
from pages.parts.maps.points import load_map
from pages.parts.pickers import has_images, pick_backbones, pick_run, settings
from pages.parts.status import panel
from pages.parts.theme import empty, header, plain
from pages.parts.ways import pick_page

_PER_PAGE = 8


def map_with(source: RunFolder, backbone: str) -> RunFolder | None:
    """The newest map of this backbone with the images of `source` on it."""
    runs = embed_runs(settings(source)["dataset"], backbone)
    return next((run for run in runs if source.id in (load_map(run).get("sources") or {})), None)


def pending(source: RunFolder, backbone: str) -> needed.Look | None:
    """The newest map of this backbone that is to hold the images of `source`, where it is not finished."""
    runs = [run for run in embed_runs(settings(source)["dataset"], backbone) if source.id in settings(run)["sources"]]
    seen = needed.look(runs[0]) if runs else None
    return None if seen is None or seen.finished else seen


def show(source: RunFolder, runs: list[RunFolder]) -> None:
    """A block per synthetic image, with a row per backbone."""
    maps = [load_map(run) for run in runs]
    index, labels = thumb_index(maps[0]["thumbs"]), maps[0]["sources"][source.id]["labels"]
    if not index:
        st.info("There are no thumbnails of this data set yet; the next run on it makes them.")
        return
    classes = [str(name) for name in index["classes"]]
    most = min(len(found["sources"][source.id]["nearest"][0]) for found in maps)
    left, middle, right = st.columns([2, 2, 1], vertical_alignment="bottom")
    k = left.slider("Nearest images", 1, max(most, 2), min(8, most), key="k", bind="query-params")
    present = sorted(set(labels))
    names = {"": "All classes"} | {str(label): classes[label] for label in present}
    chosen = middle.selectbox(
        "Class", list(names), format_func=lambda c: names.get(c, c), key="class", bind="query-params"
    )
    places = [place for place, label in enumerate(labels) if not chosen or str(label) == chosen]
    pages = -(-len(places) // _PER_PAGE)
    page = pick_page(pages, key="page", place=right)
    for place in places[(page - 1) * _PER_PAGE : page * _PER_PAGE]:
        with st.container(border=True):
            st.markdown(f"**{plain(classes[labels[place]])}**")
            for found in maps:
                st.html(heading(found["backbone"]) + neighbour_row(source, place, found, index, k=k))
            near = {image: None for found in maps for image in found["sources"][source.id]["nearest"][place][:k]}
            name = f"near {classes[labels[place]]}"
            distil_this([*near], runs[0], index, key=f"near_{place}", name=name, page="neighbours")


def averages(source: RunFolder, maps: list[Mapping[str, Any]]) -> None:
    """How near the synthetic images are to their own class, per backbone."""
    for column, found in zip(st.columns(len(maps)), maps, strict=True):
        facts = summary(found, source.id)
        with column.container(border=True):
            st.html(heading(found["backbone"]))
            st.metric("Nearest real image of the same class", f"{100 * facts['first']:.0f} %")
            st.caption(f"First image of the same class at rank {facts['rank']:.1f}, similarity of the nearest "
                       f"{facts['similarity']:.2f}; averaged over the synthetic images")  # fmt: skip


header("Neighbours", "Which real images does each synthetic one resemble?")
left, right = st.container(key="lgm_row_pick").columns([2, 3])
with left:
    source = pick_run(kinds=("distill", "baseline"), key="run", label="Synthetic images of", where=has_images)
if source is None:
    empty(
        "No synthetic images yet",
        "Distil a data set first. This page then shows the real images nearest to each synthetic one.",
        page="pages/launch.py",
        label="Launch a run",
        icon="join_inner",
    )
    st.stop()
with right:
    chosen = pick_backbones(default=known_backbones(settings(source)["dataset"]))
backbones = with_features(chosen, "find neighbours with")
seen = needed.look(source)
if not source.has_images():
    if seen.status.state != "failed":
        st.info("This run has no result yet. Until then, Watch shows the nearest images at each step.")
    needed.wait_for([seen], key="source")
    st.stop()
asked = {name: pending(source, name) for name in backbones}  # before the maps are read
found = {name: map_with(source, name) for name in backbones}
needed.wait_for([one for name, one in asked.items() if one and found[name] is None], key="near")
lacking = [name for name in backbones if found[name] is None and asked[name] is None]
if lacking:
    st.info(
        f"The neighbours in {plain(', '.join(map(title_of, lacking)))} have not been computed yet.",
        icon=":material/join_inner:",
    )
    configs = [embed_config(settings(source)["dataset"], name, [source]) for name in lacking]
    needed.launch("Compute", configs, key="near")
maps = [one for one in found.values() if one is not None]
if maps:
    with panel("Neighbours"):
        averages(source, [load_map(run) for run in maps])
        show(source, maps)
elif not backbones:
    empty("Choose a backbone", "Each backbone has its own notion of similarity.", icon="join_inner")
