"""How is it going? One run: images, curves and map under one scrubber, and the buttons that steer it."""

import streamlit as st

from lgm_core.analysis.catalog import INSTRUMENTS
from lgm_core.base.names import load
from lgm_core.methods.catalog import METHODS
from lgm_core.runs.example import WORDS
from lgm_core.runs.store import RunFolder
from pages.parts.pickers import pick_run, running_first, settings
from pages.parts.player.player import player
from pages.parts.status import panel, show_failure, show_problems, show_status
from pages.parts.theme import empty, header, name_tab
from pages.parts.watch.details import show_details, show_results
from pages.parts.watch.export import show_export
from pages.parts.watch.fork import fork_dialog
from pages.parts.watch.made_of import show_groups

left, right = st.columns([2, 3], vertical_alignment="top")
with left:
    header("Watch", "How is it going?")
with right:
    kinds = ("distill", "baseline", "evaluate", "embed", "align", *INSTRUMENTS)
    run: RunFolder | None = pick_run(kinds=kinds, key="run", label="", first=running_first)
if run is None:
    empty(
        "Nothing to watch yet",
        "Once you launch a run, its images, its curves and the path of its images across the map appear here, live.",
        page="pages/launch.py",
        label="Launch a run",
        icon="play_circle",
    )
    st.stop()

name_tab(run.id, "Watch")
status = run.status()
show_failure(run, status)
show_status(run, status)
show_problems(run)
if run.is_example():
    st.info(WORDS, icon=":material/school:")
kind = settings(run)["kind"]
if kind in ("distill", "baseline"):
    with panel("The player"):
        asked = player(run, status, key=f"player_{run.id}", fork=kind == "distill")
        if asked is not None:
            fork_dialog(run, asked)
row = METHODS.get(settings(run).get("method", ""))
if kind == "distill" and row is not None and row.page_part:
    with panel(f"Details of {row.title}"):
        load(row.page_part)(run)
with panel("The groups"):
    show_groups(run)
with panel("What the images are worth"):
    show_results(run)
if kind == "distill":
    show_export(run)
with panel("Settings and log"):
    show_details(run)
