"""What has been run: all runs, newest first, with the newest picture of each; a click opens one."""

from zlib import crc32

import streamlit as st

from lgm_core.presets import preset
from lgm_core.runs.example import WORDS
from pages.parts.address import begins_with, put_into_url, state_key, take_from_url
from pages.parts.launch.choices import QUICK_BACKBONE, QUICK_DATASET, QUICK_PRESET
from pages.parts.launch.estimate import time_words
from pages.parts.listing.marks_form import STAR, fits, tags_of
from pages.parts.listing.run_list import column_config, keep_fresh, run_rows, table
from pages.parts.listing.several import show_actions
from pages.parts.pickers import left_out
from pages.parts.theme import STATE_COLOURS, empty, header, plain

header("Runs", "What has been run, and what is running?")
rows = run_rows()
for problem in left_out():
    st.warning(f"Left out: {plain(problem)}", icon=":material/folder_off:")
is_new = all(row["kind"] == "example" for row in rows)
if is_new:
    quick = preset(QUICK_PRESET, dataset=QUICK_DATASET, backbone=QUICK_BACKBONE)
    empty(
        "No runs of your own yet" if rows else "No runs yet",
        "A run learns one synthetic image per class, so that a linear classifier trained on these alone works well. "
        f"The preset Preview tries it on photographs that come with the program. {time_words(quick)}",
        page="pages/launch.py",
        label="Launch the first run",
        icon="rocket_launch",
        query={"preset": QUICK_PRESET, "dataset": QUICK_DATASET, "backbones": QUICK_BACKBONE},
    )
    if not rows:
        show_actions([])  # the last ones may just have been put away
        st.stop()
    st.info(WORDS, icon=":material/school:")

states = [state for state in STATE_COLOURS if any(row["state"] == [state] for row in rows)]
left, right, button = st.container(key="lgm_row_search").columns([3, 2, 1], vertical_alignment="bottom")
counts = {state: f"{state} {sum(row['state'] == [state] for row in rows)}" for state in states}
state_pills = state_key("state", *counts.values())  # other counts are another widget: the address keeps what is chosen
take_from_url("state", states, many=True, state=state_pills)
chosen = left.pills(
    "State",
    states,
    selection_mode="multi",
    default=begins_with(state_pills, None),
    key=state_pills,
    label_visibility="collapsed",
    format_func=counts.__getitem__,
    wrap=True,
)
put_into_url("state", chosen)
words = right.text_input(
    "Search", key="search", bind="query-params", placeholder="Name, data set, backbone, study, note",
    icon=":material/search:", label_visibility="collapsed",
)  # fmt: skip
button.page_link("pages/launch.py", label="New run", icon=":material/add:")

tags = tags_of(rows)
marks = [STAR, *tags] if tags or any(row["star"] for row in rows) else []
wanted = left.pills(
    "Marks", marks, selection_mode="multi", key="marks", bind="query-params", label_visibility="collapsed", wrap=True,
) if marks else []  # fmt: skip
shown = [row for row in rows if (not chosen or row["state"][0] in chosen) and fits(row, wanted)]
parts = ("run", "dataset", "backbone", "study", "kind", "note", "tags")
shown = [row for row in shown if all(w in " ".join(str(row[p]) for p in parts).lower() for w in words.lower().split())]
names = [row["run"] for row in shown]
actions = st.container()
picked = {"rows": [], "cells": []} if not shown else st.dataframe(
    table(shown), hide_index=True, row_height=56, height=min(56 * len(shown) + 38, 760), column_config=column_config(),
    on_select="rerun", selection_mode=["multi-row", "single-cell"], placeholder="",
    key=f"runs_{crc32(' '.join(names).encode()):x}",  # a tick belongs to a place: other runs are another table
)["selection"]  # fmt: skip
st.caption(f"{len(shown)} of {len(rows)} runs. Click one to open it, or tick it and press Open.")
with actions:
    show_actions([names[place] for place in picked["rows"]], tags)
if picked["cells"]:
    st.switch_page("pages/watch.py", query_params={"run": names[picked["cells"][0][0]]})
if any(state in counts for state in ("queued", "running")):
    keep_fresh(rows)
