"""Choose runs, data sets and backbones. Every choice lives in the URL, so that a view can be sent to a colleague.

>>> run = pick_run(kinds=("distill",), key="run")  # None where there is no such run
>>> backbones = pick_backbones(key="backbones", default=["mobilenet_v2"])
"""

from collections.abc import Callable, Mapping, Sequence
from itertools import islice
from pathlib import Path
from typing import Any

import streamlit as st

from lgm_core.backbones import catalog as backbones
from lgm_core.backbones.open_rows import FORMS
from lgm_core.backbones.students.student_names import is_student
from lgm_core.base.errors import UserError, result_or_why
from lgm_core.base.knobs import to_dict
from lgm_core.base.places import places
from lgm_core.base.remembered import Remembered
from lgm_core.datasets import catalog as datasets
from lgm_core.datasets.group_files import collection_names
from lgm_core.datasets.groups import PREFIX
from lgm_core.runs.store import Facts, RunFolder, RunStore
from pages.parts.address import begins_with, put_into_url, state_key, take_from_url, take_what_is_there
from pages.parts.theme import plain, shortened

_RANKED = 200  # runs


def all_runs() -> list[RunFolder]:
    """All runs here that can be read, newest first."""
    return [run for run, _ in listed_runs()]


def listed_runs() -> list[tuple[RunFolder, Facts]]:
    """The same, each with its config in short; while there is none, the example that comes with the program."""
    return RunStore(places().runs).shown()[::-1]


def left_out() -> list[str]:
    """Why a folder among the runs is not listed, a sentence each."""
    return RunStore(places().runs).unreadable()


def facts(run: RunFolder) -> Facts:
    """A run's config in short, as it was listed last."""
    return RunStore(run.path.parent).facts(run.id)


def settings(run: RunFolder) -> dict[str, Any]:
    """The run's whole config as plain values, in this version's terms; {} where unreadable. For a list take `facts`.

    Kept in memory, so do not change it.
    """
    return _SETTINGS.of(run.config_file)


def has_images(run: RunFolder) -> bool:
    """Does the run have images of its own, now or later? All do but the baseline "full", which is all real data."""
    return facts(run).choice != "full"


def shows_images(run: RunFolder) -> bool:
    """Is there a picture of it to look at?"""
    return has_images(run) and run.frame_index.exists()


def worth_watching(run: RunFolder) -> bool:
    """Is the run active, or is there a picture of it?"""
    return run.status().active or shows_images(run)


def running_first(run: RunFolder) -> int:
    """For `pick_run`: 2 for a run that runs, 1 for one that is worth watching, 0 for others."""
    return 2 if run.status().state == "running" else int(worth_watching(run))


def pick_run(
    kinds: Sequence[str] = ("distill",), key: str = "run", label: str = "Run",
    where: Callable[[RunFolder], bool] | None = None, first: Callable[[RunFolder], int] | None = None,
) -> RunFolder | None:  # fmt: skip
    """One run of these kinds; at first the newest, or, of the newest 200, the one that `first` ranks highest. None
    where there is none.

    A link to a run that is not there is told so, and the page ends there until another one is chosen.
    """
    runs = {run.id: run for run, its in listed_runs() if its.kind in kinds and (where is None or where(run))}
    if not runs:
        _say_missing("run", st.query_params.get_all(key))
        return None
    ranks = [first(run) for run in islice(runs.values(), _RANKED)] if first else [0]
    begin = ranks.index(max(ranks))  # of equals the newest
    return runs[_pick_one("run", {name: shortened(name, 60) for name in runs}, key=key, label=label, begin=begin)]


def pick_runs(
    kinds: Sequence[str] = ("distill",), key: str = "runs", label: str = "Runs", default: int = 2, most: int = 8,
    first: Callable[[RunFolder], bool] | None = None,
) -> list[RunFolder]:  # fmt: skip
    """Several runs of these kinds; at first the newest `default` of them, or of those that are as `first` asks.

    Where a link asks for some that are not there, they are named, and only the others are shown.
    """
    runs = {run.id: run for run, its in listed_runs() if its.kind in kinds}
    missing = take_what_is_there(key, runs, many=True) if runs else st.query_params.get_all(key)
    _say_missing("run", missing)
    if not runs:
        return []
    state, begin = state_key(key), list[str]()
    if state not in st.session_state:  # those that `first` asks for, then the others
        begin = sorted(runs, key=lambda name: bool(first and not first(runs[name])))[:default]
    begin = [name for name in begins_with(state, begin) if name in runs]
    chosen = st.multiselect(label, list(runs), default=begin, key=state, max_selections=most, format_func=shortened)
    if not missing:
        put_into_url(key, chosen)
    return [runs[name] for name in chosen]


def pick_study(names: Mapping[str, str] | None = None, key: str = "study", label: str = "Study", begin: int = 0) -> str:
    """One of `names`, shown in their words, or of all studies, at first that in the place `begin`; "" where there is
    none. A link to one that is gone is told so, as by `pick_run`.
    """
    names = {its.study: its.study for _, its in listed_runs() if its.study} if names is None else names
    if not names:
        _say_missing("study", st.query_params.get_all(key))
        return ""
    return _pick_one("study", names, key=key, label=label, begin=begin)


def _pick_one(noun: str, names: Mapping[str, str], *, key: str, label: str, begin: int = 0) -> str:
    missing, state, every = take_what_is_there(key, names), state_key(key), list(names)
    now = begins_with(state, every[begin])
    chosen = st.selectbox(
        label or noun, every, index=None if missing or now not in names else every.index(now), key=state,
        filter_mode="contains", placeholder=f"Choose a {noun}", format_func=lambda name: names.get(name, name),
        label_visibility="visible" if label else "collapsed",
    )  # fmt: skip
    if chosen is None:  # another one in its place would be taken for it
        _say_missing(noun, missing)
        st.stop()
    put_into_url(key, [chosen])
    return chosen


def _say_missing(noun: str, names: Sequence[str]) -> None:
    if names:
        st.warning(
            f"There is no {noun} {plain(' and no '.join(names))} to show here: it was deleted or renamed, or has "
            "nothing for this page. Choose above what to show.",
            icon=":material/link_off:",
        )


def pick_dataset(key: str = "dataset", label: str = "Data set", default: str = "scenes") -> str:
    """A data set of the catalogue, a collection of groups, or `folder:PATH` typed in."""
    names = sorted(datasets.CATALOG, key=lambda name: (dataset_status(name) != "ready", name))
    names += [f"{PREFIX}{name}" for name in collection_names(places().groups)]
    state = state_key(key, *map(dataset_status, names))
    take_from_url(key, None, state=state)
    taken = begins_with(state, default)
    names += [taken] if taken not in names else []
    chosen = st.selectbox(
        label, names, index=names.index(taken), key=state, accept_new_options=True,
        format_func=dataset_words, filter_mode="contains",
        help="From the catalogue, or `folder:PATH` with PATH/train/CLASS/* and PATH/val/CLASS/*, PATH/CLASS/* alone, "
        "or the hub's PATH/data/*.parquet; `framed:NAME` draws coloured frames around any of these",
    )  # fmt: skip
    put_into_url(key, [chosen or default])
    return chosen or default


def offered_backbones() -> list[str]:
    """Those of the catalogue, first what is on this machine."""
    return [row.name for row in sorted(backbones.ROWS, key=lambda row: backbone_status(row.name) != "ready")]


def pick_backbones(
    key: str = "backbones", label: str = "Backbones", default: Sequence[str] = ("tf_efficientnet_lite0",),
    help: str = f"From the catalogue, or typed in: {', '.join(f'`{form}`' for form in FORMS)}",
    among: Sequence[str] | None = None,
) -> list[str]:  # fmt: skip
    """Backbones of the catalogue (or `among` others) or open names, in the order in which they were chosen; an alias is
    told by the catalogue's name.
    """
    names = offered_backbones() if among is None else list(among)
    state = state_key(key, *map(backbone_status, names), *(() if among is None else (*names, *default)))
    take_from_url(key, None, many=True, state=state)
    taken = begins_with(state, default)
    names += [name for name in [*default, *taken] if name not in names]
    chosen = st.multiselect(
        label, names, default=list(taken), key=state, accept_new_options=True, format_func=backbone_words, help=help
    )
    chosen = list(dict.fromkeys(map(backbones.catalogue_name, chosen)))
    put_into_url(key, chosen)
    return chosen


def dataset_status(name: str) -> str:
    """ "ready", "can be fetched (99 MB)", "manual", or "unknown"."""
    return result_or_why(lambda: datasets.status(datasets.find_row(name), places()))[0] or "unknown"


def backbone_status(name: str) -> str:
    """ "ready", "can be fetched", "gated", "missing", or "unknown". Networks trained from scratch need nothing."""
    if is_student(name):
        return "ready"
    return result_or_why(lambda: backbones.status(backbones.find_row(name), places()))[0] or "unknown"


def dataset_words(name: str) -> str:
    """A data set in a list."""
    row, status = datasets.CATALOG.get(name), dataset_status(name)
    if row is None:
        return name
    return f"{row.title}  ·  {row.classes or '?'} classes  ·  {_status_words(status)}"


def backbone_words(name: str) -> str:
    """A backbone in a list."""
    if is_student(name):
        return f"{name}  ·  from scratch"
    row, status = backbones.known_row(name), backbone_status(name)
    if row is None:
        return name
    size = f" ({row.megabytes} MB)" if status == "can be fetched" else ""
    lacks = "" if status == "ready" else f"  ·  {_status_words(status)}{size}"
    return f"{backbones.title_here(row, places())}  ·  {name}{lacks}"  # the name, so that typing it finds the row


def _status_words(status: str) -> str:
    return status.replace("can be fetched", "fetch").replace("manual", "by hand")


def _settings(path: Path) -> dict[str, Any]:
    try:
        return to_dict(RunFolder(path.parent).config())
    except UserError:
        return {}


_SETTINGS = Remembered(_settings, most=4096)
