"""The time-lapse as a film to keep: made by a process of its own, fetched by its address.

>>> show_export(run)
"""

from pathlib import Path
from urllib.parse import quote

import streamlit as st

from lgm_core.base.places import places
from lgm_core.reports.film import FORMS, export_folder, export_name
from lgm_core.runs.store import RunFolder
from pages.parts.images import base_path
from pages.parts.server import background
from pages.parts.server.access import may_launch
from pages.parts.status import memory
from pages.parts.theme import plain

MODULE = "lgm_core.reports.film"


def show_export(run: RunFolder) -> None:
    """A row of buttons, one per form of film."""
    if not run.frame_index.exists():
        return
    with st.expander(
        "Export the time-lapse", icon=":material/movie:", key=f"export_{run.id}", on_change="rerun"
    ) as box:
        if box.open:
            _row(str(run.path))


@st.fragment(run_every=1.0)
def _row(path: str) -> None:
    run = RunFolder(Path(path))
    for column, (form, facts) in zip(st.columns(len(FORMS)), FORMS.items(), strict=True):
        with column:
            _one(run, form, facts.name)


def _one(run: RunFolder, form: str, title: str) -> None:
    name = f"timelapse-{run.id}-{form}"
    work, file = background.look(places(), name), export_folder(run, places()) / export_name(run, form)
    if work.running:
        st.progress(work.share or 0.0, text=f"Rendering the {title} …")
        return
    if file.exists():
        address = f"{base_path()}/app/static/exports/{quote(run.id, safe='')}/{quote(file.name, safe='')}"
        st.link_button(f"Download {title} ({memory(file.stat().st_size)})", address, icon=":material/download:")
        return
    if st.button(f"Make {title}", key=f"make_{form}", icon=":material/movie:", disabled=not may_launch()):
        background.start(places(), name, [str(run.path), "--form", form], MODULE)
        st.rerun(scope="fragment")
    if work.error:
        st.error(plain(work.error), icon=":material/error:")
