"""Runs that a page needs before it can show anything: launch them, watch them, retry them, from that page.

>>> launch("Compute the map", [config], key="embed")
>>> wait_for(runs, key="embed")  # their progress; the page is drawn anew when one of them is done
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial

import streamlit as st

from lgm_core.base.places import places
from lgm_core.config import RunConfig
from lgm_core.jobs import local
from lgm_core.runs.store import RunFolder
from pages.parts.server.access import may_launch
from pages.parts.status import attempt
from pages.parts.theme import plain, state_words


def launch(
    label: str, configs: Sequence[RunConfig], *, key: str, help: str = "", primary: bool = True,
    then: Mapping[str, str] | None = None,
) -> None:  # fmt: skip
    """A button that starts these runs on this machine; `then`: what the page's address says once they are started."""
    kind = "primary" if primary else "secondary"
    pressed = st.button(
        label,
        key=f"launch_{key}",
        type=kind,
        icon=":material/play_arrow:",
        help=help or None,
        disabled=not may_launch(),
    )
    if pressed and all(attempt(partial(local.submit, config, places(), first=True)) for config in configs):
        for name, value in (then or {}).items():
            st.query_params[name] = value
        st.rerun()


def wait_for(runs: Sequence[RunFolder], key: str) -> None:
    """The state of runs that are not finished, live; the page is drawn anew when one of them has something new."""
    if not runs:
        return
    now = tuple(_signature(run) for run in runs)
    _watch(tuple(run.id for run in runs), now, key)


@st.fragment(run_every=2.0)
def _watch(names: tuple[str, ...], before: tuple[str, ...], key: str) -> None:
    runs = [RunFolder(places().runs / name) for name in names]
    if tuple(_signature(run) for run in runs) != before:
        st.rerun()
    for run in runs:
        _show(run, key)


def _signature(run: RunFolder) -> str:
    """Changes when the run changes its state, or has found something more that a page shows."""
    files = (run.map_file, run.alignment_file, run.findings_file)
    return " ".join([run.status().state, *(str(path.stat().st_mtime_ns) for path in files if path.exists())])


def _show(run: RunFolder, key: str) -> None:
    status, config = run.status(), run.config()
    of = ", ".join(config.evaluate_on) if config.kind == "align" else config.backbone
    words = f"{state_words(status.state)} {config.kind} with {plain(of)}"
    if status.state in ("failed", "lost"):
        st.error(f"{words}: {plain(status.error or 'its worker process stopped')}")
        _offer("Try again", "refresh", run, key)
        with st.expander("Last lines of its log"):
            st.code(run.log_tail() or "The log is empty.", language=None)
    elif status.state in ("paused", "stopped"):
        st.warning(words)
        _offer("Resume", "play_arrow", run, key)
    else:
        share = status.phase_done / status.phase_total if status.phase_total else 0.0
        waits = "waiting for a free device" if status.state == "queued" else "starting"
        st.progress(min(share, 1.0), f"{words}: {plain(status.phase or waits)}")


def _offer(label: str, icon: str, run: RunFolder, key: str) -> None:
    """A button that goes on with the run, or, where this version cannot, launches another with the same settings."""
    if why := run.why_not_resumed():
        st.caption(plain(why))
        launch("Launch it again", [replace(run.config(), name="")], key=f"{key}_{run.id}", primary=False)
        return
    again = st.button(label, key=f"again_{key}_{run.id}", icon=f":material/{icon}:", disabled=not may_launch())
    if again and attempt(lambda: local.resume(run, places())):
        st.rerun()
