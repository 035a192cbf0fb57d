"""Which maps of a data set there are, and how to ask for one that is not there.

>>> runs = embed_runs("scenes", "mobilenet_v2")  # newest first
>>> submit(embed_config("scenes", "mobilenet_v2", sources_of("scenes")), places())
"""

from collections.abc import Sequence
from typing import Any

import streamlit as st

from lgm_core.analysis.catalog import OF_SETS
from lgm_core.backbones.students.student_names import is_student
from lgm_core.base.knobs import from_dict
from lgm_core.base.settings import taken_apart
from lgm_core.config import RunConfig
from lgm_core.runs.store import RunFolder
from pages.parts.pickers import listed_runs, settings
from pages.parts.theme import plain

_MOST_SOURCES = 8


def known_datasets() -> list[str]:
    """Data sets on which anything was distilled, chosen, mapped or compared; the newest first."""
    kinds = ("distill", "baseline", "embed", "align")
    return list(dict.fromkeys(its.dataset for _, its in listed_runs() if its.kind in kinds))


def known_backbones(dataset: str, looked_at: str = "", most: int = 3) -> list[str]:
    """The frozen backbones to begin with: those compared or looked at by runs of the kind `looked_at`, such as "align";
    else those with a map, else those distilled with, of this data set.
    """
    listed = [its for _, its in listed_runs() if its.dataset == dataset]
    spoken = [
        [name for its in listed if its.kind == kind for name in taken_apart(its.backbone)]
        for kind in (looked_at, "embed", "distill", "baseline")
    ]
    if looked_at in ("align", *OF_SETS):  # backbones that were seen together
        spoken[0] = list(next((its.evaluate_on for its in listed if its.kind == looked_at), ()))
    frozen = ([name for name in dict.fromkeys(names) if not is_student(name)] for names in spoken)
    return next(filter(None, frozen), [])[:most]


def with_features(names: Sequence[str], purpose: str) -> list[str]:
    """The frozen backbones among these; a sentence says why the others are left out."""
    without = [name for name in names if is_student(name)]
    if without:
        st.caption(
            f"{plain(', '.join(without))}: networks trained from scratch have no features to {purpose}. Choose "
            "frozen backbones instead."
        )
    return [name for name in names if name not in without]


def embed_runs(dataset: str, backbone: str) -> list[RunFolder]:
    """The embed runs of a data set in a backbone, newest first."""
    return [run for run, its in listed_runs() if (its.kind, its.dataset, its.backbone) == ("embed", dataset, backbone)]


def sources_of(dataset: str, kinds: Sequence[str] = ("distill", "baseline")) -> list[RunFolder]:
    """Runs on this data set that have images to place on a map: distilled ones first, the newest first."""
    fitting = [(run, its) for run, its in listed_runs() if its.dataset == dataset and its.kind in kinds]
    runs = [(run, its) for run, its in fitting if run.has_images()]
    return [run for run, _ in sorted(runs, key=lambda pair: pair[1].kind != "distill")[:_MOST_SOURCES]]


def embed_config(dataset: str, backbone: str, sources: Sequence[RunFolder]) -> RunConfig:
    """The config of a map with these images on it, of the same part of the data that they were made from."""
    values: dict[str, Any] = {"kind": "embed", "dataset": dataset, "backbone": backbone}
    if sources:
        first = settings(sources[0])
        values |= {name: first[name] for name in ("seed", "data", "device", "normalisation") if name in first}
    return from_dict(RunConfig, values | {"sources": [run.id for run in sources]})
