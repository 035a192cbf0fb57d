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
from lgm_core.datasets.groups import LOOKING
from lgm_core.evaluation.protocol import column_of
from lgm_core.jobs.local import waits_on_cluster
from lgm_core.reports.unseen import by_networks, own_report
from lgm_core.runs.marks import read_marks
from lgm_core.runs.store import Facts, RunFolder
from pages.parts.images import frame_url
from pages.parts.listing.marks_form import STAR
from pages.parts.maps.neighbourhood import title_of
from pages.parts.pickers import listed_runs
from pages.parts.theme import STATE_COLOURS, shortened

COLUMNS = [
    "picture", "star", "name", "run", "state", "waits for", "accuracy", "judged by", "progress", "tags", "note",
    "dataset", "backbone", "kind", "study", "made",
]  # fmt: skip


def run_rows() -> list[dict[str, Any]]:
    """One row per run, newest first: picture (an address), state, progress and accuracy in per cent, judge, config."""
    rows = []
    for run, its in listed_runs():
        with suppress(FileNotFoundError):  # it was moved away meanwhile
            rows.append(_row(run, its))
    return rows


def table(rows: list[dict[str, Any]]) -> pd.DataFrame:
    shown = pd.DataFrame(rows, columns=COLUMNS)
    return shown.drop(
        columns=[name for name in ("star", "tags", "note", "waits for") if not any(row[name] for row in rows)]
    )


def column_config() -> dict[str, Any]:
    """How the columns are shown."""
    return {
        "picture": st.column_config.ImageColumn("", width=54, help="The newest frame"),
        "star": st.column_config.TextColumn(STAR, width=30),
        "name": st.column_config.TextColumn("Run", width=232),
        "run": None,  # whole, for whoever takes the table along
        "state": st.column_config.MultiselectColumn(
            "State", options=list(STATE_COLOURS), color=list(STATE_COLOURS.values()), width=82
        ),
        "waits for": st.column_config.TextColumn("Waits for", width=240, help="For runs that were sent to a cluster"),
        "progress": st.column_config.ProgressColumn(
            "Progress", min_value=0, max_value=100, format="%d %%", width="small"
        ),
        "accuracy": st.column_config.NumberColumn(
            "Accuracy", format="%.1f %%", width=76, help="Top-1 accuracy, by the judge named beside it"
        ),
        "judged by": st.column_config.TextColumn("Judged by", width=150),
        "tags": st.column_config.ListColumn("Tags", width=110),
        "note": st.column_config.TextColumn("Note", width=150),
        "dataset": st.column_config.TextColumn("Data set"),
        "backbone": st.column_config.TextColumn("Backbone"),
        "kind": st.column_config.TextColumn("Kind", width=84),
        "study": st.column_config.TextColumn("Study"),
        "made": st.column_config.DatetimeColumn("Created", format="distance"),
    }


@st.fragment(run_every=3.0)
def keep_fresh(before: list[dict[str, Any]]) -> None:
    """Draws the page anew when a run's state, step or picture changes."""
    if run_rows() != before:
        st.rerun()


def _row(run: RunFolder, its: Facts) -> dict[str, Any]:
    status, newest, judged = run.status(), _NEWEST.of(run.frame_index), _JUDGED.of(run.evals)
    marks = read_marks(run.marks_file)
    share = 1.0 if status.state == "finished" else status.step / status.steps if status.steps else 0.0
    return {
        "picture": frame_url(run, newest) if newest else None,
        "run": run.id,
        "name": shortened(run.id, 32),
        "star": STAR if marks.starred else "",
        "tags": list(marks.tags),
        "note": " ".join(marks.note.split()),
        "state": [status.state],
        "waits for": waits_on_cluster(run) if status.state == "queued" and status.cluster else "",
        "progress": round(100 * min(share, 1.0)),
        "accuracy": judged and 100 * judged[0],
        "judged by": judged and judged[1],
        "dataset": its.dataset,
        "backbone": its.backbone if by_networks(its.choice) else None,
        "kind": "example" if its.example else its.choice or its.kind,
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
    mark = f", {LOOKING}" if report.get("mark") else ""
    return report["top1"], f"{title_of(column_of(report))}{spread}{mark}"


_NEWEST, _JUDGED = Remembered(_newest), Remembered(_judged)
