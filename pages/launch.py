"""What to distil, and with which network? A form drawn from the config's own fields; time and memory before Start."""

import time
from dataclasses import replace

import streamlit as st

from lgm_core.base.errors import UserError, result_or_why
from lgm_core.base.names import file_name
from lgm_core.base.places import places
from lgm_core.evaluation.protocol import setting_of
from lgm_core.jobs import local
from lgm_core.jobs.effort import efforts_of, with_effort
from lgm_core.jobs.sending import why_not_sent
from lgm_core.jobs.study import StudyFlags
from lgm_core.presets import change
from lgm_core.runs.store import RunFolder
from pages.parts.launch.choices import (
    begin,
    first_dataset,
    judges_of,
    networks_of,
    pick_method,
    pick_opened,
    pick_preset,
    pick_protocols,
    pick_sets,
    starting_point,
)
from pages.parts.launch.estimate import show_estimate, time_words
from pages.parts.launch.form import draw_fields, draw_groups
from pages.parts.launch.link import linked, put_into_link
from pages.parts.launch.plan import command_of, in_lines, make_plan, to_watch
from pages.parts.launch.ready import show_backbones, show_dataset
from pages.parts.launch.where import pick_cluster
from pages.parts.pickers import pick_backbones, pick_dataset
from pages.parts.server.access import may_launch
from pages.parts.status import attempt
from pages.parts.theme import header, plain

header("Launch", "What to distil, and with which networks?")
form, summary = st.container(key="lgm_row_launch").columns([5, 3], gap="large")
with form:
    method = pick_method()
    above, name = st.container(), pick_preset(method)  # a preset may be made for one data set and one network
    takes = st.empty()
    given = starting_point(name)
    with above:
        dataset = pick_dataset(default=first_dataset(name))
        fine = show_dataset(dataset)
        first, judges = begin(given)
        label = f"{method.noun.capitalize()}s to distil with (several make a study, or one set together)"
        label = label if method.joint else label.replace(", or one set together", "")
        backbones = pick_backbones(label=label, default=first, among=networks_of(method))
        fine = show_backbones(backbones, dataset) and fine
        sets = pick_sets(method, backbones)  # what each of the sets is learned in
    base = replace(given, dataset=dataset, backbone=sets[0] if sets else "")
    by_rules = name in efforts_of(method) and bool(sets)
    base = with_effort(base, name, sets) if by_rules else base
    more_fields = ("normalisation",) if method.networks == "frozen" else ()
    shown = ("steps", "images_per_class", "seed", *more_fields, "protocol", *method.tabs)
    start, slots, changes = linked(base, shown), st.columns(3, vertical_alignment="bottom"), {}
    with above:
        opened = pick_opened(method, base, start)
        teachers = [setting_of(change(base, opened), name) for name in method.opens]
        fine = show_backbones(teachers, dataset) and fine
    for slot, field in zip(slots[1:], ("images_per_class", "seed"), strict=True):  # the rules look at the first
        with slot:
            changes |= draw_fields(base, f"run_{name}", names=(field,), columns=1, start=start)
    inputs = name  # other values are other inputs
    if by_rules:
        found, _ = result_or_why(lambda: with_effort(change(base, changes), name, sets))
        base = found or base  # what is out of range is told beside its input, and keeps Start from being pressed
        ruled = (base.lgm.views, base.data.train_per_class, base.synthetic.resolution)
        start, inputs = linked(base, shown), "_".join(map(str, (name, *ruled)))
    further = pick_backbones(
        key="evaluate", default=judges, label=f"Additional {method.noun}s to evaluate on", help=method.judged,
        among=judges_of(method),
    )  # fmt: skip
    show_backbones([name for name in further if name not in teachers], dataset)
    changes |= pick_protocols(base, start)
    with st.expander("All settings", icon=":material/tune:"):
        if more_fields:
            changes |= draw_fields(base, f"run_{inputs}", names=more_fields, start=start)
        changes |= draw_groups(base, f"all_{inputs}", start=start, but=method.opens)
    changes |= {group: {**found, **changes.get(group, {})} for group, found in opened.items()}
    if by_rules:  # the steps follow from what the others say, such as `lgm.joint`
        found, _ = result_or_why(lambda: with_effort(change(base, changes), name, sets))
        if found and found.steps != base.steps:
            base = replace(base, steps=found.steps)
            start = linked(base, shown)
    with slots[0]:
        changes |= draw_fields(base, f"run_{inputs}_{base.steps}", names=("steps",), columns=1, start=start)
    put_into_link(base, changes)
    flags, several = StudyFlags(), len(sets) > 1
    help = f"Several seeds, and baselines of real images to compare with. Several {method.noun}s always make a study"
    if several:  # another widget: whoever goes back to one set has not asked for a study
        wanted = st.toggle("Run as a study", key="is_study", value=True, disabled=True, help=help)
    else:
        wanted = st.toggle("Run as a study", key="as_study", bind="query-params", help=help)
    study = ""
    if wanted:
        asked = ["seeds", "draws", "sizes", "baselines", *(["rivals"] if method.networks == "frozen" else [])]
        asked += ["ablate"] if method.ablations else []
        flags = replace(flags, **draw_fields(flags, "study", names=asked))
        made = f"{file_name(dataset, keep='')}-{time.strftime('%m%d-%H%M')}"
        study = st.text_input("Name of the study", value=made, key="study_name").strip()

with summary, st.container(border=True, key="lgm_summary"):
    plan, problem = [], "" if backbones else f"Choose at least one {method.noun}."
    try:
        judged = tuple(dict.fromkeys([*backbones, *further]))
        config = change(base, changes, {"evaluate_on": judged})
        plan = make_plan(config, sets, study, flags) if sets else []
    except UserError as error:
        problem = str(error)
    if problem:
        st.error(plain(problem), icon=":material/error:")
    else:
        st.subheader(f"{len(plan)} runs" if len(plan) > 1 else "One run", anchor=False)
        show_estimate(plan)
        if words := time_words(plan[0]):
            takes.caption(f"The first run: {words[0].lower()}{words[1:]}" if len(plan) > 1 else words)
    cluster = pick_cluster()
    if not fine:
        st.warning("Something this run needs is not on this machine yet: fetch it, or see the note beside it.")
    ready = fine and not problem and may_launch() and not why_not_sent(cluster)
    if st.button("Start", type="primary", icon=":material/rocket_launch:", width="stretch", disabled=not ready):
        started: list[RunFolder] = []
        if attempt(lambda: started.extend(local.submit_all(plan, places(), cluster))):
            st.switch_page("pages/watch.py", query_params={"run": to_watch(started).id})
    if not problem:
        st.caption("Same run from a terminal")
        words = command_of(config, study, sets, replace(flags, cluster=cluster))
        st.code(in_lines(words), language="bash", wrap_lines=True)
