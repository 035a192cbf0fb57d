"""Settings in the URL, so that a filled-in form can be sent to a colleague: `?preset=preview&set=lgm.views:2`.

>>> start = linked(base, shown)  # the preset with what the link says: what the inputs begin with
>>> put_into_link(base, changes)  # after the inputs: the link says what is set
"""

import json
from collections.abc import Collection, Mapping
from typing import Any

import streamlit as st

from lgm_core.base.errors import ConfigError
from lgm_core.base.knobs import flat
from lgm_core.config import TWO_WIDTHS, WHY_NOT_BOTH, RunConfig
from lgm_core.presets import change
from pages.parts.theme import plain

KEY = "set"
_BEGAN, _PUT = "link_began", "link_put"


def linked(base: RunConfig, shown: Collection[str]) -> RunConfig:
    """`base` with the settings of the link that opened the page, without those of another preset and wrong ones.

    `shown`: fields and groups of the config that the form has inputs for.
    """
    given = st.query_params.get_all(KEY)
    if given != st.session_state.get(_PUT):
        st.session_state[_BEGAN], st.session_state[_PUT] = (base.preset, given), given
    preset, words = st.session_state.get(_BEGAN, ("", []))
    return read(base, words, shown) if preset == base.preset else base


def put_into_link(base: RunConfig, changes: Mapping[str, Any]) -> None:
    """The URL names what departs from the preset."""
    words = [f"{name}:{value if isinstance(value, str) else json.dumps(value)}" for name, value in _flat(changes)]
    if not words:
        st.session_state[_BEGAN] = (base.preset, [])
    if words != st.query_params.get_all(KEY):
        st.query_params[KEY] = words
    st.session_state[_PUT] = words


def read(base: RunConfig, words: list[str], shown: Collection[str]) -> RunConfig:
    """A config with settings such as "lgm.views:2"; a toast names each that is wrong or not `shown`."""
    has_both = {word.partition(":")[0] for word in words} >= TWO_WIDTHS
    for word in words:
        name, _, text = word.partition(":")
        try:
            if has_both and name in TWO_WIDTHS:
                raise ConfigError(WHY_NOT_BOTH)
            changed = change(base, _nested(name, _value(text)))
            if name.partition(".")[0] not in shown:
                raise ConfigError(f"this form has no input for it; with this preset it has {', '.join(sorted(shown))}")
            base = changed
        except ConfigError as error:
            st.toast(plain(f"{word} is left out: {error}"), icon=":material/link_off:")
    return base


def _flat(changes: Mapping[str, Any]) -> list[tuple[str, Any]]:
    return sorted(flat(dict(changes)).items())


def _nested(name: str, value: Any) -> dict[str, Any]:
    group, dot, last = name.partition(".")
    return {group: {last: value}} if dot else {name: value}


def _value(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        return text
