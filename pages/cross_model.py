"""Does it transfer? What is distilled with one backbone, evaluated with another; and how alike the two see."""

import streamlit as st

from lgm_core.backbones.students.student_names import is_student
from lgm_core.evaluation.protocol import column_of, judged_by, network_of, spread_over, what_is_unlike
from lgm_core.reports.matrix import Matrix, View, config_of, fillings, study_matrix
from lgm_core.reports.summary import LOWER_BOUND
from lgm_core.runs.store import RunFolder
from pages.parts import needed
from pages.parts.maps.embedded import with_features
from pages.parts.pickers import facts, listed_runs, pick_backbones
from pages.parts.status import show_failure, show_problems
from pages.parts.theme import empty, header, plain
from pages.parts.transfer.alignment import align_config, align_run, show_alignment, show_scatter
from pages.parts.transfer.matrix import transfer_matrix
from pages.parts.transfer.opened import open_report
from pages.parts.ways import pick_way

VIEWS: dict[str, str] = {"raw": "Top-1", "relative": "Of all real images", "over centroids": "Above own centroids"}
NOTES: dict[str, str] = {
    "raw": "Top-1 accuracy, %.",
    "relative": "Accuracy divided by that on all real images in the same column, %.",
    "over centroids": "Accuracy minus that of the centroid images of the column's own backbone, in points.",
}
_EVERY = 3.0  # seconds
_MOST_BESIDE = 3  # backbones whose two matrices fit beside each other on a small screen


def choices() -> dict[str, list[RunFolder]]:
    """Studies by name, and all runs of a data set: what can fill a matrix."""
    found: dict[str, list[RunFolder]] = {}
    for run, its in listed_runs()[::-1]:
        if its.kind in ("distill", "baseline", "evaluate"):
            if its.study:
                found.setdefault(its.study, []).append(run)
            found.setdefault(f"dataset:{its.dataset}", []).append(run)
    return dict(sorted(found.items(), key=lambda item: item[0].startswith("dataset:")))


def members(chosen: str) -> list[RunFolder]:
    """The runs of a choice, and those which evaluate their images."""
    runs = choices().get(chosen, [])
    known = {run.id for run in runs}
    later = [run for run, its in listed_runs() if its.kind == "evaluate" and its.source in known]
    return runs + [run for run in later if run.id not in known]


@st.fragment(run_every=_EVERY)
def transfer(chosen: str, backbones: list[str], view: View) -> None:
    """The matrix, read anew every few seconds; the cell that is open below it."""
    runs = members(chosen)
    matrix = study_matrix(runs, backbones)
    if not matrix.columns:
        st.info("These runs are evaluated on no backbone. Choose backbones above to see what could be launched.")
        return
    opened = transfer_matrix(matrix, view)
    states = [slot.state for slot in matrix.slots.values()]
    counts = {state: states.count(state) for state in dict.fromkeys(states)}
    students = any(is_student(network_of(name)) for name in matrix.columns)
    full = students and any(row.choice == "full" for row in matrix.rows)
    words = [NOTES[view]] + ([LOWER_BOUND] if full else [])
    words += [plain(what_is_unlike(map(config_of, runs), matrix.columns))]
    words += [f"Judged by {judged_by(matrix.columns)}; mean ± standard deviation over {spread_over(matrix.columns)}."]
    words += ["Click a cell to open it."]
    st.caption(
        f"{' '.join(filter(None, words))} Cells: {', '.join(f'{count} {state}' for state, count in counts.items())}."
    )
    before = st.session_state.get("matrix_open")
    st.session_state["matrix_open"] = opened
    if before is not None and before != opened:
        st.rerun()  # the opened cell is drawn outside, so that it does not flicker with every look


def open_cell(matrix: Matrix, runs: list[RunFolder], key: str) -> None:
    """What is behind a cell."""
    label, _, column = key.rpartition("|")
    row = next((row for row in matrix.rows if row.label == label), None)
    if row is None or column not in matrix.columns:
        return  # a cell of the study that was shown before
    slot = matrix.slot(row, column)
    st.subheader(f"{plain(label)}, judged by {plain(column)}", anchor=False)
    named = {run.id: run for run in runs}
    if slot.state == "done":
        chosen = slot.runs[0]
        if len(slot.runs) > 1:
            chosen = (
                st.segmented_control("Run", slot.runs, default=chosen, key=f"of_{key}", format_func=plain) or chosen
            )
        run = named[chosen]
        report = next((report for report in run.eval_reports() if column_of(report) == column), None)
        if report:
            open_report(run, report, named.get(facts(run).source) if facts(run).kind == "evaluate" else None, key=key)
        return
    if slot.state == "missing":
        configs = fillings(runs, row, [column])
        words = (
            "The run of this cell has no result that can be read."
            if slot.runs
            else "No run was asked for this cell yet."
        )
        st.info(words, icon=":material/grid_on:")
        if configs:
            needed.launch("Launch it", configs, key="cell")
        return
    for name in slot.runs:
        show_failure(named[name])
    needed.wait_for([named[name] for name in slot.runs], key="cell")


def launch_missing(matrix: Matrix, runs: list[RunFolder]) -> None:
    """One button for all cells that nobody asked for."""
    gaps = [
        (row, [name for name in matrix.columns if matrix.slot(row, name).state == "missing"]) for row in matrix.rows
    ]
    configs = [config for row, names in gaps if names for config in fillings(runs, row, names)]
    if configs:
        count = sum(len(names) for _, names in gaps)
        words = "Launch the missing cell" if count == 1 else f"Launch {count} missing cells"
        told = f"{len(configs)} {'run' if len(configs) == 1 else 'runs'}, which queue for the device"
        needed.launch(words, configs, key="missing", primary=False, help=told)


header("Cross-model", "Does it transfer?")
found = choices()
if not found:
    empty(
        "Nothing to compare yet",
        "Launch a study: several backbones at once, each distilled with and evaluated with, and the baselines. "
        "Its matrix fills here, cell by cell, while it runs.",
        page="pages/launch.py",
        label="Launch a study",
        icon="grid_on",
    )
    st.stop()
left, right = st.columns([2, 3])
names = {name: f"all runs on {name[8:]}" if name.startswith("dataset:") else name for name in found}
chosen = pick_way("Study", names, key="study", menu=True, place=left)
runs = members(chosen)
known = study_matrix(runs).columns
with right:
    backbones = pick_backbones(default=known, help="Further ones add empty cells, which can be launched from here")
dataset = facts(runs[0]).dataset
show_problems(*runs)
left, right = st.columns(2, gap="medium") if len(backbones) <= _MOST_BESIDE else (st.container(), st.container())
with left:
    st.subheader("Transfer", anchor=False)
    view = pick_way("Show", VIEWS, key="view", hide_label=True)
    transfer(chosen, backbones, view)  # type: ignore[arg-type]
    matrix = study_matrix(runs, backbones)
    launch_missing(matrix, runs)
with right:
    st.subheader("Alignment", anchor=False)
    frozen = with_features(backbones, "compare")
    alignment = align_run(dataset, frozen) if len(frozen) > 1 else None
    values = show_alignment(alignment, frozen) if alignment else None
    if alignment is not None and alignment.status().state != "finished":
        needed.wait_for([alignment], key="align")
    if alignment is None and len(frozen) > 1:
        st.info("How alike these backbones see this data set is not computed yet.", icon=":material/compare_arrows:")
        needed.launch("Compute the alignment", [align_config(dataset, frozen, runs[0])], key="align")
    elif len(backbones) < 2:
        st.caption("Choose two or more frozen backbones to compare how they see this data set.")
if opened := st.session_state.get("matrix_open", st.query_params.get("cell", "")):
    open_cell(matrix, runs, opened)
if values:
    show_scatter(matrix, backbones, values)
