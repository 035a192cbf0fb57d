"""Which comparison is looked at: the run, the pair of backbones, the number of neighbours; all in the URL.

>>> seen = comparison_run("imagenette", ["mobilenet_v2", "dinov2_vits14"])
>>> pair = pick_pair(found, ["mobilenet_v2", "dinov2_vits14"])
>>> pair.name, pair.against
('mobilenet_v2', ('dinov2_vits14',))
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import streamlit as st

from lgm_core.reports.disagreement import OTHERS, Disagreement, open_disagreement
from lgm_core.runs.store import RunFolder
from pages.parts import needed
from pages.parts.address import begins_with, put_into_url, state_key, take_from_url
from pages.parts.maps.neighbourhood import title_of
from pages.parts.pickers import listed_runs


@dataclass(frozen=True, kw_only=True)
class Pair:
    """One backbone, and the other, or all others, that it is compared with."""

    name: str
    other: str  # OTHERS for all
    against: tuple[str, ...]

    @property
    def words(self) -> str:
        other = title_of(self.other) if self.other != OTHERS else "all others"
        return f"{title_of(self.name)} {'and' if self.other != OTHERS else 'against'} {other}"


def comparison_run(dataset: str, backbones: Sequence[str]) -> needed.Look | None:
    """The newest run that compares all of these backbones image by image, a finished one first; None without one."""
    seen = [
        needed.look(run) for run, its in listed_runs()
        if (its.kind, its.dataset) == ("align", dataset) and set(backbones) <= set(its.evaluate_on)
    ]  # fmt: skip
    whole = next((one for one in seen if load_disagreement(one.run)), None)
    return whole or next((one for one in seen if not one.finished), None)


def load_disagreement(run: RunFolder) -> Disagreement | None:
    """What a run found, kept in memory while its files stay as they are; None while it is not there."""
    try:
        stamps = run.alignment_file.stat().st_mtime_ns, run.images_file.stat().st_mtime_ns
    except OSError:
        return None
    return _load(str(run.path), stamps)


def pick_pair(found: Disagreement, backbones: Sequence[str], place: Any = st) -> Pair:
    """Two of these backbones, or one against all others."""
    pairs = {f"{a}|{b}": _pair(found, a, b) for i, a in enumerate(backbones) for b in backbones[i + 1 :]}
    if len(backbones) > 2:
        pairs |= {f"{a}|{OTHERS}": _pair(found, a, OTHERS, backbones) for a in backbones}
    state = state_key("pair", *pairs)
    take_from_url("pair", pairs, state=state)
    words = {key: pair.words for key, pair in pairs.items()}
    every = list(pairs)
    chosen = place.selectbox(
        "Pair", every, every.index(begins_with(state, every[0])), key=state, format_func=lambda key: words.get(key, key)
    )
    put_into_url("pair", [chosen])
    return pairs[chosen]


def pick_k(found: Disagreement, place: Any = st) -> int:
    """The number of neighbours looked at."""
    sizes = [str(k) for k in found.ks]
    first = min(sizes, key=lambda k: abs(int(k) - 10))
    if len(sizes) == 1:
        return int(first)
    return int(place.select_slider("Nearest images, k", sizes, first, key="k", bind="query-params"))


def share_of(found: Disagreement, pair: Pair, k: int) -> np.ndarray:
    """Each image's share of common neighbours, [N]."""
    return np.mean([found.shared(pair.name, other, k) for other in pair.against], axis=0)


def _pair(found: Disagreement, name: str, other: str, among: Sequence[str] = ()) -> Pair:
    against = tuple(one for one in among if one != name) if other == OTHERS else (other,)
    return Pair(name=name, other=other, against=against)


@st.cache_resource(max_entries=8, show_spinner=False)
def _load(path: str, stamps: tuple[int, int]) -> Disagreement | None:
    del stamps  # part of the cache's key
    from pathlib import Path

    return open_disagreement(RunFolder(Path(path)))
