"""The ways to distil, as the Launch page offers them: methods and presets, from the rows of the catalogue.

>>> method = pick_method()  # METHODS["rcig"]
>>> pick_preset(method)
'rcig_digits'
"""

import os
from collections.abc import Sequence
from functools import cache

import streamlit as st

from lgm_core.backbones.students.student_names import ARCHITECTURES, AUGMENTED
from lgm_core.base.settings import all_but_one, joined
from lgm_core.config import RunConfig
from lgm_core.evaluation.catalog import PROTOCOLS
from lgm_core.jobs.effort import efforts_of
from lgm_core.jobs.slots import device_slots
from lgm_core.methods.catalog import METHODS, Method
from lgm_core.presets import PRESETS, preset
from pages.parts.address import begins_with, forget, put_into_url, state_key, take_from_url
from pages.parts.launch.form import label
from pages.parts.pickers import backbone_words, offered_backbones

DATASET = "scenes"  # where neither a preset nor a link says another
# Without a GPU: what shows a result within a minute.
QUICK_PRESET, QUICK_DATASET, QUICK_BACKBONE = "preview", "details", "mobilenet_v3_small"
_BEFORE = "lgm_data_before_preset"  # session key: the data set that was chosen, and what a preset put in its place


def is_quick() -> bool:
    """Does Launch begin with what is quick, since there is no GPU here?"""
    return not _has_gpu(os.environ.get("CUDA_VISIBLE_DEVICES"))


def first_preset(method: Method) -> str:
    """The preset that the form begins with."""
    return QUICK_PRESET if is_quick() and QUICK_PRESET in method.presets else method.default_preset


def first_dataset(preset: str) -> str:
    """The data set that the form begins with: that of the preset, where it is made for one."""
    return PRESETS.get(preset, {}).get("dataset", QUICK_DATASET if is_quick() else DATASET)


def networks_of(method: Method) -> tuple[str, ...] | None:
    """What is offered to distil with; None for the catalogue of backbones."""
    return None if method.networks == "frozen" else tuple(ARCHITECTURES)


def judges_of(method: Method) -> tuple[str, ...] | None:
    """What is offered to judge with; None for the catalogue of backbones."""
    if method.networks == "frozen":
        return None
    return tuple(f"{name}{end}" for end in ("", f":{AUGMENTED}") for name in ARCHITECTURES)


def begin(base: RunConfig) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """The networks that the inputs begin with, to distil with and to judge with."""
    own = base.networks()
    if is_quick() and own == RunConfig().networks():
        own = (QUICK_BACKBONE,)
    return own, tuple(name for name in base.evaluate_on if name not in own)


def pick_sets(method: Method, networks: Sequence[str], key: str = "sets") -> list[str]:
    """What each set is learned in: one network for each, all of them together, or all but one, where the method can."""
    if not method.joint or len(networks) < 2:
        return list(networks)
    ways = {"each": "A set for each, as a study", "together": "One set for all of them", "both": "Both, as a study"}
    others = all_but_one(networks)
    ways |= {"others": "Each left out once, as a study"} if others else {}
    take_from_url(key, ways)
    state = state_key(key)
    if st.session_state.get(state, "each") not in ways:
        st.session_state[state] = "each"  # a backbone was taken away: of two, none can be left out
    chosen = st.segmented_control(
        "What to make of them", list(ways), default=begins_with(state, "each"), key=state,
        required=True, format_func=ways.__getitem__,
        help="One set for all of them takes its steps in each backbone in turn; backbones that took no part read it "
        "better. Both, as a study, shows by how much. Each left out once, of three or more: a set in all of the others "
        "for each, so that every backbone is judged by what it reads without having taken part",
    )  # fmt: skip
    put_into_url(key, [chosen or "each"])
    if chosen == "others":
        return others
    alone = [] if chosen == "together" else list(networks)
    return [*alone, joined(networks)] if chosen in ("together", "both") else alone


def pick_opened(method: Method, base: RunConfig, start: RunConfig) -> dict[str, dict[str, str]]:
    """Networks that the method's settings name, such as a teacher: of the catalogue, or small ones trained here.

    Returns what differs from `base`, ready for `presets.change`; the inputs begin with `start`.
    """
    changes: dict[str, dict[str, str]] = {}
    for setting in method.opens:
        group, _, name = setting.partition(".")
        now, field = getattr(getattr(start, group), name), type(getattr(base, group)).__dataclass_fields__[name]
        names = list(dict.fromkeys([now, *offered_backbones(), *(f"{one}:batch" for one in ARCHITECTURES)]))
        chosen = st.selectbox(
            label(field), names, key=f"opened_{base.preset}_{setting}", accept_new_options=True,
            format_func=backbone_words, help=field.metadata["help"],
        )  # fmt: skip
        if chosen != getattr(getattr(base, group), name):
            changes.setdefault(group, {})[name] = chosen
    return changes


def pick_protocols(base: RunConfig, start: RunConfig) -> dict[str, tuple[str, ...]]:
    """What the judges do with the images; returns what differs from `base`, ready for `presets.change`."""
    frozen = METHODS[base.method].networks == "frozen"
    offered = [name for name, row in PROTOCOLS.items() if not frozen or row.networks == "frozen"]
    help = "\n".join(
        ["How the images are judged; several protocols give several accuracies:", ""]
        + [f"- **{name}**: {PROTOCOLS[name].words}" for name in offered]
    )
    chosen = st.multiselect(
        "Judge by", offered, default=[name for name in start.protocol if name in offered],
        key=f"protocol_{base.preset}", help=help, placeholder="Choose a protocol",
    )  # fmt: skip
    protocol = (*chosen, *(name for name in base.protocol if name not in offered))
    return {} if protocol == base.protocol else {"protocol": protocol}


def pick_method(key: str = "method") -> Method:
    """The method, from the control, the link, or the link's preset."""
    usual = RunConfig().method
    implied = PRESETS.get(st.query_params.get("preset", ""), {}).get("method")
    if implied and key not in st.query_params:
        st.query_params[key] = implied
    take_from_url(key, METHODS)
    chosen = st.segmented_control(
        "Method", list(METHODS), default=begins_with(state_key(key), usual), key=state_key(key),
        required=True, format_func=lambda name: METHODS[name].title, on_change=_another_method, args=(key,),
    )  # fmt: skip
    put_into_url(key, [chosen or usual])
    method = METHODS[chosen or usual]
    st.caption(method.words)
    return method


def pick_preset(method: Method, key: str = "preset") -> str:
    """One of the method's presets or efforts, with what there is to say about it."""
    state, words = state_key(key, method.name), {**method.preset_words, **efforts_of(method)}
    take_from_url(key, words, state=state)
    chosen = st.segmented_control(
        "Preset, or settings by effort" if method.effort else "Preset", list(words), key=state, required=True,
        default=begins_with(state, first_preset(method)),
        format_func=lambda name: words[name].split("**")[1],
        on_change=_another_preset, args=(method, state), wrap=True,
    )  # fmt: skip
    chosen = chosen or first_preset(method)
    put_into_url(key, [chosen])
    st.caption(words[chosen])
    return chosen


def starting_point(chosen: str) -> RunConfig:
    """What the form begins with: the preset; for an effort the defaults, until data and networks are chosen."""
    return preset(chosen if chosen in PRESETS else "standard")


def _another_method(key: str) -> None:
    """Forget choices made for the previous method; the data set stays, unless a preset is made for one: then it comes
    back with a method whose preset is not.
    """
    forget("preset", "backbones", "evaluate", "set")
    method = METHODS.get(st.session_state[state_key(key)] or "")
    if method is not None:
        _go_to(_made_for(first_preset(method)), back=True)


def _another_preset(method: Method, state: str) -> None:
    if any("backbone" in changes for changes in method.presets.values()):
        forget("backbones", "evaluate")
    _go_to(_made_for(st.session_state[state] or first_preset(method)))


def _go_to(made_for: str, back: bool = False) -> None:
    """Choose the data set that a preset is made for; `back`: where it suits any, the one from before such presets."""
    now = st.query_params.get("dataset", "")
    own, put = st.session_state.get(_BEFORE, (now, now))
    own = own if now == put else now
    if made_for:
        st.query_params["dataset"], st.session_state[_BEFORE] = made_for, (own, made_for)
    elif back and own:
        st.query_params["dataset"] = own
        st.session_state.pop(_BEFORE, None)


def _made_for(preset: str) -> str:
    """The data set that a preset is made for; "" where it suits any."""
    return PRESETS.get(preset, {}).get("dataset", "")


@cache
def _has_gpu(visible: str | None) -> bool:
    """Asked once, since it takes a process; `visible`: the variable by which devices are hidden."""
    del visible  # part of the cache's key
    return device_slots() != ["cpu-0"]
