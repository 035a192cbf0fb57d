"""From images on a page to a set that is distilled from them: a group, in a collection that Launch takes as data.

>>> distil_this(images, run, index, key="lasso", name="lasso", page="embeddings")
"""

from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import urlencode

import streamlit as st

from lgm_core.base.errors import result_or_why
from lgm_core.base.names import file_name
from lgm_core.base.places import places
from lgm_core.datasets.group_files import add_group, collection_names, read_collection
from lgm_core.datasets.groups import PREFIX, REST, Collection, Group, Split
from lgm_core.runs.store import RunFolder
from pages.parts.address import hand_over
from pages.parts.pickers import settings
from pages.parts.server.access import may_launch
from pages.parts.status import attempt
from pages.parts.theme import plain

_COLLECTING = "lgm_collecting"  # session key: the collection that was added to last


def distil_this(
    images: Sequence[int], run: RunFolder, index: Mapping[str, Any], *, key: str, name: str, page: str,
    ranked: bool = False, **view: str,
) -> None:  # fmt: skip
    """A button that makes a group of these images, numbers in the split of `index`, and opens Launch with it.

    `run`: it opened the data; `ranked`: the reader says how many of the images, the first ones; `view`: what the
    address of this view says besides what it says now.
    """
    if settings(run).get("dataset", PREFIX).startswith(PREFIX) or not index or not len(images):
        return  # groups are made of a data set's images, not of another collection's
    with st.popover("Distil this", icon=":material/auto_awesome:", disabled=not may_launch()):
        st.caption("These images become a group. The groups of a collection are the classes of a data set.")
        collection = _pick_collection(name, key)
        name, images = _named(name, images, key, ranked)
        before, _ = result_or_why(lambda: read_collection(places().groups, collection))
        before = before or Collection(collection, rest=True)
        if before.groups:
            st.caption(plain(f"So far {len(before.groups)}: {', '.join(before.classes)}"))
        rest = st.toggle("Add a class of other images", value=before.rest, key=f"rest_{key}_{collection}", help=_REST)
        query = {one: st.query_params.get_all(one) for one in st.query_params} | view
        group = Group(
            name=name, images=split_of(run, index), indices=tuple(map(int, images)), page=page,
            query=urlencode(query, doseq=True),
        )  # fmt: skip
        left, right = st.columns(2)
        distils = left.button("Distil", key=f"distil_{key}", type="primary", width="stretch")
        collects = right.button("Only collect", key=f"collect_{key}", width="stretch")
        if (distils or collects) and attempt(lambda: add_group(places().groups, collection, group, rest=rest)):
            st.session_state[_COLLECTING] = collection
            if distils:
                hand_over("dataset", "backbones")
                asked = {"dataset": f"{PREFIX}{collection}", "backbones": _seen_by(run)}
                st.switch_page("pages/launch.py", query_params=asked)
            st.toast(plain(f"{name}: {len(images)} images, now in {PREFIX}{collection}"), icon=":material/check:")


def split_of(run: RunFolder, index: Mapping[str, Any]) -> Split:
    """The split that an index of thumbnails numbers, as the run opened it."""
    values = settings(run)
    return Split(
        dataset=values["dataset"], split=index["split"], fingerprint=index["key"].rpartition("-")[2],
        count=index["count"], per_class=values["data"][f"{index['split']}_per_class"], seed=values["seed"],
    )  # fmt: skip


def _seen_by(run: RunFolder) -> list[str]:
    """The backbone whose view of the images was looked at: of a comparison, the first."""
    values = settings(run)
    return [values["evaluate_on"][0] if values["kind"] == "align" else values["backbone"]]


_REST = f"A class named `{REST}`: images of the same data set, drawn at random, that are in none of the groups"


def _named(name: str, images: Sequence[int], key: str, ranked: bool) -> tuple[str, Sequence[int]]:
    """The group's name as the reader gives it, and how many of the images."""
    if ranked:
        most = int(st.number_input("How many of the images", 1, len(images), min(40, len(images)), key=f"most_{key}"))
        images = images[:most]
    return st.text_input(f"Name of the group of {len(images)}", name, key=f"name_{key}").strip(), images


def _pick_collection(name: str, key: str) -> str:
    """A new collection, named as the images are called at first, or one that is there."""
    known = collection_names(places().groups)
    fresh = stem = file_name(name) or "groups"
    number = 2
    while fresh in known:
        fresh, number = f"{stem}-{number}", number + 1
    options = [fresh, *known]
    first = options.index(last) if (last := st.session_state.get(_COLLECTING)) in options else 0
    chosen = st.selectbox("Collection", options, first, key=f"into_{key}", accept_new_options=True)
    return chosen or fresh
