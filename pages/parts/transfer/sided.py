"""Whose side do the others take? For each ordered pair of backbones a set that means different classes to the two.

>>> show_sides(members)
"""

from collections.abc import Sequence

import pandas as pd
import streamlit as st

from lgm_core.config import is_contrast
from lgm_core.evaluation.protocol import network_of
from lgm_core.reports.allegiance import Side, alignments, followed, followed_words, taken_sides
from lgm_core.reports.matrix import config_of
from lgm_core.runs.store import RunFolder
from pages.parts.maps.neighbourhood import title_of
from pages.parts.pickers import all_runs
from pages.parts.theme import plain

_A, _B = (0, 114, 178), (213, 94, 0)  # the sides' colours
_WHAT = (
    "The images of each row mean their class to A, and another class to B. The columns of backbones that took no part "
    "show which share sides with **A**: of the test images that are called by one of the two meanings, those that are "
    "called by A's. Both orders of a pair are shown: exchanged, a share should turn into what is missing to 100 %. "
    "The two columns in the middle say how often A and B find their own meaning, and the other's."
)


def show_sides(runs: Sequence[RunFolder]) -> None:
    """The table, filling while the runs go on, and how well alignment foretells it; a click opens the run."""
    made = [run for run in runs if is_contrast(config_of(run))]
    sides = taken_sides(runs)
    judges = list(dict.fromkeys(one.judge for one in sides))
    pairs = list(dict.fromkeys(config_of(run).networks() for run in made))
    rows = [_row([one for one in sides if (one.first, one.second) == pair], pair, judges) for pair in pairs]
    states = [run.status().state for run in made]
    told = ", ".join(f"{states.count(state)} {state}" for state in dict.fromkeys(states))
    st.caption(f"{_WHAT} Runs: {told}. Click a row's cell to open its run.")
    shown = pd.DataFrame(rows)
    shares = [title_of(name) for name in judges]
    styled = shown.style.map(_colour, subset=shares).format("{:.1f} %", subset=shares, na_rep="–")
    picked = st.dataframe(
        styled, hide_index=True, on_select="rerun", selection_mode="single-cell", key="sides", placeholder="–"
    )["selection"]
    if picked["cells"]:
        pair = pairs[picked["cells"][0][0]]
        run = next(run for run in made if config_of(run).networks() == pair)
        st.switch_page("pages/watch.py", query_params={"run": run.id})
    names = dict.fromkeys(name for one in sides for name in (one.first, one.second, one.judge))
    known = alignments(all_runs()[::-1], config_of(made[0]).dataset, names)
    said = followed_words({name: followed(sides, values) for name, values in known.items()})
    if said:
        st.caption("Do backbones side with the one that they are aligned with? " + plain(" ".join(said)))
    else:
        st.caption(
            "Whether they side with the one that they are aligned with is shown here once the alignment of all of "
            "these backbones has been computed (above, or `lgm align`)."
        )


def _row(sides: Sequence[Side], pair: Sequence[str], judges: Sequence[str]) -> dict[str, str | float | None]:
    first, second = pair
    found = {one.judge: one for one in sides}
    own = {network_of(name): one for name, one in list(found.items())[::-1]}
    a, b = own.get(first), own.get(second)
    shares = {name: found[name].share if name in found and found[name].is_third else None for name in judges}
    return {
        "A": title_of(first), "B": title_of(second),
        "A: own, other's": f"{100 * a.top1:.1f}, {100 * a.other:.1f} %" if a else "",
        "B: own, other's": f"{100 * b.other:.1f}, {100 * b.top1:.1f} %" if b else "",
        **{title_of(name): None if share is None else 100 * share for name, share in shares.items()},
    }  # fmt: skip


def _colour(share: float | None) -> str:
    if share is None or pd.isna(share):
        return ""
    red, green, blue = _A if share > 50 else _B
    return f"background-color: rgba({red}, {green}, {blue}, {abs(share - 50) / 100:.2f})"
