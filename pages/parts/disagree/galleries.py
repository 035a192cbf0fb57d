"""Images with their neighbourhoods in each backbone beside each other, and the groups that one of them tears apart.

>>> neighbourhoods(found, rows, pair, k=10, share=share, index=index, key="changed")
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from html import escape
from typing import Any

import numpy as np
import streamlit as st

from lgm_core.reports.disagreement import OTHERS, Disagreement, evidence
from pages.parts.disagree.chosen import Pair
from pages.parts.distil_this import distil_this
from pages.parts.images import real_image_html, tiles_html
from pages.parts.maps.gallery import class_bar
from pages.parts.maps.neighbourhood import STYLE, title_of
from pages.parts.theme import GREEN, backbone_colour, class_colour, plain
from pages.parts.ways import pick_page, pick_way

_PER_PAGE, _MOST_TILES, _MOST_NEAR = 8, 36, 20
_BLOCK = (
    f"{STYLE}<style>.lgm-sides{{display:flex;flex-wrap:wrap;gap:.4rem 1.6rem;align-items:flex-start}}"
    ".lgm-sides section{min-width:0}.lgm-sides small{display:block;font-size:.75rem;opacity:.75}"
    ".lgm-sides .lgm-tiles{flex-wrap:wrap;max-width:22rem}</style>"
)
_ORDERS = {"least": "Most changed", "most": "Least changed"}


def neighbourhoods(
    found: Disagreement, rows: np.ndarray, pair: Pair, *, k: int, share: np.ndarray, index: Mapping[str, Any], key: str
) -> None:
    """These rows, sorted by their share of common neighbours, each with its nearest images in each backbone."""
    left, middle, right = st.container(key=f"lgm_row_{key}").columns([3, 1, 1], vertical_alignment="bottom")
    order = pick_way("Sorted by", _ORDERS, key=f"{key}_order", hide_label=True, place=left)
    ranked = rows[np.argsort(share[rows] * (1 if order == "least" else -1), kind="stable")]
    with middle:
        images, name = found.indices[ranked].tolist(), _ORDERS[order].lower()
        distil_this(images, found.run, index, key=key, name=name, page="disagreement", ranked=True)
    pages = max(-(-len(ranked) // _PER_PAGE), 1)
    page = pick_page(pages, key=f"{key}_page", place=right)
    shown = ranked[(page - 1) * _PER_PAGE : page * _PER_PAGE]
    st.html(_BLOCK + "".join(_sides(found, int(row), pair, k, share, index) for row in shown))


def one_image(
    found: Disagreement, row: int, pair: Pair, *, k: int, share: np.ndarray, index: Mapping[str, Any]
) -> None:
    """One image with its neighbourhoods, as on the map it was clicked on."""
    st.html(_BLOCK + _sides(found, row, pair, k, share, index))
    near = {other: None for name in (pair.name, *pair.against) for other, _ in found.near(name, row, k)}
    images = [int(found.indices[one]) for one in (row, *near)]
    name = f"near image {images[0]}"
    distil_this(images, found.run, index, key="near", name=name, page="disagreement", ranked=True)


def groups_of(found: Disagreement, pair: Pair, direction: str) -> tuple[str, str, list[dict[str, Any]]]:
    """(who holds together, who tears apart, groups); `direction`: "first" or "second" holds them together."""
    holds, tears = (pair.name, pair.other) if direction == "first" else (pair.other, pair.name)
    return holds, tears, found.torn(holds, tears) if OTHERS not in (holds, tears) else []


def group_galleries(found: Disagreement, pair: Pair, *, index: Mapping[str, Any]) -> None:
    """The groups that one of the two holds together and the other tears apart, in the direction that is chosen."""
    if pair.other == OTHERS:
        st.info("Groups are found for two backbones at a time: choose a pair above.", icon=":material/workspaces:")
        return
    ways = {"first": f"{title_of(pair.name)} holds together", "second": f"{title_of(pair.other)} holds together"}
    direction = pick_way("Direction", ways, key="holds", hide_label=True)
    holds, tears, groups = groups_of(found, pair, direction)
    st.caption(
        f"Images that lie together in {plain(title_of(holds))} and apart in {plain(title_of(tears))}, found without "
        "labels. The groups that differ most come first."
    )
    if not groups:
        st.info(f"No group that {plain(title_of(holds))} holds together is torn apart by {plain(title_of(tears))}.")
    for place, group in enumerate(groups):
        with st.container(border=True):
            _group(found, group, (holds, tears), f"{direction}-{place}", index)


def _group(
    found: Disagreement, group: dict[str, Any], names: tuple[str, str], key: str, index: Mapping[str, Any]
) -> None:
    members = group["members"]
    left, middle, right = st.columns([5, 1, 1], vertical_alignment="center")
    near, far = (plain(title_of(name)) for name in names)
    left.markdown(f"**{len(members)} images**: {evidence(group, near, far)}.")
    right.button("On the map", key=f"map_{key}", icon=":material/map:", on_click=_to_map, args=(key,))
    labels = index["labels"]
    images = [int(found.indices[row]) for row in members]
    with middle:
        name = f"held together by {title_of(names[0])}"
        distil_this(images, found.run, index, key=key, name=name, page="disagreement", look="map", group=key)
    st.html(class_bar(Counter(labels[image] for image in images), index["classes"]))
    tiles = [real_image_html(index, image, 80, "", class_colour(labels[image])) for image in images[:_MOST_TILES]]
    st.html(tiles_html(tiles))
    if len(images) > _MOST_TILES:
        st.caption(f"The {_MOST_TILES} most typical of {len(images)} images.")


def _to_map(group: str) -> None:
    st.session_state["way_look"] = "map"
    st.query_params["group"] = group


def _sides(
    found: Disagreement, row: int, pair: Pair, k: int, share: np.ndarray, index: Mapping[str, Any]
) -> str:  # fmt: skip
    """One image, and beside it its nearest images in each backbone; what all of them list has a ring."""
    names, count = (pair.name, *pair.against), min(k, _MOST_NEAR)
    near = {name: found.near(name, row, k) for name in names}
    common = set.intersection(*({other for other, _ in near[name]} for name in names))
    image = int(found.indices[row])
    words = f"{100 * share[row]:.0f} % of {k} in common"
    own = f"<section><small>{escape(words)}</small>{tiles_html([real_image_html(index, image, 88)])}</section>"
    parts = [_side(found, name, near[name][:count], common, index) for name in names]
    return f"<div class='lgm-near'>{own}<hr><div class='lgm-sides'>{''.join(parts)}</div></div>"


def _side(
    found: Disagreement, name: str, near: Sequence[tuple[int, float]], common: set[int], index: Mapping[str, Any]
) -> str:
    dot = f"<b style='color:{backbone_colour(name)}'>●</b>"
    tiles = [
        real_image_html(index, int(found.indices[other]), 60, f"{cosine:.2f}", GREEN if other in common else "")
        for other, cosine in near
    ]
    return f"<section><small>{dot} {escape(title_of(name))}</small>{tiles_html(tiles)}</section>"
