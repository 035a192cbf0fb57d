"""How many nearest images two backbones have in common: against chance, and class by class. Each bar opens its images.

>>> rows = against_chance(found, pair, k=10, share=share)  # rows of the bar that is chosen, None without one
"""

import numpy as np
import plotly.graph_objects as go
import streamlit as st

from lgm_core.reports.disagreement import Disagreement
from pages.parts import charts
from pages.parts.disagree.chosen import Pair
from pages.parts.theme import BLUE, GREY, ORANGE, class_colour


def against_chance(found: Disagreement, pair: Pair, *, k: int, share: np.ndarray) -> np.ndarray | None:
    """The images by their number of common neighbours, found and by chance; returns the rows of the chosen bar."""
    figure = go.Figure()
    every = found.distribution(pair.name, pair.against, k)
    figure.add_bar(x=list(range(k + 1)), y=every["found"], name="found", marker_color=BLUE)
    lines = {"by chance": ("by chance (hypergeometric)", GREY), "permuted": ("images permuted", ORANGE)}
    for name, (words, colour) in lines.items():
        if name in every:
            figure.add_scatter(x=list(range(k + 1)), y=every[name], name=words, mode="lines+markers",
                               line={"color": colour, "width": 2, "dash": "dot"})  # fmt: skip
    figure.update_xaxes(title=f"Common images among the {k} nearest").update_yaxes(title="Images")
    chosen = charts.choose(figure, key="common", height=300)
    st.caption(
        f"On average {100 * share.mean():.1f} % in common; by chance {100 * found.chance(k):.1f} %. Click a bar "
        "to see its images."
    )
    return np.flatnonzero(np.rint(share * k) == int(chosen)) if chosen.isdigit() else None


def by_class(found: Disagreement, *, k: int, share: np.ndarray) -> np.ndarray | None:
    """The mean share of each class with its standard error; returns the rows of the chosen class."""
    rows = found.per_class(share)
    names = [found.classes[one.label] for one in rows]
    figure = go.Figure()
    figure.add_bar(
        y=names, x=[one.mean for one in rows], orientation="h",
        marker_color=[class_colour(one.label) for one in rows],
        error_x={"type": "data", "array": [one.error for one in rows], "thickness": 1},
        customdata=[one.images for one in rows], hovertemplate="%{x:.1%} of %{customdata} images<extra></extra>",
    )  # fmt: skip
    figure.add_vline(x=found.chance(k), line={"color": GREY, "dash": "dot"})
    figure.update_xaxes(title=f"Common images among the {k} nearest, mean ± standard error", tickformat=".0%")
    figure.update_yaxes(autorange="reversed")
    chosen = charts.choose(figure, key="class", axis="y", height=max(220, 26 * len(rows) + 70), legend=False)
    st.caption("The dotted line is chance. Click a bar to see the images of the class.")
    return None if chosen not in names else np.flatnonzero(found.labels == found.classes.index(chosen))
