"""Runs that a page needs before it can show anything: launch them, watch them, retry them, from that page.

>>> launch("Compute the map", [config], key="embed")
>>> seen = look(run)  # before the page reads anything of it
>>> wait_for([seen], key="embed")  # its progress; the page is drawn anew when it is done
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial

import streamlit as st

from lgm_core.base.places import places
from lgm_core.config import RunConfig
from lgm_core.jobs import local
from lgm_core.runs.status import Status
from lgm_core.runs.store import RunFolder
from pages.parts.server.access import may_launch
from pages.parts.status import IDLE, attempt
from pages.parts.theme import plain, state_words

_EVERY = 2.0  # seconds between two looks at runs that are under way


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


@dataclass(frozen=True, kw_only=True)
class Look:
    """A run as it was at one moment, by which a page is drawn. `signature` changes when the run changes its state, or
    has found something more that a page shows.
    """

    run: RunFolder
    status: Status
    signature: str

    @property
    def finished(self) -> bool:
        return self.status.state == "finished"


def look(run: RunFolder) -> Look:
    """One look at a run: take it before anything of the run is read, and draw the whole page by it."""
    status = run.status()
    files = (run.map_file, run.alignment_file, run.findings_file)
    signature = " ".join([status.state, *(str(path.stat().st_mtime_ns) for path in files if path.exists())])
    return Look(run=run, status=status, signature=signature)


def wait_for(seen: Sequence[Look], key: str) -> None:
    """The state of runs that are not finished, live; the page is drawn anew when one of them has something new.

    `seen` are the looks that the page was drawn by: what happens after them is something new.
    """
    if not seen:
        return
    every = _EVERY if any(one.status.active for one in seen) else IDLE
    st.fragment(_watch, run_every=every)(tuple(one.run.id for one in seen), tuple(one.signature for one in seen), key)


def _watch(names: tuple[str, ...], before: tuple[str, ...], key: str) -> None:
    seen = [look(RunFolder(places().runs / name)) for name in names]
    if tuple(one.signature for one in seen) != before:
        st.rerun()
    for one in seen:
        _show(one.run, one.status, key)


def _show(run: RunFolder, status: Status, key: str) -> None:
    config = run.config()
    of = ", ".join(config.evaluate_on) if config.kind == "align" else config.backbone
    words = f"{state_words(status.state)} {config.kind} with {plain(of)}"
    if status.state in ("failed", "lost"):
        st.error(f"{words}: {plain(status.error or 'its worker process stopped')}")
        _offer("Try again", "refresh", run, key)
        with st.expander("Last lines of the log"):
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
