"""Inputs drawn from the config's own fields: one function per type, limits and help from there.

>>> changes = draw_groups(preset("standard"), key="advanced")  # {"lgm": {"views": 10}}: what departs from the preset
"""

import dataclasses
from collections.abc import Callable, Collection, Sequence
from typing import Any, Literal, get_args, get_origin, get_type_hints

import streamlit as st

from lgm_core.base.knobs import limits_missed
from lgm_core.config import RunConfig
from lgm_core.methods.catalog import method_of
from pages.parts.theme import plain


def draw_groups(
    base: RunConfig, key: str, groups: Sequence[str] = (), start: RunConfig | None = None, *, but: Collection[str] = ()
) -> dict[str, dict[str, Any]]:
    """A tab per group (those of the method, or `groups`); returns what differs from `base`, ready for `presets.change`.

    The inputs begin with `start`. `but`: settings that have an input elsewhere, such as "pretrain.teacher".
    """
    titles, changes = method_of(base).tabs, {}
    groups = groups or tuple(titles)
    for name, tab in zip(groups, st.tabs([titles[name] for name in groups]), strict=True):
        with tab:
            st.caption(str(type(getattr(base, name)).__doc__))
            own = getattr(base, name)
            shown = [field.name for field in dataclasses.fields(own) if f"{name}.{field.name}" not in but]
            found = draw_fields(own, f"{key}_{name}", names=shown, start=getattr(start or base, name))
        if found:
            changes[name] = found
    return changes


def draw_fields(
    config: Any, key: str, names: Sequence[str] = (), columns: int = 3, start: Any = None
) -> dict[str, Any]:
    """An input per field of a config (all, or `names`), at first with `start`; returns what differs from the config."""
    hints, changes = get_type_hints(type(config)), {}
    fields = [field for field in dataclasses.fields(config) if not names or field.name in names]
    slots = [slot for _ in range(0, len(fields), columns) for slot in st.columns(columns, vertical_alignment="bottom")]
    for field, slot in zip(fields, slots, strict=False):
        with slot:
            now = input_of(hints[field.name])(field, getattr(start or config, field.name), f"{key}_{field.name}")
        if now != getattr(config, field.name):
            changes[field.name] = now
    return changes


def input_of(hint: Any) -> Callable[[dataclasses.Field, Any, str], Any]:
    """The function that draws a type."""
    if get_origin(hint) is Literal:
        return lambda field, value, key: _choice(field, value, key, get_args(hint))
    return {bool: _switch, int: _whole, float: _number, str: _text, tuple[int, ...]: _wholes, tuple[str, ...]: _names}[
        hint
    ]


def label(field: dataclasses.Field) -> str:
    """The field's name in words, with its unit."""
    unit = field.metadata.get("unit")
    return field.name.replace("_", " ").capitalize() + (f", {unit}" if unit else "")


def _switch(field: dataclasses.Field, value: bool, key: str) -> bool:
    return st.toggle(label(field), value=value, key=key, help=field.metadata["help"])


def _choice(field: dataclasses.Field, value: str, key: str, options: tuple[str, ...]) -> str:
    return st.selectbox(label(field), options, index=options.index(value), key=key, help=field.metadata["help"])


def _whole(field: dataclasses.Field, value: int, key: str) -> int:
    found = st.number_input(label(field), value=value, step=1, key=key, help=_help(field))
    return value if found is None else int(_told(field, found))


def _number(field: dataclasses.Field, value: float, key: str) -> float:
    found = st.number_input(label(field), value=value, step=_step(value), format="%g", key=key, help=_help(field))
    return value if found is None else float(_told(field, found))


def _told(field: dataclasses.Field, value: float) -> float:
    """The value; a line below its input where it is out of range. Streamlit's own limits would keep the value before,
    with which the run would start.
    """
    if limits := limits_missed(field.metadata, value):
        st.caption(f":red[:material/error: Must be {limits}]")
    return value


def _text(field: dataclasses.Field, value: str, key: str) -> str:
    return st.text_input(label(field), value=value, key=key, help=field.metadata["help"]).strip()


def _wholes(field: dataclasses.Field, value: tuple[int, ...], key: str) -> tuple[int, ...]:
    """Whole numbers beside each other, such as "3 2"."""
    text = st.text_input(label(field), value=" ".join(map(str, value)), key=key, help=_help(field), placeholder="3 2")
    words = text.replace(",", " ").split()
    if wrong := [word for word in words if not word.isdecimal()]:
        st.caption(f":red[:material/error: {plain(wrong[0])} is not a whole number]")
        return value
    for word in words:
        _told(field, int(word))
    return tuple(map(int, words))


def _names(field: dataclasses.Field, value: tuple[str, ...], key: str) -> tuple[str, ...]:
    """Names with commas between them, since they may hold spaces."""
    text = st.text_input(label(field), value=", ".join(value), key=key, help=field.metadata["help"])
    return tuple(name for part in text.split(",") if (name := part.strip()))


def _step(value: float) -> float:
    """A tenth of the value, rounded to one digit: what the + and - buttons add."""
    return float(f"{abs(value) / 10:.0e}") if value else 0.01


def _help(field: dataclasses.Field) -> str:
    low, high = field.metadata.get("low"), field.metadata.get("high")
    limits = [f"at least {low:g}"] if low is not None and high is None else []
    limits += [f"{low:g} to {high:g}"] if low is not None and high is not None else []
    return f"{field.metadata['help']} ({', '.join(limits)})" if limits else field.metadata["help"]
