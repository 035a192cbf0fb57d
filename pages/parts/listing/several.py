"""What is done with several runs at once, on the page Runs: resume, stop, put into the trash; said in one line.

>>> show_actions(["demo-random-s0", "demo-random-s1"])  # buttons; after a click, what became of each stands there
"""

import time
from collections.abc import Callable, Sequence

import streamlit as st

from lgm_core.base.errors import UserError
from lgm_core.base.places import places
from lgm_core.jobs import local
from lgm_core.runs.status import STATES
from lgm_core.runs.store import RunFolder, RunStore
from lgm_core.runs.trash import Trash
from pages.parts.listing.marks_form import show_marks
from pages.parts.server.access import may_launch, require_launch
from pages.parts.theme import plain

_SAID = "lgm_several_said"  # session key: when something was done last, what became of it, which runs were put away
_SHOWN_FOR = 120.0  # seconds; the page draws itself anew whenever a run has something new


def show_actions(names: Sequence[str], tags: Sequence[str] = ()) -> None:
    """Buttons for the runs that are ticked, and what became of those before. `tags`: those that are in use."""
    with st.container(horizontal=True, vertical_alignment="center", key="lgm_several"):  # also without: nothing moves
        if st.button("Open", icon=":material/open_in_new:", disabled=len(names) != 1, help="Opens the run on Watch"):
            st.switch_page("pages/watch.py", query_params={"run": names[0]})
        states = {RunFolder(places().runs / name).status().state for name in names}
        for label, icon, verb, action, fitting, help in _ACTIONS:
            st.button(
                label, icon=f":material/{icon}:", help=help, key=f"several_{icon}", on_click=_do_all,
                args=(list(names), verb, action), disabled=not states & set(fitting) or not may_launch(),
            )  # fmt: skip
        show_marks(names, tags)
        st.caption(f"{len(names)} selected" if names else "Tick runs to act on several at once", width="content")
    when, lines, away = st.session_state.get(_SAID, (0.0, [], []))
    if time.time() - when > _SHOWN_FOR:
        return
    for is_done, line in lines:
        (st.success if is_done else st.warning)(line)
    if away:
        st.button(
            "Put back", icon=":material/undo:", key="several_undo", on_click=_do_all, args=(away, "put back", _restore),
            help=f"Takes them out of the trash, {plain(places().runs / '.trash')}",
        )  # fmt: skip


def outcomes(names: Sequence[str], verb: str, action: Callable[[str], object]) -> list[tuple[bool, str]]:
    """Do it with each; (True, a line on those with which it was done) and (False, a line on the others, with why: each
    reason once).
    """
    done, notes, refused = [], [], dict[str, list[str]]()
    for name in names:
        try:
            require_launch()
            notes += [plain(note) for note in action(name) or ()]  # type: ignore[union-attr]
            done.append(plain(name))
        except UserError as error:
            refused.setdefault(str(error).replace(f"the run {name!r}", "it"), []).append(plain(name))
    lines = [(True, f"{verb.capitalize()}: {', '.join(done)}. {' '.join(notes)}".strip())] if done else []
    why = "; ".join(f"{', '.join(these)} ({plain(reason)})" for reason, these in refused.items())
    return lines + ([(False, f"Not {verb}: {why}")] if refused else [])


def _do_all(names: list[str], verb: str, action: Callable[[str], object]) -> None:
    """Of a click: before the page is drawn anew."""
    lines = outcomes(names, verb, action)
    away = [name for name in names if action is _delete and not (places().runs / name).exists()]
    st.session_state[_SAID] = time.time(), lines, away
    time.sleep(0.2)  # a worker mostly answers within this time


def _resume(name: str) -> None:
    local.resume(RunFolder(places().runs / name), places())


def _pause(name: str) -> None:
    local.pause(_active(name))


def _stop(name: str) -> None:
    local.stop(_active(name))


def _active(name: str) -> RunFolder:
    run = RunFolder(places().runs / name)
    if not run.status().active:
        raise UserError(f"it is {run.status().state} already")
    return run


def _delete(name: str) -> list[str]:
    return Trash(RunStore(places().runs)).put(name)


def _restore(name: str) -> None:
    Trash(RunStore(places().runs)).restore(name)


_ACTIVE, _HALTED = ("queued", "running"), ("paused", "stopped", "failed", "lost")
_ACTIONS = (  # label, icon, what was done, how, in which states, help
    ("Resume", "play_arrow", "resumed", _resume, _HALTED, "Each continues from its last checkpoint"),
    ("Pause", "pause", "asked to pause", _pause, _ACTIVE, "Each writes a checkpoint and frees its device"),
    ("Stop", "stop", "asked to stop", _stop, _ACTIVE, "Each writes a checkpoint and ends; you can still resume it"),
    ("Delete", "delete", "moved to the trash", _delete, STATES, "Moves them to the trash; you can put them back"),
)
