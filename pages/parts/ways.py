"""One of a few ways to look at something: buttons, with the choice in the URL by its key, not by its words.

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
