"""Whose side do the others take? For each ordered pair of backbones a set that means different classes to the two.

>>> opened = show_sides(members)  # the runs of the row that was clicked
"""

from collections.abc import Sequence
from dataclasses import dataclass

import pandas as pd
import streamlit as st

from lgm_core.config import is_contrast
from lgm_core.evaluation.protocol import network_of
from lgm_core.reports.allegiance import Side, Spread, aim_words, reaches_aim, taken_sides
from lgm_core.reports.foretold import followed_words, foretold
from lgm_core.reports.matrix import config_of
from lgm_core.runs.store import RunFolder
from pages.parts.maps.neighbourhood import title_of
from pages.parts.pickers import all_runs
from pages.parts.theme import plain

_A, _B = (0, 114, 178), (213, 94, 0)  # the sides' colours
_WHOLE = 30  # rows that are shown without a scrollbar: all ordered pairs of six backbones
_WHAT = (
    "The images of each row mean their class to A, and another class to B. The columns of the other backbones show "
    "the share that sides with **A**: of the test images that a backbone gives one of both meanings, those with A's. "
    "Both orders of a pair are shown: with A and B exchanged, 30 % should become 70 %. The columns in the middle "
    "say how often A and B find their own meaning, and how often the other's; ✓ where both reach the aim."
)


@dataclass(frozen=True, kw_only=True)
class _Line:
    """A row of the table: a pair, what was seen in its sets of one assignment, and the runs that made these."""

    pair: Sequence[str]
    sides: Sequence[Side]
    runs: tuple[str, ...]


def show_sides(runs: Sequence[RunFolder]) -> tuple[str, ...]:
    """The table, filling while the runs go on, and what foretells it; returns the runs of the row that is clicked."""
    made = [run for run in runs if is_contrast(config_of(run))]
    sides = taken_sides(runs)
    judges = list(dict.fromkeys(one.judge for one in sides))
    lines = _lines(made, sides)
    states = [run.status().state for run in made]
    told = ", ".join(f"{states.count(state)} {state}" for state in dict.fromkeys(states))
    st.caption(f"{_WHAT} Runs: {told}. Click a row to see its images.")
    shown = pd.DataFrame([_row(line, judges) for line in lines])
    for name, is_shown in {
        "Assignment": len({one.classes for one in sides}) > 1, "Sets": any(len(one.runs) > 1 for one in sides)
    }.items():  # fmt: skip
        shown = shown if is_shown else shown.drop(columns=name)
    shares = [title_of(name) for name in judges]
    shown[shares] = shown[shares].astype(float)
    styled = shown.style.map(_colour, subset=shares).format("{:.1f} %", subset=shares, na_rep="–")
    for place, line in enumerate(lines):
        for one in line.sides:
            if len(one.runs) > 1 and one.share and not one.is_own:
                words = f"{{:.1f}} ± {100 * one.share.spread:.1f} %"
                styled = styled.format(words, subset=pd.IndexSlice[[place], [title_of(one.judge)]])
    picked = st.dataframe(
        styled, hide_index=True, on_select="rerun", selection_mode="single-cell", key="sides", placeholder="–",
        height="content" if len(lines) <= _WHOLE else "auto",
    )["selection"]  # fmt: skip
    if aim := aim_words(sides):
        st.caption(plain(aim))
    runs = all_runs()[::-1]
    if said := _foretold(config_of(made[0]).dataset, repr(sides), (str(runs[0].path.parent), len(runs)), sides, runs):
        st.caption("Do backbones side with the one that they are more aligned with, or whose sets they read better? "
                   + plain(" ".join(said)))  # fmt: skip
    else:
        st.caption(
            "Whether they side with the one that they are aligned with, or whose sets they read better, is shown here "
            "once the alignment of all of these backbones has been computed (above, or `lgm align`), or sets of one "
            "backbone each have been distilled."
        )
    return lines[picked["cells"][0][0]].runs if picked["cells"] else ()


@st.cache_data(ttl=60, max_entries=8, show_spinner=False)
def _foretold(
    dataset: str, told: str, known: tuple[str, int], _sides: Sequence[Side], _runs: Sequence[RunFolder]
) -> list[str]:
    """What foretells the sides, in words. It reads all reports and draws thousands of times: once a minute is enough.

    `told`: the sides as text, `known`: which runs there are; what is kept is that of both.
    """
    del told, known
    return followed_words(foretold(_runs, dataset, _sides))


def pick_of_pair(runs: Sequence[RunFolder]) -> RunFolder | None:
    """The set that the address names, or another one of its pair, where there are several; None where it names none."""
    made = {run.id: run for run in runs if is_contrast(config_of(run))}
    named = st.query_params.get("pair", "")
    if named not in made:
        return None
    alike = [name for name, run in made.items() if config_of(run).networks() == config_of(made[named]).networks()]
    if len(alike) > 1:
        named = st.segmented_control("Set", alike, default=named, key=f"set_{named}", format_func=plain) or named
    return made[named]


def _lines(made: Sequence[RunFolder], sides: Sequence[Side]) -> list[_Line]:
    found = []
    for pair in dict.fromkeys(config_of(run).networks() for run in made):
        own: dict[tuple[int, ...], list[Side]] = {}
        for one in sides:
            if (one.first, one.second) == pair:
                own.setdefault(one.classes, []).append(one)
        for seen in own.values():
            names = dict.fromkeys(run for one in seen for run in one.runs)
            found.append(_Line(pair=pair, sides=seen, runs=tuple(names)))
        if not own:
            names = tuple(run.id for run in made if config_of(run).networks() == pair)
            found.append(_Line(pair=pair, sides=(), runs=names))
    return found


def _row(line: _Line, judges: Sequence[str]) -> dict[str, str | float | None]:
    first, second = line.pair
    found = {one.judge: one for one in line.sides}
    own = {network_of(name): one for name, one in list(found.items())[::-1]}
    a, b = own.get(first), own.get(second)
    shares = {name: one.share.mean for name, one in found.items() if one.share and not one.is_own}
    reached = " ✓" if reaches_aim(line.sides) else ""
    return {
        "A": title_of(first), "B": title_of(second),
        "Assignment": line.sides[0].assignment if line.sides else "",
        "A: own, other's": _both(a.top1, a.other, a) + reached if a else "",
        "B: own, other's": _both(b.other, b.top1, b) + reached if b else "",
        **{title_of(name): 100 * shares[name] if name in shares else None for name in judges},
        "Sets": len(line.runs) if line.sides else 0,
    }  # fmt: skip


def _both(own: Spread, other: Spread, side: Side) -> str:
    return f"{own.words(len(side.runs))}, {other.words(len(side.runs))} %"


def _colour(share: float | None) -> str:
    if share is None or pd.isna(share):
        return ""
    red, green, blue = _A if share > 50 else _B
    return f"background-color: rgba({red}, {green}, {blue}, {abs(share - 50) / 100:.2f})"
