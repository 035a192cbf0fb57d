"""How alike backbones are by each measure: calibrated against chance, with intervals; and all measures of one pair.

>>> show_measures(found, ["mobilenet_v2", "dinov2_vits14"], pair, k=10)
"""

from collections.abc import Sequence
from typing import Any

import pandas as pd
import streamlit as st

from lgm_core.reports.disagreement import HEADINGS, WORDS, Disagreement, cells_of, measure_words, shown_rows
from pages.parts.disagree.chosen import Pair
from pages.parts.transfer.matrix import alignment_matrix
from pages.parts.ways import pick_way


def show_measures(found: Disagreement, backbones: Sequence[str], pair: Pair, *, k: int) -> str:
    """A matrix of one measure's calibrated scores, then a table of all; returns the pair whose cell was clicked."""
    names = {name: WORDS[name] for name in ("consensus", *WORDS)}
    measure = pick_way("Measure", names, key="by", default="consensus", hide_label=True)
    rows = {(a, b): _row(found, a, b, measure, k) for a in backbones for b in backbones if a != b}
    if not any(rows.values()):
        st.info("This comparison has no calibrated measures. Run it with `align.permutations` above 0.")
        return ""
    table = [[1.0 if a == b else (rows[a, b] or {}).get("score") for b in backbones] for a in backbones]
    spreads = {
        (i, j): " to ".join(f"{end:.2f}" for end in row["score_interval"])
        for i, a in enumerate(backbones) for j, b in enumerate(backbones) if a != b and (row := rows[a, b])
    }  # fmt: skip
    opened = alignment_matrix(
        backbones, table, key="scores", spreads=spreads, chosen=f"{pair.name}|{pair.other}"
    )  # fmt: skip
    st.caption(
        "Calibrated scores: 0 is what 95 % of random permutations of the images stay below, 1 the measure's highest "
        "value; below each score, its 95 % interval over resampled images. The consensus is the mean of the scores of "
        f"debiased CKA, RSA, Procrustes, mutual k-NN and CKNNA. {len(found.indices)} test images. Click a cell to "
        "see its pair."
    )
    for other in pair.against:
        st.markdown(f"**{Pair(name=pair.name, other=other, against=(other,)).words}**")
        told = [[measure_words(row), *cells_of(row)] for row in shown_rows(found.measured(pair.name, other), k)]
        columns = ["Measure", "Score", "Score, 95 %", "p", "Value", "Value, 95 %", *map(str.capitalize, HEADINGS[5:])]
        st.dataframe(pd.DataFrame(told, columns=columns), hide_index=True)
    return opened


def _row(found: Disagreement, a: str, b: str, measure: str, k: int) -> dict[str, Any] | None:
    return next((row for row in shown_rows(found.measured(a, b), k) if row["measure"] == measure), None)
