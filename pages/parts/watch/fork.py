"""The dialog in which a run is forked: a new run that takes over at a step, with other settings.

>>> fork_dialog(run, step=120)
"""

from dataclasses import replace
from typing import Any

import streamlit as st

from lgm_core.base.places import places
from lgm_core.jobs import local
from lgm_core.methods.catalog import method_of
from lgm_core.runs.store import RunFolder
from pages.parts.launch.form import draw_fields, draw_groups
from pages.parts.server.access import may_launch
from pages.parts.status import attempt
from pages.parts.theme import plain


@st.dialog("Fork this run", width="large", icon=":material/call_split:")
def fork_dialog(run: RunFolder, step: int) -> None:
    """Ask for the settings to change, then start the new run and go there; `step` counts from 0, as frames do."""
    config = run.config()
    st.markdown(
        f"A new run starts from the images of **{plain(run.id)}** at step **{step + 1}** and continues with other "
        "settings. This run is not changed."
    )
    row = method_of(config)
    if row.fork_words:
        st.caption(row.fork_words)
    further = replace(config, steps=2 * config.steps) if step + 1 >= config.steps else config  # or no step is left
    changes: dict[str, Any] = draw_fields(config, f"fork_{run.id}", names=("steps", "seed"), start=further)
    with st.expander("All settings", icon=":material/tune:"):
        changes |= draw_groups(config, f"fork_{run.id}", row.fork_tabs)
    if st.button("Start the fork", type="primary", icon=":material/call_split:", disabled=not may_launch()):
        made: list[RunFolder] = []
        if attempt(lambda: made.append(local.fork(run, step, changes, places()))):
            st.switch_page("pages/watch.py", query_params={"run": made[0].id})
