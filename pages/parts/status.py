"""What a run says of itself, live: state, progress, speed, memory, failure; and the buttons that change it.

>>> show_status(run, run.status())  # asks the run folder every few seconds while the page is open
"""

import logging
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

import streamlit as st

from lgm_core.base.errors import UserError, result_or_why
from lgm_core.base.places import places
from lgm_core.evaluation.protocol import keys_of
from lgm_core.jobs import local
from lgm_core.jobs.estimate import estimate
from lgm_core.runs.status import Status
from lgm_core.runs.store import RunFolder
from pages.parts.server.access import may_launch, require_launch
from pages.parts.theme import plain, state_words

_REFUSED = "lgm_refused"  # session key: why what a button asked for was not done
BROKEN = ":material/broken_image:"  # a damaged file
# Seconds between two looks at an active run, and at any other: another window may resume it. Each look is a run of a
# script on the server; that a run has ended or begun, the player on Watch tells at once (docs/experiments/idle.py).
EVERY, IDLE = 4.0, 10.0


def is_active(runs: Iterable[RunFolder]) -> bool:
    """Is one of these runs queued or under way?"""
    return any(run.status().active for run in runs)


def show_status(run: RunFolder, status: Status) -> None:
    """State, progress and buttons; draws the whole page anew when there is something new to show on it.

    `status` is the one that the whole page was drawn by: a state that it has passed over would never be noticed.
    """
    every = EVERY if status.active else IDLE
    st.fragment(_panel, run_every=every)(str(run.path), what_is_there(run, status))


def show_failure(run: RunFolder, status: Status) -> None:
    """Why a run failed or was lost, in a sentence, with the remedy; the log's tail folded away."""
    if status.state == "failed":
        st.error(plain(status.error or "The worker ended without an error message."), icon=":material/error:")
    elif status.state == "lost":
        words = f"This run's worker process stopped {_ago(status.heartbeat)}. Only its last seconds are lost"
        then = "." if run.why_not_resumed() else "; Resume continues from the last checkpoint."
        st.warning(f"{words}{then}", icon=":material/link_off:")
    else:
        return
    with st.expander("Last lines of the log", icon=":material/notes:"):
        st.code(run.log_tail(40) or "The log is empty.", language=None, wrap_lines=True)


def show_problems(*runs: RunFolder | None) -> None:
    """Damaged files of these runs, and what else of them this version cannot read: left out of the page, named here."""
    found = {run.id: (run.problems(), run.notes()) for run in runs if run}
    for run_id, (problems, notes) in found.items():
        of = f"{plain(run_id)}: " if len(found) > 1 else ""
        for sentence in problems:
            st.warning(f"{of}{plain(sentence)}", icon=BROKEN)
        for sentence in notes:
            st.caption(f":material/info: {of}{plain(sentence)}")


@contextmanager
def panel(title: str) -> Iterator[None]:
    """Around, or as a decorator of, a part of a page: where it fails over a file that holds what no check foresaw, it
    says so, and the rest of the page goes on. Inside `st.fragment`, which draws its function alone.
    """
    try:
        yield
    except Exception as error:  # reruns and stops are no `Exception`
        logging.getLogger("lgm.pages").exception("%s cannot be shown", title)
        why = f"{type(error).__name__}: {error}"
        st.warning(
            f"{title} cannot be shown: a file has unexpected contents ({plain(why)}). See the dashboard's log for "
            "details; the rest of the page is not affected.",
            icon=BROKEN,
        )


def figures(run: RunFolder, status: Status) -> list[tuple[str, str, str]]:
    """(label, value, help): step, speed, time, memory. Of an active run always all of them, so that nothing moves when
    one becomes known.
    """
    step = f"{min(status.step + (status.step > 0), status.steps)} of {status.steps}" if status.steps else ""
    each = status.seconds_per_step
    speed = "" if not each else f"{1 / each:.1f} steps/s" if each < 1 else f"{each:.1f} s/step"
    left, took = seconds_left(run, status), round(status.seconds)
    where = f" on {status.device}" if status.device else ""
    found = [
        ("Step", step if status.step or status.active else "", ""),
        ("Speed", speed, "mean over the last steps"),
        ("Time left", duration(left) if left else "", "for the remaining steps and the evaluations that follow")
        if status.active
        else ("Time", duration(took) if took else "", "of work so far, without waiting for a device"),
        ("Memory", memory(status.device_memory) if status.device_memory else "", f"the peak so far{where}"),
    ]
    return [(label, value or "–", help) for label, value, help in found if value or status.active]


def seconds_left(run: RunFolder, status: Status) -> float:
    """Seconds that the run still needs, for its steps and for judging; 0 where that is not known."""
    if status.state != "running" or not status.seconds_per_step:
        return 0.0
    steps = max(status.steps - status.step - 1, 0)
    judging, judges = _judging(str(run.path), run.config_file.stat().st_mtime_ns)
    still = max(judges - len(list(run.evals.glob("*.json"))), 0) / judges if judges else 0.0
    return steps * status.seconds_per_step + still * judging


@st.cache_data(max_entries=64, ttl=300, show_spinner=False)
def _judging(path: str, stamp: int) -> tuple[float, int]:
    """Seconds that judging the result of a distillation takes, as estimated, and the number of its evaluations."""
    del stamp  # part of the cache's key
    config, _ = result_or_why(RunFolder(Path(path)).config)
    found, _ = result_or_why(lambda: estimate(config, places())) if config else (None, "")
    return (found.seconds_evaluate, len(keys_of(config))) if found and config else (0.0, 0)


def duration(seconds: float) -> str:
    """Such as "45 s", "3 min 20 s", "2 h 5 min"."""
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60} s"
    return f"{whole // 3600} h {whole % 3600 // 60} min"


def memory(count: float) -> str:
    """Bytes for people."""
    size, unit = next(((s, u) for s, u in ((2**30, "GB"), (2**20, "MB")) if count >= s), (2**10, "kB"))
    return f"{count / size:.1f} {unit}" if unit == "GB" else f"{count / size:.0f} {unit}"


def attempt(action: Callable[[], object]) -> bool:
    """Do it; a mistake is shown as its sentence. Was it done?"""
    try:
        require_launch()
        action()
    except UserError as error:
        st.error(plain(error), icon=":material/error:")
        return False
    return True


def what_is_there(run: RunFolder, status: Status) -> tuple:
    """A value that changes when the rest of the page has to be drawn anew."""
    evals = sorted(path.name for path in run.evals.glob("*.json"))
    return status.state, run.map_file.exists(), run.frame_index.exists(), evals


def _panel(path: str, before: tuple) -> None:
    run = RunFolder(Path(path))
    status = run.status()
    if what_is_there(run, status) != before:
        st.rerun()
    with st.container(border=True, key="lgm_status"):
        with st.container(horizontal=True, vertical_alignment="center", gap="medium"):
            st.markdown(state_words(status.state), width="content")
            for label, value, help in figures(run, status):
                st.metric(label, value, help=help or None, width="content")
            with st.container(horizontal=True, horizontal_alignment="right", vertical_alignment="center"):
                _buttons(run, status)
        if refused := st.session_state.pop(_REFUSED, ""):
            st.error(plain(refused), icon=":material/error:")
        if status.active:
            with st.container(key="lgm_phase"):  # a line of its own, cut where it is too long: nothing moves with it
                st.caption(plain(_phase(run, status)) or "…")
            st.progress(_share(status))
        for note in (*status.notes, *filter(None, [run.why_not_resumed()])):
            st.caption(f":material/info: {plain(note)}")


def _buttons(run: RunFolder, status: Status) -> None:
    wish = run.wish() if status.active else ""
    if wish in ("pause", "stop"):
        st.button(f"Asked to {wish} …", disabled=True, key="asked")
        _action("Withdraw", "undo", lambda: local.resume(run), "The run continues as before")
    elif status.active:
        _action("Pause", "pause", lambda: local.pause(run), "Writes a checkpoint and frees the device")
        _action("Stop", "stop", lambda: local.stop(run), "Ends the run; you can still resume it")
    elif status.state == "failed":
        help = "Try again from the last checkpoint"
        _action("Retry", "refresh", lambda: local.retry(run), help, primary=True, refused=run.why_not_resumed())
    elif status.state in ("paused", "stopped", "lost"):
        help = "Continue from the last checkpoint"
        _action("Resume", "play_arrow", lambda: local.resume(run), help, primary=True, refused=run.why_not_resumed())


def _action(
    label: str, icon: str, action: Callable[[], object], help: str, primary: bool = False, refused: str = ""
) -> None:
    """A button whose click counts even if the panel is redrawn meanwhile: callbacks run before fragments.

    `refused`: why it cannot be pressed.
    """
    st.button(
        label, icon=f":material/{icon}:", help=plain(refused) if refused else help,
        type="primary" if primary else "secondary", on_click=_do, args=(action,),
        disabled=bool(refused) or not may_launch(), key=f"do_{label.lower().replace(' ', '_')}",
    )  # fmt: skip


def _do(action: Callable[[], object]) -> None:
    try:
        require_launch()
        action()
    except UserError as error:
        st.session_state[_REFUSED] = str(error)
    time.sleep(0.2)  # the worker mostly answers within this time, so that the page already shows it
    st.rerun()


def _phase(run: RunFolder, status: Status) -> str:
    if status.state == "queued":
        if status.cluster:
            return f"Waiting for {local.waits_on_cluster(run)}"
        for place, (other, words) in enumerate(local.queue(places()), start=1):
            if other.id == run.id:
                return f"Number {place} in the queue, waiting for {words}"
        return "Waiting for a device"
    if status.state == "running" and status.phase:
        counted = f", {status.phase_done} of {status.phase_total}" if status.phase_total > 1 else ""
        return f"{status.phase[0].upper()}{status.phase[1:]}{counted}"
    return ""


def _share(status: Status) -> float:
    if status.phase and status.phase != "distilling" and status.phase_total:
        return min(status.phase_done / status.phase_total, 1.0)
    return min(status.step / status.steps, 1.0) if status.steps else 0.0


def _ago(when: float) -> str:
    return f"{duration(max(time.time() - when, 0))} ago" if when else "some time ago"
