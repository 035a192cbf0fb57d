"""All runs as rows of a table, read once and kept until their files change.

>>> rows = run_rows()  # newest first
>>> rows[0]["run"], rows[0]["state"]
('demo-full', 'finished')
"""

from pathlib import Path
from typing import Any

import pandas as pd
import streamlit as st

from lgm_core.base.remembered import Remembered
from lgm_core.runs.store import Facts, RunFolder
from pages.parts.images import frame_url
from pages.parts.pickers import listed_runs
from pages.parts.theme import STATE_COLOURS

COLUMNS = ["picture", "run", "state", "accuracy", "progress", "dataset", "backbone", "kind", "study", "made"]


def run_rows() -> list[dict[str, Any]]:
    """One row per run, newest first: picture (an address), state, progress in per cent, best accuracy, config."""
    return [_row(run, its) for run, its in listed_runs()]


def table(rows: list[dict[str, Any]]) -> pd.DataFrame:
    return pd.DataFrame(rows, columns=COLUMNS)


def column_config() -> dict[str, Any]:
    """How the columns are shown."""
    return {
        "picture": st.column_config.ImageColumn("", width=54, help="the newest frame"),
        "run": st.column_config.TextColumn("run", width=258),
        "state": st.column_config.MultiselectColumn(
            "state", options=list(STATE_COLOURS), color=list(STATE_COLOURS.values()), width=82
        ),
        "progress": st.column_config.ProgressColumn(
            "progress", min_value=0, max_value=100, format="%d %%", width="small"
        ),
        "accuracy": st.column_config.NumberColumn(
            "accuracy", format="%.1f %%", width=72, help="top-1, on the best backbone"
        ),
        "dataset": st.column_config.TextColumn("data set"),
        "made": st.column_config.DatetimeColumn("made", format="distance"),
    }


@st.fragment(run_every=3.0)
def keep_fresh(before: list[dict[str, Any]]) -> None:
    """Draws the page anew when a run's state, step or picture changes."""
    if run_rows() != before:
        st.rerun()


def _row(run: RunFolder, its: Facts) -> dict[str, Any]:
    status, newest, accuracy = run.status(), _NEWEST.of(run.frame_index), _ACCURACY.of(run.evals)
    share = 1.0 if status.state == "finished" else status.step / status.steps if status.steps else 0.0
    return {
        "picture": frame_url(run, newest) if newest else None,
        "run": run.id,
        "state": [status.state],
        "progress": round(100 * min(share, 1.0)),
        "accuracy": None if accuracy is None else 100 * accuracy,
        "dataset": its.dataset,
        "backbone": its.backbone,
        "kind": its.choice or its.kind,
        "study": its.study or None,
        "made": pd.Timestamp(run.config_file.stat().st_mtime, unit="s", tz="UTC"),
    }


def _newest(index: Path) -> dict[str, Any] | None:
    frames = RunFolder(index.parent.parent).frame_list()
    return frames[-1] if frames else None


def _accuracy(evals: Path) -> float | None:
    return max((report["top1"] for report in RunFolder(evals.parent).eval_reports()), default=None)


_NEWEST, _ACCURACY = Remembered(_newest), Remembered(_accuracy)
