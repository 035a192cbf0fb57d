"""What can be shared: a report in one HTML file, a gallery site, the set with its card."""

from functools import partial
from hashlib import sha256
from pathlib import Path

import streamlit as st

from lgm_core.analysis.catalog import INSTRUMENTS
from lgm_core.base.files import replacing
from lgm_core.base.places import places
from lgm_core.reports.card import card, export_zip
from lgm_core.reports.page import run_report, study_report
from lgm_core.reports.site import TITLE, site_zip, write_site
from lgm_core.runs.store import RunFolder, RunStore
from pages.parts.images import base_path
from pages.parts.pickers import listed_runs, pick_run, pick_runs, pick_study, shows_images
from pages.parts.server.access import may_launch, require_launch
from pages.parts.status import panel, show_problems
from pages.parts.theme import empty, header, plain, state_words
from pages.parts.ways import pick_way

_PARTS = {"run": "A run", "study": "A study", "site": "A gallery of runs", "set": "The set itself"}


@st.cache_data(max_entries=6, show_spinner="Preparing the report …")
def report_of_run(path: str, stamp: float) -> str:
    """The report of a run as its files are now; `stamp` changes when they do."""
    del stamp
    run = RunFolder(Path(path))
    return run_report(run, RunStore(run.path.parent).looking_at(run.id))


@st.cache_data(max_entries=4, show_spinner="Preparing the report …")
def report_of_study(name: str, root: str, stamp: float) -> str:
    """The report of a study as its runs are now."""
    del stamp
    return study_report(name, RunStore(Path(root)).study(name))


def stamp_of(runs: list[RunFolder]) -> float:
    """Changes when one of these runs goes on, or there is one more."""
    kept = [(run.status_file, run.evals, run.alignment_file, run.findings_file) for run in runs]
    return sum(path.stat().st_mtime for files in kept for path in files if path.exists())


def offer(html: str, name: str, part: str) -> None:
    """The button, and the report itself below it: by an address of its own, whose policy keeps it apart from this page.

    A report given to `st.iframe` as text would be part of the dashboard, and might do all that its user may.
    """
    shown = places().cache / "reports" / f"{sha256(f'{part} {name}'.encode()).hexdigest()[:16]}.html"
    if not shown.exists() or shown.read_text() != html:
        shown.parent.mkdir(parents=True, exist_ok=True)
        with replacing(shown) as new:
            new.write_text(html)
    with st.container(horizontal=True, vertical_alignment="center"):
        file = f"{name}.html"
        st.download_button(
            "Download the report",
            html,
            file,
            "text/html",
            type="primary",
            icon=":material/download:",
            on_click="ignore",
        )
        st.caption(f"{len(html) / 2**20:.1f} MB, one file, readable offline and ready to print.")
    version = f"v={shown.stat().st_mtime_ns}"  # another report is another address, and so another frame
    st.iframe(f"{base_path()}/app/static/reports/{shown.name}?{version}", height=900)


def one_run() -> None:
    run = pick_run(kinds=("distill", "baseline", "align", *INSTRUMENTS), key="run", first=shows_images)
    assert run is not None  # the page has stopped where there is none
    state = run.status().state
    if state != "finished":
        st.markdown(f"{state_words(state)} The report shows the run as it is now.")
    show_problems(run)
    others = RunStore(places().runs).looking_at(run.id)
    offer(report_of_run(str(run.path), stamp_of([run, *others])), run.id, "run")


def one_study() -> None:
    name = pick_study()
    if not name:
        empty("No study yet", "A study is several backbones or seeds, launched together.", page="pages/launch.py",
              label="Launch a study", icon="grid_on")  # fmt: skip
        return
    store = RunStore(places().runs)
    runs = store.study(name)
    show_problems(*runs)
    offer(report_of_study(name, str(store.root), stamp_of(runs)), name, "study")


def gallery_site() -> None:
    """A project page in one click: as a zip, or written into a folder."""
    runs = pick_runs(kinds=("distill", "baseline"), key="runs", default=6, most=60, first=shows_images)
    title = st.text_input("Title of the page", TITLE, key="title", bind="query-params")
    if not runs:
        st.caption("Choose the runs to show in the gallery.")
        return
    folder = places().cache / "site"
    with st.container(horizontal=True, vertical_alignment="center"):
        st.download_button(
            "Download the site", partial(site_zip, runs, title=title), "gallery.zip", "application/zip", type="primary",
            icon=":material/download:", on_click="ignore",
        )  # fmt: skip
        written = st.button("Write it to a folder", icon=":material/folder:", disabled=not may_launch())
    if written:
        require_launch()
        with st.spinner("Writing the pages …"):
            write_site(runs, folder, title=title)
        with st.container(horizontal=True, vertical_alignment="center"):
            st.success(f"Written to {plain(folder)}", icon=":material/check:")
            st.link_button("Open it", f"{base_path()}/app/static/site/index.html", icon=":material/open_in_new:")
    st.caption("Static pages that any web server can serve:")
    st.code(f"python -m http.server --directory {folder if written else 'gallery'}", language="sh")


def the_set() -> None:
    """Tensors, pictures and a card."""
    run = pick_run(kinds=("distill", "baseline"), key="run", where=lambda run: run.has_images())
    if run is None:
        empty("No finished set yet", "Once a run has finished, you can export its images here.", icon="inventory_2")
        return
    with st.container(horizontal=True, vertical_alignment="center"):
        st.download_button(
            "Download the set", partial(export_zip, run), f"{run.id}.zip", "application/zip", type="primary",
            icon=":material/download:", on_click="ignore",
        )  # fmt: skip
        st.caption(
            "A zip file with synthetic.safetensors, a folder of PNGs per class, config.json and the card below. To "
            f"publish it on the model hub as a data set: `lgm push {run.id} OWNER/NAME`"
        )
    with st.container(border=True):
        st.markdown(card(run))


header("Report", "What can be shared: reports, a gallery, the set itself")
if not any(its.kind in ("distill", "baseline") for _, its in listed_runs()):
    empty(
        "Nothing to report yet",
        "Once a run has started, this page turns it into one HTML file: images, time-lapse, curves, accuracies, "
        "settings, and the command that repeats it.",
        page="pages/launch.py",
        label="Launch a run",
        icon="description",
    )
    st.stop()
part = pick_way("What", _PARTS, key="part", hide_label=True)
with panel(_PARTS[part]):
    {"run": one_run, "study": one_study, "site": gallery_site, "set": the_set}[part]()
