"""A study of pairs, planned from the page: how many sets, about how long, and those that are missing to launch.

>>> plan_sides(runs, ["mobilenet_v2", "resnet18", "tf_efficientnet_lite0"], "imagenette")
"""

from collections.abc import Sequence
from dataclasses import replace

import streamlit as st

from lgm_core.base.errors import result_or_why
from lgm_core.config import RunConfig, is_contrast, validate
from lgm_core.jobs.pairs import PairFlags, plan_pairs
from lgm_core.methods.catalog import known_method
from lgm_core.presets import preset
from lgm_core.reports.matrix import config_of
from lgm_core.runs.store import RunFolder
from pages.parts import needed
from pages.parts.launch.estimate import time_of_plan
from pages.parts.pickers import listed_runs
from pages.parts.theme import plain

WHAT_IS_A_STUDY = (
    "Images can mean one class to one backbone and another class to a second one. A study of pairs distils such a set "
    "for each ordered pair of the backbones chosen above, and shows with whom the others side."
)
_USUAL = "sides"


def plan_sides(runs: Sequence[RunFolder], backbones: Sequence[str], dataset: str) -> None:
    """A switch; behind it the study of all ordered pairs of these frozen backbones, as far as it is not there yet."""
    made = [config_of(run) for run in runs if is_contrast(config_of(run))]
    made = [config for config in made if config.study == made[0].study]  # of all runs on a data set, those of one study
    label = "Add the pairs that are missing" if made else "Start a study of pairs"
    if len(backbones) < 2 or not st.toggle(label, key="plan_sides"):
        return
    left, right = st.container(key="lgm_row_sides").columns([3, 1])
    name = next((config.study for config in made if config.study), "") or _new_name()
    name = left.text_input("Name of the study", name, key="sides_name", disabled=bool(made)).strip()
    known = max(len({one.seed for one in made}), 1)
    seeds = right.number_input("Sets per ordered pair", 1, 20, known, key="sides_seeds")
    flags = PairFlags(backbones=tuple(backbones), seeds=int(seeds))
    plan, why = result_or_why(lambda: [validate(one) for one in plan_pairs(_base(runs, made, name, dataset), flags)])
    if plan is None:
        st.warning(plain(str(why)), icon=":material/error:")
        return
    there = {(one.networks(), one.seed) for one in made}
    missing = [one for one in plan if (one.networks(), one.seed) not in there]
    if not missing:
        st.caption(f"All {len(plan)} sets of these {len(backbones)} backbones have been launched.")
        return
    judges = len(missing[0].evaluate_on)
    alone = " To see whose side others take, choose a third backbone above." if judges < 3 else ""
    st.caption(
        f"{len(missing)} of the {len(plan)} sets, one for each ordered pair{' and seed' if seeds > 1 else ''}, are "
        f"missing; each is judged by all {judges} backbones.{alone} "
        + time_of_plan(missing, [one for one in plan if one not in missing])
    )
    sets = f"{len(missing)} set{'s' if len(missing) > 1 else ''}"
    needed.launch(f"Launch {sets}", missing, key="sides", then={"study": name}, help="They wait in the queue")


def _base(runs: Sequence[RunFolder], made: Sequence[RunConfig], name: str, dataset: str) -> RunConfig:
    """The settings of the study: of its sets that are there, else of a distillation beside them, else a preview's."""
    if made:
        return replace(made[0], name=name, seed=min(one.seed for one in made))
    for config in map(config_of, runs):
        row = known_method(config)
        if row and row.contrast and len(config.networks()) == 1 and not config.source:
            fresh = {"name": name, "evaluate_on": (), "seed": 0, "images_per_class": 1, "variant": ""}
            return replace(config, **fresh)
    return preset("preview", dataset=dataset, name=name, evaluate_on=())


def _new_name() -> str:
    known = {its.study for _, its in listed_runs()}
    return next(name for name in (_USUAL, *(f"{_USUAL}-{n}" for n in range(2, 1000))) if name not in known)
