"""Choices in the URL. Written by hand, since Streamlit's bound widgets leave the default choice out of the URL, and a
default such as "the newest run" changes.

>>> take_from_url("preset", ["preview", "standard"])  # before the widget, whose key is state_key("preset")
>>> put_into_url("preset", [chosen])  # after it
"""

from collections.abc import Collection
from typing import Any
from zlib import crc32

import streamlit as st

from pages.parts.theme import plain


def take_from_url(key: str, known: Any, many: bool = False, state: str = "") -> None:
    """Call before the widget: where the URL says something new, it becomes the widget's value."""
    given, state = st.query_params.get_all(key), state or state_key(key)
    if not given or (state in st.session_state and given == st.session_state.get(f"put_{key}")):
        return
    found = [name for name in given if known is None or name in known]
    if len(found) < len(given):
        missing = ", ".join(name for name in given if name not in found)
        st.toast(f"{plain(missing)} was not found", icon=":material/link_off:")
    if found:
        st.session_state[state] = found if many else found[0]


def put_into_url(key: str, chosen: list[str]) -> None:
    """Call after the widget: puts what is chosen into the URL."""
    if st.query_params.get_all(key) != chosen:
        st.query_params[key] = chosen
    st.session_state[f"put_{key}"] = list(chosen)


def begins_with(state: str, first: Any) -> Any:
    """What to give a widget as its default: the value that it has, and only before that `first`.

    A browser that has not drawn the widget's first run, as where something is clicked at once, begins with the default
    of the next, and later sends it back as if somebody had chosen it.
    """
    return st.session_state.get(state, first)


def take_what_is_there(key: str, known: Collection[str], many: bool = False) -> list[str]:
    """As `take_from_url`, for what may be gone; returns what the URL asks for that is not there, [] once another choice
    is made. Nothing is put in its place: the widget's value becomes None, or, of `many`, the others.
    """
    given, state = st.query_params.get_all(key), state_key(key)
    missing = [name for name in given if name not in known]
    left = [name for name in given if name in known] if many else next(iter(given), None) if not missing else None
    now = st.session_state.get(state)
    is_shown = now is not None and any(name in missing for name in (now if many else [now]))  # and was deleted since
    if given and (state not in st.session_state or given != st.session_state.get(f"put_{key}") or is_shown):
        st.session_state[state], st.session_state[f"put_{key}"] = left, given
    elif not missing and now is None and given:  # it is there again
        st.session_state[state] = left
    elif not missing and now is None:
        st.session_state.pop(state, None)
    return missing if st.session_state.get(state) == left else []


def hand_over(*keys: str) -> None:
    """Call before a switch to another page: its widgets take these choices from the address, not from this page's."""
    for key in keys:
        st.session_state.pop(f"put_{key}", None)


def forget(*keys: str) -> None:
    """Take choices out of the URL, so that their widgets begin anew."""
    for key in keys:
        if key in st.query_params:
            del st.query_params[key]


def state_key(key: str, *shown: str) -> str:
    """The widget's name. What its options show is part of it: Streamlit treats an option whose words change,
    as they do once something is fetched, as another one.
    """
    return f"pick_{key}" + (f"_{crc32(' '.join(shown).encode()):x}" if shown else "")
