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
from pages.parts.status import attempt, memory
from pages.parts.theme import plain

MODULE = "lgm_core.reports.film"
_EVERY, _REST = 1.0, 10.0  # seconds between two looks while a film is made, and else: another tab may make one


def show_export(run: RunFolder) -> None:
    """A row of buttons, one per form of film."""
    if len(run.frame_list()) < 2:  # such as of a run that failed before its first step
        return
    with st.expander(
        "Export the time-lapse", icon=":material/movie:", key=f"export_{run.id}", on_change="rerun"
    ) as box:
        if box.open:
            working = _is_working(run)
            st.fragment(_row, run_every=_EVERY if working else _REST)(str(run.path), working)


def _is_working(run: RunFolder) -> bool:
    return any(background.look(places(), _name(run, form)).running for form in FORMS)


def _name(run: RunFolder, form: str) -> str:
    return f"timelapse-{run.id}-{form}"


def _row(path: str, was_working: bool) -> None:
    run = RunFolder(Path(path))
    if was_working != _is_working(run):
        st.rerun()  # the first film is begun, or the last one is there: from now on it is looked at more often, or less
    for column, (form, facts) in zip(st.columns(len(FORMS)), FORMS.items(), strict=True):
        with column:
            _one(run, form, facts.name)


def _begin(run: RunFolder, form: str) -> None:
    attempt(lambda: background.start(places(), _name(run, form), [str(run.path), "--form", form], MODULE))


def _one(run: RunFolder, form: str, title: str) -> None:
    name = _name(run, form)
    work, file = background.look(places(), name), export_folder(run, places()) / export_name(run, form)
    if work.running:
        st.progress(work.share or 0.0, text=f"Rendering the {title} …")
        return
    if file.exists():
        address = f"{base_path()}/app/static/exports/{quote(run.id, safe='')}/{quote(file.name, safe='')}"
        st.link_button(f"Download {title} ({memory(file.stat().st_size)})", address, icon=":material/download:")
        return
    st.button(
        f"Make {title}", key=f"make_{form}", icon=":material/movie:", disabled=not may_launch(),
        on_click=_begin, args=(run, form),
    )  # fmt: skip
    if work.error:
        st.error(plain(work.error), icon=":material/error:")
