"""Does it transfer? What is distilled with one backbone, evaluated with another; and how well their features align."""

from collections.abc import Iterable, Mapping

import streamlit as st

from lgm_core.backbones.students.student_names import is_student
from lgm_core.config import is_contrast
from lgm_core.evaluation.protocol import column_of, judged_by, network_of, spread_over, what_is_unlike
from lgm_core.reports.matrix import Matrix, View, config_of, fillings, study_matrix
from lgm_core.reports.summary import LOWER_BOUND, Row
from lgm_core.reports.unseen import UNSEEN_WORDS
from lgm_core.runs.store import RunFolder
from pages.parts import needed
from pages.parts.address import forget, state_key
from pages.parts.maps.embedded import with_features
from pages.parts.maps.neighbourhood import title_of
from pages.parts.pickers import facts, listed_runs, pick_backbones, pick_study
from pages.parts.status import is_active, panel, show_problems
from pages.parts.theme import empty, header, plain
from pages.parts.transfer.alignment import align_config, align_run, show_alignment, show_scatter
from pages.parts.transfer.both_meanings import show_pair
from pages.parts.transfer.growing import show_growth
from pages.parts.transfer.matrix import transfer_matrix
from pages.parts.transfer.opened import open_report
from pages.parts.transfer.pair_study import WHAT_IS_A_STUDY, plan_sides
from pages.parts.transfer.sided import pick_of_pair, show_sides
from pages.parts.ways import pick_way

VIEWS: dict[str, str] = {
    "raw": "Top-1",
    "relative": "Relative to all real images",
    "over centroids": "Gain over own centroids",
}
NOTES: dict[str, str] = {
    "raw": "Top-1 accuracy, %.",
    "relative": "Accuracy as a share of the accuracy with all real images in the same column, %.",
    "over centroids": "Accuracy minus that of the centroid images of the column's own backbone, in points.",
}
_ALL, _KINDS = "dataset:", ("distill", "baseline", "evaluate")
_EVERY, _REST = 3.0, 30.0  # seconds between two looks at runs that are under way, and at others: more may be launched
_MOST_BESIDE = 3  # backbones whose two matrices fit beside each other on a small screen


def choices() -> dict[str, str]:
    """What can fill a matrix, in words: studies by name, and all runs of a data set."""
    listed = [its for _, its in listed_runs()[::-1] if its.kind in _KINDS]
    found = {its.study: its.study for its in listed if its.study}
    return found | {f"{_ALL}{its.dataset}": f"All runs on {its.dataset}" for its in listed}


def newest_with_results(found: Iterable[str]) -> int:
    """The place of the choice that the page opens with: that of the newest run that was judged."""
    for run, its in listed_runs():
        if its.kind in _KINDS and run.evals.is_dir() and any(run.evals.iterdir()):
            return list(found).index(its.study or f"{_ALL}{its.dataset}")
    return 0


def members(chosen: str) -> list[RunFolder]:
    """The runs of a choice, and those which evaluate their images, oldest first."""
    listed = [(run, its) for run, its in listed_runs()[::-1] if its.kind in _KINDS]
    own = {run.id for run, its in listed if chosen in (its.study, f"{_ALL}{its.dataset}")}
    return [run for run, its in listed if run.id in own or (its.kind == "evaluate" and its.source in own)]


@panel("The matrix")
def transfer(chosen: str, backbones: list[str], view: View, was_active: bool) -> None:
    """The matrix, read anew every few seconds while its runs are under way; the cell that is open below it."""
    runs = members(chosen)
    if is_active(runs) != was_active:
        st.rerun()  # from now on it is looked at more often, or less
    matrix = study_matrix(runs, backbones)
    if not matrix.columns:
        st.info(
            "These runs have not been evaluated on any backbone. Choose backbones above to see what could be launched."
        )
        return
    opened = transfer_matrix(matrix, view)
    states = [slot.state for slot in matrix.slots.values()]
    counts = {state: states.count(state) for state in dict.fromkeys(states)}
    students = any(is_student(network_of(name)) for name in matrix.columns)
    full = students and any(row.choice == "full" for row in matrix.rows)
    words = [NOTES[view]] + ([LOWER_BOUND] if full else [])
    words += [plain(what_is_unlike(map(config_of, runs), matrix.columns))]
    words += [f"Judged by {judged_by(matrix.columns)}; mean ± standard deviation over {spread_over(matrix.columns)}."]
    words += [UNSEEN_WORDS] if view == "raw" and matrix.tells_unseen else []
    words += ["Click a cell to open it."]
    st.caption(
        f"{' '.join(filter(None, words))} Cells: {', '.join(f'{count} {state}' for state, count in counts.items())}."
    )
    before = st.session_state.get("matrix_open")
    st.session_state["matrix_open"] = opened
    if before is not None and before != opened:
        st.rerun()  # the opened cell is drawn outside, so that it does not flicker with every look


@panel("Accuracy against images per class")
def grown(chosen: str) -> None:
    """The curves of the ways that made sets of several sizes."""
    show_growth(study_matrix(members(chosen)))


@panel("Whose side the others take")
def sided(chosen: str) -> None:
    """The sets that mean different classes to two backbones; a click opens the images."""
    opened = show_sides(members(chosen))
    if (before := st.session_state.get("sides_open", ())) != opened:
        st.session_state["sides_open"] = opened
        forget("pair")
        if opened:
            st.query_params["pair"] = opened[0]
        if before or opened:
            st.rerun()  # the images are drawn outside, so that they do not flicker with every look


def open_cell(matrix: Matrix, runs: list[RunFolder], key: str, seen: Mapping[str, needed.Look]) -> None:
    """What is behind a cell; `seen`: the runs, by name, as they were before the matrix was read."""
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
        if slot.halted:
            st.caption("Other runs of this cell have not produced a result:")
            needed.wait_for([seen[name] for name in slot.halted], key="cell")
        return
    if slot.state == "missing":
        configs = fillings(runs, row, [column])
        words = (
            "The run of this cell has no readable result."
            if slot.runs
            else "No run has been launched for this cell yet."
        )
        st.info(words, icon=":material/grid_on:")
        if configs:
            needed.launch("Launch it", configs, key="cell")
        return
    needed.wait_for([seen[name] for name in dict.fromkeys([*slot.runs, *slot.halted])], key="cell")


def launch_missing(matrix: Matrix, runs: list[RunFolder], further: list[str], is_study: bool) -> None:
    """A button for the cells of the study that are missing, and one for those of `further` backbones."""
    own = [row for row in matrix.rows if any(matrix.slot(row, name).runs for name in matrix.columns)]
    asked = [name for name in matrix.columns if any(matrix.slot(row, name).runs for row in own)]
    if is_study:
        launch_cells("missing", ("missing ", ""), matrix, runs, [(row, asked) for row in own])
    more = [(row, further) for row in own]
    more += [(row, [*asked, *further]) for row in matrix.rows if row not in own and row.backbone in further]
    launch_cells("further", ("", f" for {plain(', '.join(map(title_of, further)))}"), matrix, runs, more)


def launch_cells(
    key: str, words: tuple[str, str], matrix: Matrix, runs: list[RunFolder], cells: list[tuple[Row, list[str]]]
) -> None:
    """A button that launches the missing ones of these cells: rows, each with columns; `words` around "cells"."""
    gaps = [(row, [name for name in names if matrix.slot(row, name).state == "missing"]) for row, names in cells]
    configs = [config for row, names in gaps if names for config in fillings(runs, row, names)]
    if configs:
        count = sum(len(names) for _, names in gaps)
        label = f"Launch {count} {words[0]}{'cell' if count == 1 else 'cells'}{words[1]}"
        told = f"{len(configs)} {'run' if len(configs) == 1 else 'runs'}, which wait in the queue for the device"
        needed.launch(label, configs, key=key, primary=False, help=told)


header("Cross-model", "Does it transfer?")
found = choices()
if not found:
    empty(
        "Nothing to compare yet",
        "Launch a study: several backbones at once, each used to distil and to evaluate, and the baselines. Its "
        "matrix fills in here, cell by cell, while it runs.",
        page="pages/launch.py",
        label="Launch a study",
        icon="grid_on",
    )
    st.stop()
left, right = st.container(key="lgm_row_pick").columns([2, 3])
with left:
    is_open = state_key("study") in st.session_state
    chosen = pick_study(found, begin=0 if is_open else newest_with_results(found))
runs = members(chosen)
seen = {run.id: needed.look(run) for run in runs}
known = list(dict.fromkeys(map(network_of, study_matrix(runs).columns)))
with right:
    backbones = pick_backbones(default=known, help="Adding backbones adds empty cells, which you can launch from here")
dataset = facts(runs[0]).dataset
show_problems(*runs)
is_beside = len(backbones) <= _MOST_BESIDE
row = st.container(key="lgm_row_matrices")
left, right = row.columns(2, gap="medium") if is_beside else (row.container(), row.container())
with left:
    st.subheader("Transfer", anchor=False)
    view = pick_way("Show", VIEWS, key="view", hide_label=True)
    under_way = any(one.status.active for one in seen.values())
    st.fragment(transfer, run_every=_EVERY if under_way else _REST)(chosen, backbones, view, under_way)  # type: ignore[arg-type]
    matrix = study_matrix(runs, backbones)
    launch_missing(matrix, runs, [name for name in backbones if name not in known], not chosen.startswith(_ALL))
with right:
    st.subheader("Alignment", anchor=False)
    frozen = with_features(backbones, "compare backbones with")
    alignment = align_run(dataset, frozen) if len(frozen) > 1 else None
    values, look = None, needed.look(alignment) if alignment else None
    if alignment:
        with panel("The alignment"):
            values = show_alignment(alignment, frozen)
    if look and not look.finished:
        needed.wait_for([look], key="align")
    if alignment is None and len(frozen) > 1:
        st.info(
            "The alignment of these backbones on this data set has not been computed yet.",
            icon=":material/compare_arrows:",
        )
        needed.launch("Compute the alignment", [align_config(dataset, frozen, runs[0])], key="align")
    elif len(backbones) < 2:
        st.caption("Choose two or more frozen backbones to see how well their features of this data set align.")
if opened := st.session_state.get("matrix_open", st.query_params.get("cell", "")):
    with panel("The opened cell"):
        open_cell(matrix, runs, opened, seen)
st.fragment(grown, run_every=_REST if under_way else None)(chosen)
if alignment and values:
    with panel("Transfer against alignment"):
        show_scatter(alignment, matrix, backbones, values)
is_sided = any(is_contrast(config_of(run)) for run in runs)
if is_sided or len(frozen) > 1:
    st.subheader("Whose side do the others take?", anchor=False)
    if is_sided:
        st.fragment(sided, run_every=_EVERY if under_way else None)(chosen)  # read anew while there is more to come
    else:
        st.caption(WHAT_IS_A_STUDY)
    with panel("A study of pairs"):
        plan_sides(runs, frozen, dataset)
if is_sided and (pair := pick_of_pair(runs)):
    with panel("The pair's images"):
        show_pair(pair)
