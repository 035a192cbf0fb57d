"""A star, tags and a note on the runs that are ticked, as `lgm note` writes them; and the filter by them.

>>> show_marks(["demo-full"], known=["figure 2"])  # a button that opens the form
>>> [row for row in rows if fits(row, ["★", "figure 2"])]
"""

from collections.abc import Mapping, Sequence
from typing import Any
from zlib import crc32

import streamlit as st

from lgm_core.base.places import places
from lgm_core.runs.marks import mark, read_marks
from lgm_core.runs.store import RunFolder
from pages.parts.status import attempt

STAR = "★"


def tags_of(rows: Sequence[Mapping[str, Any]]) -> list[str]:
    """All tags of these rows."""
    return sorted({tag for row in rows for tag in row["tags"]})


def fits(row: Mapping[str, Any], wanted: Sequence[str]) -> bool:
    """Has the row all of these: tags, or a star?"""
    return all(row["star"] == STAR if one == STAR else one in row["tags"] for one in wanted)


def show_marks(names: Sequence[str], known: Sequence[str]) -> None:
    """A button that opens the form; of several runs only the star and what all have of tags are shown and changed."""
    with st.popover("Star, tags, note", icon=":material/star:", disabled=not names):
        if names:
            _form(names, known)


def _form(names: Sequence[str], known: Sequence[str]) -> None:
    files = [RunFolder(places().runs / name).marks_file for name in names]
    marks, key = [read_marks(file) for file in files], f"{crc32(' '.join(names).encode()):x}"
    shared = [tag for tag in marks[0].tags if all(tag in one.tags for one in marks)]
    star = st.toggle("Starred", value=all(one.starred for one in marks), key=f"star_{key}")
    tags = st.multiselect(
        "Tags", sorted({*known, *shared}), default=shared, accept_new_options=True, key=f"tags_{key}",
        placeholder="Choose a tag or type a new one",
    )  # fmt: skip
    note = st.text_area("Note", value=marks[0].note, key=f"note_{key}") if len(names) == 1 else None

    def save() -> None:
        gone = [tag for tag in shared if tag not in tags]
        for file in files:
            mark(file, note=note, starred=star, add=tags, remove=gone)

    if st.button("Save", type="primary", key=f"save_{key}") and attempt(save):
        st.rerun()
