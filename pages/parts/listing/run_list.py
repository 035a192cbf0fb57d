"""All runs as rows of a table, read once and kept until their files change.

>>> rows = run_rows()  # newest first
>>> rows[0]["run"], rows[0]["state"]
('demo-full', 'finished')
"""

from contextlib import suppress
from pathlib import Path
from typing import Any

import pandas as pd
import streamlit as st

from lgm_core.base.remembered import Remembered
from lgm_core.evaluation.protocol import column_of
from lgm_core.reports.summary import own_report
from lgm_core.runs.store import Facts, RunFolder
from pages.parts.images import frame_url
from pages.parts.maps.neighbourhood import title_of
from pages.parts.pickers import listed_runs
from pages.parts.theme import STATE_COLOURS

COLUMNS = [
    "picture", "run", "state", "accuracy", "judged by", "progress", "dataset", "backbone", "kind", "study", "made",
]  # fmt: skip


def run_rows() -> list[dict[str, Any]]:
    """One row per run, newest first: picture (an address), state, progress and accuracy in per cent, judge, config."""
    rows = []
    for run, its in listed_runs():
        with suppress(FileNotFoundError):  # it was moved away meanwhile
            rows.append(_row(run, its))
    return rows


def table(rows: list[dict[str, Any]]) -> pd.DataFrame:
    return pd.DataFrame(rows, columns=COLUMNS)


def column_config() -> dict[str, Any]:
    """How the columns are shown."""
    return {
        "picture": st.column_config.ImageColumn("", width=54, help="the newest frame"),
        "run": st.column_config.TextColumn("run", width=212),
        "state": st.column_config.MultiselectColumn(
            "state", options=list(STATE_COLOURS), color=list(STATE_COLOURS.values()), width=82
        ),
        "progress": st.column_config.ProgressColumn(
            "progress", min_value=0, max_value=100, format="%d %%", width="small"
        ),
        "accuracy": st.column_config.NumberColumn(
            "accuracy", format="%.1f %%", width=72, help="top-1 of the judge beside it"
        ),
        "judged by": st.column_config.TextColumn("judged by", width=208),
        "dataset": st.column_config.TextColumn("data set"),
        "made": st.column_config.DatetimeColumn("made", format="distance"),
    }


@st.fragment(run_every=3.0)
def keep_fresh(before: list[dict[str, Any]]) -> None:
    """Draws the page anew when a run's state, step or picture changes."""
    if run_rows() != before:
        st.rerun()


def _row(run: RunFolder, its: Facts) -> dict[str, Any]:
    status, newest, judged = run.status(), _NEWEST.of(run.frame_index), _JUDGED.of(run.evals)
    share = 1.0 if status.state == "finished" else status.step / status.steps if status.steps else 0.0
    return {
        "picture": frame_url(run, newest) if newest else None,
        "run": run.id,
        "state": [status.state],
        "progress": round(100 * min(share, 1.0)),
        "accuracy": judged and 100 * judged[0],
        "judged by": judged and judged[1],
        "dataset": its.dataset,
        "backbone": its.backbone,
        "kind": its.choice or its.kind,
        "study": its.study or None,
        "made": pd.Timestamp(run.config_file.stat().st_mtime, unit="s", tz="UTC"),
    }


def _newest(index: Path) -> dict[str, Any] | None:
    frames = RunFolder(index.parent.parent).frame_list()
    return frames[-1] if frames else None


def _judged(evals: Path) -> tuple[float, str] | None:
    """Top-1 in [0, 1] in the network that the run was made with, else in its first judge; who judged, the spread."""
    report = own_report(RunFolder(evals.parent))
    if report is None:
        return None
    spread = f", ± {100 * report['top1_std']:.1f}" if len(report["top1_seeds"]) > 1 else ""
    return report["top1"], f"{title_of(column_of(report))}{spread}"


_NEWEST, _JUDGED = Remembered(_newest), Remembered(_judged)
