"""Where do two backbones disagree? Image by image, group by group, map over map, and measured against chance."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import streamlit as st

from lgm_core.reports.disagreement import Disagreement
from pages.parts import needed
from pages.parts.address import forget
from pages.parts.disagree.chance import against_chance, by_class
from pages.parts.disagree.chosen import Pair, comparison_run, load_disagreement, pick_k, pick_pair, share_of
from pages.parts.disagree.galleries import group_galleries, groups_of, neighbourhoods, one_image
from pages.parts.disagree.measured import show_measures
from pages.parts.distil_this import distil_this
from pages.parts.images import thumb_index
from pages.parts.maps.embedded import known_backbones, known_datasets, sources_of, with_features
from pages.parts.maps.gallery import gallery
from pages.parts.maps.morph import morphing_map
from pages.parts.pickers import pick_backbones, pick_dataset
from pages.parts.status import panel
from pages.parts.theme import header, plain
from pages.parts.transfer.alignment import align_config
from pages.parts.ways import pick_way

LOOKS = {
    "images": "Images", "map": "Map", "groups": "Groups", "chance": "Chance and classes", "measures": "Measures",
}  # fmt: skip
_NO_THUMBS = "There are no thumbnails of this data set yet; the next run on it makes them."


def rows_of(found: Disagreement, images: Any) -> np.ndarray:
    """Rows of the comparison, by the images' numbers in the split."""
    return np.flatnonzero(np.isin(found.indices, images))


def show_map(found: Disagreement, pair: Pair, k: int, share: np.ndarray, index: Mapping[str, Any]) -> None:
    """The maps of the pair laid over each other; below them what is chosen."""
    left, right = st.container(key="lgm_row_map").columns(2, vertical_alignment="bottom")
    method = pick_way("Map", {"umap": "UMAP", "pca": "PCA"}, key="method", place=left)
    colour = pick_way("Colour", {"agreement": "Common neighbours", "class": "Class"}, key="colour", place=right)
    if found.maps(method) is None:
        st.info("This comparison has no maps: it was computed with `align.maps` off.", icon=":material/map:")
        return
    direction, _, place = st.query_params.get("group", "").partition("-")
    groups = groups_of(found, pair, direction)[2] if direction in ("first", "second") else []
    group = groups[int(place)]["members"] if place.isdigit() and int(place) < len(groups) else []
    if group:
        st.caption(f"A group of {len(group)} images stands out; a line joins an image's places in the two backbones.")
        st.button("Show all images", on_click=forget, args=("group",))
    picked = morphing_map(
        found, (pair.name, *pair.against), method=method, index=index, chosen=found.indices[group] if group else (),
        share=share if colour == "agreement" else None,
    )  # fmt: skip
    clicked = rows_of(found, [picked.real])
    if len(clicked):
        one_image(found, int(clicked[0]), pair, k=k, share=share, index=index)
    if len(picked.images):
        with st.container(horizontal=True, vertical_alignment="center"):
            st.subheader(f"{len(picked.images)} images in the lasso", anchor=False)
            distil_this(picked.images.tolist(), found.run, index, key="lasso", name="lasso", page="disagreement")
        least = dict(zip(found.indices.tolist(), (1 - share).tolist(), strict=True))
        gallery(index, picked.images.tolist(), key="lasso", order={"Most changed": least})
    elif not len(clicked):
        st.caption(
            "The slider moves every image from its place in one backbone to that in the next. Draw around images to "
            "see them, or click one for its nearest images in each backbone."
        )


def show_chance(found: Disagreement, pair: Pair, k: int, share: np.ndarray, index: Mapping[str, Any]) -> None:
    """Both charts, and the images of the bars that were clicked."""
    left, right = st.container(key="lgm_row_chance").columns(2)
    with left:
        common = against_chance(found, pair, k=k, share=share)
    with right:
        own = by_class(found, k=k, share=share)
    if common is None and own is None:
        return
    every = np.arange(len(share))
    rows = np.intersect1d(every if common is None else common, every if own is None else own)
    said = [] if common is None else [f"{st.query_params['common']} of {k} in common"]
    said += [] if own is None else [f"class {plain(st.query_params['class'])}"]
    left, right = st.columns([5, 1], vertical_alignment="center")
    left.subheader(f"{len(rows)} images: {', '.join(said)}", anchor=False)
    right.button("All images", on_click=forget, args=("common", "class"))
    if len(rows):
        neighbourhoods(found, rows, pair, k=k, share=share, index=index, key="bar")


@st.fragment
@panel("The comparison")
def explore(found: Disagreement, backbones: list[str]) -> None:
    """One question at a time, of one pair."""
    left, right = st.container(key="lgm_row_ways").columns([3, 2], vertical_alignment="bottom")
    pair = pick_pair(found, backbones, left)
    k = pick_k(found, right)
    look = pick_way("Show", LOOKS, key="look", hide_label=True)
    share, index = share_of(found, pair, k), thumb_index(found.thumbs)
    if look == "measures":
        opened = show_measures(found, backbones, pair, k=k)
        if opened and opened != st.session_state.get("opened_pair"):
            st.session_state["opened_pair"] = opened
            one, other = opened.split("|")
            first = backbones.index(one) < backbones.index(other)
            st.query_params["pair"] = opened if first else f"{other}|{one}"
            st.rerun(scope="fragment")
    elif not index:
        st.info(_NO_THUMBS)
    elif look == "map":
        show_map(found, pair, k, share, index)
    elif look == "groups":
        group_galleries(found, pair, index=index)
    elif look == "chance":
        show_chance(found, pair, k, share, index)
    else:
        st.caption(
            f"{pair.words}: each image with its nearest images; a ring marks those that all backbones list. On "
            f"average {100 * share.mean():.1f} % of {k} are in common; by chance {100 * found.chance(k):.1f} %."
        )
        neighbourhoods(found, np.arange(len(share)), pair, k=k, share=share, index=index, key="changed")


header("Disagreement", "Where do two backbones disagree about the same images?")
left, right = st.container(key="lgm_row_pick").columns([2, 3])
datasets = known_datasets()
with left:
    dataset = pick_dataset(default=datasets[0] if datasets else "scenes")
with right:
    known = known_backbones(dataset, "align")
    chosen = pick_backbones(default=known or ["mobilenet_v3_small", "tf_efficientnet_lite0"])
backbones = with_features(chosen, "compare")
if len(backbones) < 2:
    st.info("Choose two or more frozen backbones to see where they disagree.", icon=":material/difference:")
    st.stop()
seen = comparison_run(dataset, backbones)
if seen and not seen.finished:
    needed.wait_for([seen], key="disagree")
found = load_disagreement(seen.run) if seen else None
if found:
    explore(found, backbones)
elif seen is None:
    st.info(
        "These backbones have not been compared on this data set yet. The comparison takes one pass over the images, "
        "some minutes for calibration and maps; the result is kept.",
        icon=":material/difference:",
    )
    sources = sources_of(dataset)
    config = align_config(dataset, backbones, sources[0] if sources else None)
    needed.launch("Compare them", [config], key="disagree")
