"""Which instruments have looked at a backbone on a data set, and how to ask for what is missing.

>>> runs = looks("backbone", "imagenette", ["mobilenet_v2"])  # {"mobilenet_v2": the newest run}
>>> config = look_config("layers", "imagenette", "mobilenet_v2")
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import streamlit as st

from lgm_core.backbones.catalog import catalogue_name
from lgm_core.base.knobs import from_dict
from lgm_core.config import RunConfig
from lgm_core.runs.store import RunFolder
from pages.parts import needed
from pages.parts.maps.neighbourhood import title_of
from pages.parts.pickers import listed_runs, settings
from pages.parts.theme import plain

Finding = Mapping[str, Any]


def looks(kind: str, dataset: str, backbones: Sequence[str]) -> dict[str, RunFolder]:
    """The newest run of an instrument for each of these backbones that has one; a finished run before others."""
    found: dict[str, RunFolder] = {}
    for run, its in listed_runs():
        name = catalogue_name(its.backbone)
        if (its.kind, its.dataset) == (kind, dataset) and name in backbones:
            before = found.get(name)
            if before is None or (not before.findings() and run.findings()):
                found[name] = run
    return {name: found[name] for name in backbones if name in found}


def look_config(kind: str, dataset: str, backbone: str) -> RunConfig:
    """The config of a run of an instrument, on the same part of the data set as the newest run on it reads."""
    values: dict[str, Any] = {"kind": kind, "dataset": dataset, "backbone": backbone}
    like = next((run for run, its in listed_runs() if its.dataset == dataset), None)
    first = settings(like) if like else {}
    part = {name: first[name] for name in ("seed", "data", "normalisation") if name in first}  # chosen by the seed
    return from_dict(RunConfig, values | part)


def set_config(kind: str, source: RunFolder, backbones: Sequence[str]) -> RunConfig:
    """The config of a run of an instrument that looks at the images of another run."""
    values = settings(source) | {"kind": kind, "source": source.id, "evaluate_on": list(backbones)}
    return from_dict(RunConfig, values | {"name": "", "study": "", "fork_step": 0})


def findings_or_ask(
    kind: str, dataset: str, backbones: Sequence[str], words: str, show: Callable[[Mapping[str, Finding]], None]
) -> None:
    """What an instrument found of these backbones, shown; for those that it has not looked at, a button that starts it.

    `words`: what is missing, in a phrase, such as "cards".
    """
    runs = looks(kind, dataset, backbones)
    lacking = [name for name in backbones if name not in runs]
    needed.wait_for([one for one in map(needed.look, runs.values()) if not one.finished], key=kind)
    if lacking:
        st.info(f"There are no {words} of {plain(', '.join(map(title_of, lacking)))} on this data set yet.",
                icon=":material/psychology:")  # fmt: skip
        needed.launch("Compute", [look_config(kind, dataset, name) for name in lacking], key=f"look_{kind}")
    found = {name: values for name, run in runs.items() if (values := run.findings())}
    if found:
        show(found)
