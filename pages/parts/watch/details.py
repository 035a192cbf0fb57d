"""What a run found, and what it was told: accuracies, the command that repeats it, all settings, the log.

>>> show_results(run)
>>> show_details(run)
"""

import pandas as pd
import streamlit as st

from lgm_core.base.knobs import flat, to_dict, words_of
from lgm_core.evaluation.protocol import column_of, judged_by, spread_over
from lgm_core.presets import base_of
from lgm_core.reports.budget import budget_sentence
from lgm_core.reports.command import command_of_run
from lgm_core.reports.confusion import weakest_class
from lgm_core.reports.summary import judge_words, tested_on
from lgm_core.runs.store import RunFolder
from pages.parts.theme import plain

_OTHER = "top-1 by the second meaning"  # top-1 of a contrast set, with the second backbone's classes


def show_results(run: RunFolder) -> None:
    """Top-1 accuracy per evaluating backbone, as the reports say it."""
    reports = run.eval_reports()
    if not reports:
        return
    rows = [
        {
            "Evaluated on": judge_words(report),
            "top-1": 100 * report["top1"],
            _OTHER: 100 * report["contrast"]["top1_other"] if "contrast" in report else None,
            "±": 100 * report["top1_std"] if len(report["top1_seeds"]) > 1 else None,
            "top-5": None if report["top5"] is None else 100 * report["top5"],
            "worst group": None if report["worst_group"] is None else 100 * report["worst_group"],
            "weakest class": _weakest(report),
        }
        for report in reports
    ]
    table = pd.DataFrame(rows).dropna(axis="columns", how="all")
    formats = {
        name: st.column_config.NumberColumn(format="%.1f %%") for name in ("top-1", _OTHER, "top-5", "worst group")
    }
    columns = [column_of(report) for report in reports]
    formats["±"] = st.column_config.NumberColumn(format="%.1f", help=f"standard deviation over {spread_over(columns)}")
    st.subheader("What the images are worth", anchor=False)
    st.caption(
        f"Accuracy on real test images by {judged_by(columns)}, with nothing but these images to learn from: "
        f"{tested_on([run])}. {plain(budget_sentence(run))}"
    )
    st.dataframe(table, hide_index=True, column_config=formats, placeholder="–")


def show_details(run: RunFolder) -> None:
    """Settings, the command, versions and the log, folded away."""
    with st.expander("Settings, command, log", icon=":material/tune:"):
        config = run.config()
        st.caption("Command that repeats this run")
        st.code(command_of_run(run), language="bash", wrap_lines=True)
        base = flat(to_dict(base_of(config)))
        changed = {name: value for name, value in flat(to_dict(config)).items() if value != base[name]}
        left, right = st.columns(2)
        left.caption(f"Changes from the preset {base_of(config).preset}")
        left.dataframe(_two_columns(changed), hide_index=True)
        right.caption("Versions")
        right.dataframe(_two_columns(run.environment()), hide_index=True)
        st.caption("Last lines of the log")
        st.code(run.log_tail(15) or "The log is empty.", language=None, wrap_lines=True)


def _weakest(report: dict) -> str:
    found = weakest_class(report)
    return f"{found.name} ({100 * found.top1:.0f} %)" if found else ""


def _two_columns(values: dict) -> pd.DataFrame:
    return pd.DataFrame([(name, words_of(value)) for name, value in values.items()], columns=["name", "value"])
