"""What changed between these runs? Only the settings that differ, the curves together, the images side by side."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import streamlit as st

from lgm_core.backbones.students.student_names import is_student
from lgm_core.base.knobs import flat, words_of
from lgm_core.base.places import places
from lgm_core.evaluation.protocol import column_of, judged_by, key_of_report
from lgm_core.evaluation.protocol import differing as settings_apart
from lgm_core.methods.catalog import METHODS
from lgm_core.reports.draws import difference, draws_of, top1_of_draws
from lgm_core.reports.live_curves import live_judge, live_keys
from lgm_core.reports.matrix import config_of
from lgm_core.reports.summary import loss_words, top1_words
from lgm_core.reports.unseen import idle_settings
from lgm_core.runs.store import RunFolder, RunStore
from pages.parts import charts
from pages.parts.comparison.sets_beside import images
from pages.parts.maps.neighbourhood import title_of
from pages.parts.pickers import pick_runs, settings, shows_images
from pages.parts.status import IDLE, panel, show_failure, show_problems, what_is_there
from pages.parts.theme import class_colour, empty, header, plain, shortened, state_words

_EVERY = 3.0  # seconds
_NOT_SETTINGS = ("name", "study")
_CURVES = {"loss": "Loss", "live": "Accuracy during the run"}

Report = dict[str, Any] | None
Lines = Mapping[str, Sequence[Mapping[str, Any]]]


def differing(runs: Sequence[RunFolder]) -> list[dict[str, str]]:
    """The settings in which not all of the runs agree, a row each; "–" where a run does not look at a setting."""
    configs = [flat(settings(run)) for run in runs]
    used = [groups_read(settings(run)) for run in runs]
    idle = [idle_settings(config_of(run)) for run in runs]
    keys = [key for config in configs for key in config if key not in _NOT_SETTINGS]
    rows = []
    for key in dict.fromkeys(keys):
        values = [words_of(config.get(key, "default")) for config in configs]
        group, dot, _ = key.partition(".")
        told = [group in read if dot else key not in left for read, left in zip(used, idle, strict=True)]
        shown = [value if one else "–" for value, one in zip(values, told, strict=True)]
        if len(set(values)) > 1 and set(shown) != {"–"}:
            rows.append({"Setting": key} | {run.id: value for run, value in zip(runs, shown, strict=True)})
    return rows


def groups_read(config: Mapping[str, Any]) -> set[str]:
    """The groups of settings that a run looks at: those of its kind, its method and its judges."""
    judges = [is_student(name) for name in config.get("evaluate_on", ())]
    row = METHODS.get(config["method"])
    own = set(row.tabs if row else ()) if config["kind"] == "distill" else {"baseline", "data", "device"}
    own |= {"scratch"} if any(judges) else set()
    return own | {"probe", "bank"} if not all(judges) else own - {"probe"}


@panel("Curves")
def curves(names: Sequence[str], runs: Sequence[RunFolder], before: Sequence[tuple]) -> None:
    """Loss and live accuracy of all runs, over the steps; read anew every few seconds.

    `before`: what was there of each run when the page was drawn, which is drawn anew once there is something else.
    """
    if [what_is_there(run, run.status()) for run in runs] != before:
        st.rerun()
    lines = {run.id: thinned(run.metrics()) for run in runs}
    colours = {name: class_colour(place) for place, name in enumerate(names)}
    if not any(lines.values()):
        st.caption("None of these runs has logged a step yet.")
        return
    left, right = st.container(key="lgm_row_plots").columns(2)
    with left:
        _together(runs, lines, colours, "loss", lambda run: loss_words(config_of(run).method))
    with right:
        _together(runs, lines, colours, "live", lambda run: _live_words(run, lines[run.id]))


def _together(
    runs: Sequence[RunFolder], lines: Lines, colours: Mapping[str, str], name: str, words: Callable[[RunFolder], str]
) -> None:
    """One chart per meaning of a value: losses or accuracies that are defined differently are not drawn together."""
    kinds: dict[str, list[str]] = {}
    for run in runs:
        if any(line.get(name) is not None for line in lines[run.id]):
            kinds.setdefault(words(run), []).append(run.id)
    for place, (said, names) in enumerate(kinds.items()):
        st.markdown(f"**{_CURVES[name]}**: {said}")
        own = {one: lines[one] for one in names}
        title = "loss" if name == "loss" else "top-1 accuracy"
        drawn = charts.curves(own, name, colours, title, percent=name != "loss")
        charts.show(drawn, key=f"compare_{name}_{place}", legend=False)
    if len(kinds) > 1:
        st.caption("The charts show different quantities; do not compare their heights.")


def thinned(lines: list[dict[str, Any]], most: int = 600) -> list[dict[str, Any]]:
    """About `most` of the lines, evenly spread, and all with a live accuracy of the run's own network, as "live"."""
    every, own = max(len(lines) // most, 1), next(iter(live_keys(lines)), "")
    return [
        line | ({"live": line[own]} if own in line else {})
        for place, line in enumerate(lines)
        if place % every == 0 or own in line
    ]


def _live_words(run: RunFolder, lines: Sequence[Mapping[str, Any]]) -> str:
    return live_judge(next(iter(live_keys(lines))), settings(run)["backbone"])


def accuracies(runs: Sequence[RunFolder]) -> None:
    """Top-1 of each run on each backbone, and the difference from the first run with its 95 % interval."""
    reports = {run.id: {column_of(report): report for report in run.eval_reports()} for run in runs}
    backbones = list(dict.fromkeys(name for found in reports.values() for name in found))
    if not backbones:
        st.caption("None of these runs has been evaluated yet.")
        return
    base, rows, apart, store = runs[0], [], dict[str, None](), RunStore(places().runs)
    draws = {run.id: draws_of(store, run) for run in runs}
    for name in backbones:
        row = {"Evaluated on": title_of(name)}
        for run in runs:
            report, reference = reports[run.id].get(name), reports[base.id].get(name)
            row[run.id] = "–" if report is None else top1_words(report)
            if run is not base:
                other_settings = apart_in(run, report, base, reference)
                apart |= dict.fromkeys(other_settings)
                row[f"{run.id} − {base.id}"] = (
                    "not comparable"
                    if other_settings
                    else gap(report, reference, *(top1_of_draws(draws[one.id], name) for one in (run, base)))
                )
        rows.append(row)
    st.dataframe(rows, hide_index=True, column_config=_headings(rows))
    for run in runs:
        for mark in dict.fromkeys(report["mark"] for report in reports[run.id].values() if "mark" in report):
            st.warning(plain(f"{run.id}: {mark}"), icon=":material/visibility:")
    st.caption(
        f"Top-1, %, of {judged_by(backbones)}; ± is the spread over the heads or networks of one run. Differences in "
        "points, with a 95 % interval from the number of test images, that spread, and how much other seeds change "
        f"the accuracy ({_seeds(runs, draws)}). • marks an interval that excludes zero."
    )
    if apart:
        st.caption(
            f"Not comparable: these evaluations differ in {plain(', '.join(apart))}, so a difference would say little "
            "about the images. Evaluate one of the sets again with the settings of the other (`lgm evaluate`)."
        )


def _headings(rows: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Long names cut in their middle, with the whole in a tooltip."""
    cut = {name: " − ".join(shortened(part, 24) for part in name.split(" − ")) for name in rows[0]}
    return {name: st.column_config.TextColumn(short, help=plain(name)) for name, short in cut.items() if short != name}


def apart_in(run: RunFolder, report: Report, base: RunFolder, reference: Report) -> list[str]:
    """The settings in which two evaluations differ; [] where one is missing."""
    if report is None or reference is None:
        return []
    return settings_apart([key_of_report(reference, config_of(base)), key_of_report(report, config_of(run))])


def _seeds(runs: Sequence[RunFolder], draws: Mapping[str, Sequence[RunFolder]]) -> str:
    """From how many seeds that is known."""
    counts = [len(draws[run.id]) for run in runs]
    if max(counts) == 1:
        return "not known here: each set has one seed, so another draw or distillation may well change it more"
    alone = [plain(run.id) for run, count in zip(runs, counts, strict=True) if count == 1]
    told = ", ".join(f"{count} seeds" for count in counts if count > 1)
    return told + (f"; {', '.join(alone)}: one seed, so not included" if alone else "")


def gap(report: Report, base: Report, draws: Sequence[float] = (), base_draws: Sequence[float] = ()) -> str:
    """A difference in words."""
    if report is None or base is None:
        return "–"
    value, half = difference(report, base, draws, base_draws)
    interval = f"[{100 * (value - half):+.1f}, {100 * (value + half):+.1f}]"
    return f"{100 * value:+.1f}  {interval}{' •' if abs(value) > half else ''}"


header("Compare", "What changed between these runs?")
runs = pick_runs(kinds=("distill", "baseline"), key="runs", default=2, most=4, first=shows_images)
if len(runs) < 2:
    empty(
        "Choose two runs" if runs else "Nothing to compare yet",
        "Their settings, curves, images and accuracies are shown side by side here, each compared with the first run.",
        page="" if runs else "pages/launch.py",
        label="Launch a run",
        icon="compare",
    )
    st.stop()
states = [run.status() for run in runs]
drawn_by = [what_is_there(run, status) for run, status in zip(runs, states, strict=True)]
for column, (place, run) in zip(st.columns(len(runs)), enumerate(runs), strict=True):
    with column.container(border=True):
        st.html(f"<div style='height:.3rem;border-radius:.2rem;background:{class_colour(place)}'></div>")
        st.markdown(f"**{plain(shortened(run.id))}**", help=plain(run.id) if shortened(run.id) != run.id else None)
        st.markdown(state_words(states[place].state))
        show_failure(run, states[place])
show_problems(*runs)
st.subheader("Settings that differ", anchor=False)
with panel("Settings that differ"):
    rows = differing(runs)
    if rows:
        st.dataframe(rows, hide_index=True, column_config=_headings(rows))
    else:
        st.caption("None: these runs have the same settings and differ only by chance.")
st.subheader("Accuracy", anchor=False)
with panel("Accuracy"):
    accuracies(runs)
st.subheader("Curves", anchor=False)
over = all(status.state == "finished" for status in states)  # finished curves do not change
looked_at = _EVERY if any(status.active for status in states) else None if over else IDLE
st.fragment(curves, run_every=looked_at)([run.id for run in runs], runs, drawn_by)
st.subheader("Images", anchor=False)
with panel("Images"):
    images(runs)
