"""Where do synthetic images sit among the real ones? Maps of several backbones, with one selection for all."""

from collections.abc import Mapping, Sequence
from typing import Any

import streamlit as st

from lgm_core.datasets.catalog import counted
from lgm_core.runs.store import RunFolder
from pages.parts import needed
from pages.parts.distil_this import distil_this
from pages.parts.images import thumb_index
from pages.parts.maps.embedded import (
    embed_config,
    embed_runs,
    known_backbones,
    known_datasets,
    sources_of,
    with_features,
)
from pages.parts.maps.gallery import gallery
from pages.parts.maps.map import Picked, embedding_maps
from pages.parts.maps.neighbourhood import nearest_of_real, nearest_of_synthetic, title_of
from pages.parts.maps.points import colourings, has, load_map
from pages.parts.pickers import pick_backbones, pick_dataset, settings
from pages.parts.status import panel
from pages.parts.theme import empty, header, plain
from pages.parts.ways import pick_way


@st.fragment
@panel("The maps")
def explore(names: Sequence[str], runs: Sequence[RunFolder]) -> None:
    """Maps, and below them what is chosen on them."""
    maps = [load_map(run) for run in runs]
    row = st.container(key="lgm_row_ways")
    left, middle, right = row.columns([1, 2, 2], vertical_alignment="bottom")
    first = maps[0]
    shown_images = counted(settings(runs[0])["dataset"], len(first["indices"]), first["split"])
    method = pick_way("Map", {"umap": "UMAP", "pca": "PCA"}, key="method", place=left)
    colour = pick_way("Colour", colourings(maps), key="colour", place=middle)
    sources = list(dict.fromkeys(name for found in maps for name in found["sources"] or {}))
    shown = right.multiselect("Show images of", sources, default=sources, key="stars") if sources else []
    hidden = [name for name in sources if name not in shown]
    st.caption(f"{shown_images}. {({'pca': _axes_of(maps)}).get(method, '')}")
    picked = embedding_maps(runs, method=method, colour_by=colour, hidden=hidden)
    index = thumb_index(maps[0]["thumbs"])
    if not index:
        st.info("There are no thumbnails of this data set yet; the next run on it makes them.")
    elif picked.star or picked.real is not None:
        _neighbours(picked, runs, maps, index)
    if index and len(picked.images):
        with st.container(horizontal=True, vertical_alignment="center"):
            st.subheader(f"{len(picked.images)} images in the lasso", anchor=False)
            distil_this(picked.images.tolist(), runs[0], index, key="lasso", name="lasso", page="embeddings")
        gallery(index, picked.images.tolist(), key="lasso", order=_orders(maps[0]))
    elif index and picked.star is None and picked.real is None:
        st.caption(
            "Draw around points to see their images, in all maps at once; click a point or a mark for its nearest "
            "images. Scroll to zoom; drag with Shift to move. With the keyboard: arrows go from point to point, Enter "
            "opens one, S selects around it, + and − zoom."
        )


def _axes_of(maps: Sequence[Mapping[str, Any]]) -> str:
    """How much of the variance the two axes of each map hold."""
    found = [f"{title_of(one['backbone'])} {100 * sum(one['explained']):.0f} %" for one in maps if one.get("explained")]
    return f"Variance explained by the two axes: {', '.join(found)}." if found else ""


def _neighbours(
    picked: Picked, runs: Sequence[RunFolder], maps: Sequence[Mapping[str, Any]], index: Mapping[str, Any]
) -> None:
    for run, found in zip(runs, maps, strict=True):
        if picked.star:
            nearest_of_synthetic(RunFolder(run.path.parent / picked.star[0]), picked.star[1], found, index)
        elif picked.real is not None:
            nearest_of_real(run, picked.real, found, index)


def _orders(found: Mapping[str, Any]) -> dict[str, dict[int, float]]:
    names = {"wrong": "Probe error", "distance": "Distance"}
    return {
        words: dict(zip(found["indices"].tolist(), found[name].tolist(), strict=True))
        for name, words in names.items()
        if has(found, name)
    }


header("Embeddings", "Where do synthetic images sit among the real ones?")
datasets = known_datasets()
if not datasets:
    empty(
        "No images to map yet",
        "Distil a data set first. This page then shows its real images in the feature space of each backbone, with "
        "the synthetic ones among them.",
        page="pages/launch.py",
        label="Launch a run",
        icon="scatter_plot",
    )
    st.stop()
left, right = st.container(key="lgm_row_pick").columns([2, 3])
with left:
    dataset = pick_dataset(default=datasets[0])
with right:
    chosen = pick_backbones(default=known_backbones(dataset))
backbones = with_features(chosen, "map images with")
found = {name: embed_runs(dataset, name) for name in backbones}
sources = sources_of(dataset)
seen = [needed.look(runs[0]) for runs in found.values() if runs]  # before the maps are read
ready = [next((run for run in runs if load_map(run)), None) for runs in found.values()]
under_way = [one for one in seen if not one.finished]
lacking = [name for name in backbones if not found[name]]
needed.wait_for(under_way, key="embed")
if lacking:
    said = plain(", ".join(map(title_of, lacking)))
    st.info(
        f"There is no map of this data set in {said} yet. It takes one pass over the images; the result is kept.",
        icon=":material/map:",
    )
    needed.launch("Compute", [embed_config(dataset, name, sources) for name in lacking], key="maps")
shown = [run for run in ready if run is not None]
if shown:
    placed = {name for run in shown for name in load_map(run)["sources"] or {}}
    new = [run for run in sources if run.id not in placed]
    if new and not under_way:
        with st.expander(f"{len(new)} newer {'set is' if len(new) == 1 else 'sets are'} not on these maps yet"):
            st.caption(plain(", ".join(run.id for run in new)))
            configs = [embed_config(dataset, load_map(run)["backbone"], sources) for run in shown]
            needed.launch("Add them", configs, key="newer", primary=False)
    explore(backbones, shown)
elif not under_way and not lacking:
    empty("Choose a backbone", "Each backbone you choose gets its own map.", icon="scatter_plot")
