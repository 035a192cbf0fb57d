"""One of a few ways to look at something, or a page of many things. The choice is in the URL, not by its words.

>>> pick_way("Map", {"umap": "UMAP", "pca": "PCA"}, key="method")
'umap'
"""

from collections.abc import Mapping
from typing import Any

import streamlit as st

from pages.parts.address import forget


def pick_way(
    label: str, ways: Mapping[str, str], *, key: str, default: str = "", hide_label: bool = False, place: Any = st,
) -> str:  # fmt: skip
    """Key of the way that is chosen, the first unless told otherwise. A link to an unknown way opens the default.

    `place`: a column or container to draw in.
    """
    first = default or next(iter(ways))
    state = f"way_{key}"
    asked = st.session_state.get(state, st.query_params.get(key, first))
    st.session_state[state] = asked if asked in ways else first
    chosen = place.segmented_control(
        label, list(ways), key=state, format_func=lambda way: ways.get(way, way), required=True, wrap=True,
        label_visibility="collapsed" if hide_label else "visible",
    )  # fmt: skip
    chosen = chosen if chosen in ways else first
    if chosen != first:
        st.query_params[key] = chosen
    else:
        forget(key)
    return chosen


def pick_page(pages: int, *, key: str, place: Any = st) -> int:
    """The page that is chosen, from 1 on; the last where the URL asks for a later one. One page is no choice."""
    state = f"page_{key}"
    asked = str(st.session_state.get(state, st.query_params.get(key, "")))
    chosen = min(max(int(asked), 1), pages) if asked.isdecimal() and len(asked) < 10 else 1
    if pages > 1:
        st.session_state[state] = chosen
        chosen = int(place.number_input(f"Page of {pages}", 1, pages, key=state))
    if chosen > 1:
        st.query_params[key] = str(chosen)
    else:
        forget(key)
    return chosen
