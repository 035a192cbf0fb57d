"""How long and how much memory, before Start: from past runs on this machine, or from a few steps measured on it.

>>> show_estimate(plan)
"""

import json
import shlex
from collections.abc import Sequence
from dataclasses import asdict, replace

import streamlit as st

from lgm_core.base.errors import result_or_why
from lgm_core.base.knobs import from_dict, to_dict
from lgm_core.base.places import places
from lgm_core.base.real_settings import BY_ACCURACY
from lgm_core.config import RunConfig
from lgm_core.jobs.calibrations import measurement_file
from lgm_core.jobs.estimate import Estimate, data_size, estimate
from lgm_core.reports.command import command
from pages.parts.pickers import backbone_status
from pages.parts.server import background
from pages.parts.server.access import may_launch
from pages.parts.status import duration, memory
from pages.parts.theme import plain


def show_estimate(plan: Sequence[RunConfig]) -> None:
    """Time and memory of the distillations of a plan, backbone by backbone; a button measures what is not known."""
    first: dict[str, RunConfig] = {}
    for config in plan:
        if config.kind == "distill":
            first.setdefault(config.backbone, replace(config, name="", study="", seed=0))
    runs = len([config for config in plan if config.kind == "distill"])
    known = {name: found for name, config in first.items() if (found := _look(config))}
    if len(first) == 1 and known:
        _show_one(next(iter(known.values())), runs)
    elif known:
        _show_some(known, runs // len(first), len(known) == len(first))
    if len(plan) > runs:
        st.caption(_on_top(plan[runs:]))
    for name, config in first.items():
        if name not in known:
            _offer_measurement(config)


def _on_top(chosen: Sequence[RunConfig]) -> str:
    """A sentence on what the plan's choices of real images add to the cost."""
    if len(chosen) == 1:
        return "One baseline of real images is included; it is only evaluated, which is quick."
    words = f"{len(chosen)} baselines of real images are included; they are only evaluated, which is quick"
    tried = len([config for config in chosen if config.baseline.choice in BY_ACCURACY])
    more = f", but for {tried} that are chosen by accuracy: they try many choices on the training images first"
    return f"{words}{more if tried else ''}."


def _show_one(found: Estimate, runs: int) -> None:
    with st.container(horizontal=True, gap="medium"):
        words = about(found.seconds_total) if runs == 1 else f"{runs} × {about(found.seconds_total)}"
        st.metric("Time", words, help=_parts(found), width="content")
        st.metric("Time per step", _speed(found), width="content")
        if found.bytes:
            free = f"{memory(found.memory_here)} free on {found.device}" if found.memory_here else found.device
            st.metric("Memory", memory(found.bytes), help=free, width="content")
    _say_where_from(found)
    _say_what_fits({"": found})


def _show_some(known: dict[str, Estimate], seeds: int, all_known: bool) -> None:
    for name, found in known.items():
        facts = [f"{f'{seeds} × ' if seeds > 1 else ''}{about(found.seconds_total)}", f"{_speed(found)} a step"]
        facts += [memory(found.bytes)] if found.bytes else []
        st.markdown(f"**{plain(name)}**  \n{plain(' · '.join(facts))}")
    if all_known:
        st.metric("One after another", about(seeds * sum(found.seconds_total for found in known.values())))
    _say_what_fits(known)


def time_words(config: RunConfig) -> str:
    """How long a run takes on this machine, a sentence; "" where that is not known."""
    found = _look(replace(config, name="", study="", seed=0))
    return f"{about(found.seconds_total).capitalize()} on this machine." if found else ""


def time_of_plan(plan: Sequence[RunConfig], alike: Sequence[RunConfig] = ()) -> str:
    """How long these distillations take on this machine, one after another, a sentence.

    Where one is not known it is taken for the mean of those that are, `alike` among them.
    """
    found = [_look(replace(config, name="", study="", seed=0)) for config in plan]
    known = [one.seconds_total for one in found if one]
    others = [one for config in alike if (one := _look(replace(config, name="", study="", seed=0)))]
    each = known + [one.seconds_total for one in others]
    if not each:
        return "How long they take is known once one of them has run here."
    total = sum(known) + (len(plan) - len(known)) * sum(each) / len(each)
    return f"{about(total).capitalize()} on this machine, one after another."


def about(seconds: float) -> str:
    """A duration that is not known to the second."""
    grain = 60 if seconds >= 300 else 10 if seconds >= 60 else 1
    return f"about {duration(grain * round(seconds / grain))}".replace(" 0 s", "")


def _say_where_from(found: Estimate) -> None:
    runs = len(found.from_runs)
    told = f"{runs} earlier run{'s' if runs > 1 else ''}" if runs else "a few steps measured on this machine"
    st.caption(f"Estimated from {told}, on {plain(found.device)}. {found.words_of_devices}".strip())


def _say_what_fits(known: dict[str, Estimate]) -> None:
    for name, found in known.items():
        if not found.fits:
            free = f"needs {memory(found.bytes)}, {memory(found.memory_here)} is free"
            st.warning(f"{plain(name)} {free}. {plain(found.remedy)}".strip(), icon=":material/memory:")


def _offer_measurement(config: RunConfig) -> None:
    file, _ = result_or_why(lambda: measurement_file(config, data_size(config), places()))
    if file is None:  # an unknown name: the message is next to its input
        return
    name = f"estimate-{config.backbone}-{file.stem}"
    work = background.look(places(), name)
    if work.running:
        _watch(name, config.backbone)
        return
    if work.error:
        st.error(plain(work.error), icon=":material/speed:")
    st.caption(
        f"No comparable run with {plain(config.backbone)} on this machine yet, so its time and memory are unknown."
    )
    ready = may_launch() and all(backbone_status(network) == "ready" for network in config.networks())
    if st.button("Measure a few steps", key=name, icon=":material/speed:", disabled=not ready, width="stretch"):
        background.start(places(), name, ["estimate", *shlex.split(command(config))[4:]])
        st.rerun()


@st.fragment(run_every=1.0)
def _watch(name: str, backbone: str) -> None:
    work = background.look(places(), name)
    if not work.running:
        _cached.clear()
        st.rerun()
    words = f"Measuring a few steps with {plain(backbone)}: {100 * (work.share or 0):.0f} %"
    st.progress(work.share or 0.0, text=words)


def _look(config: RunConfig) -> Estimate | None:
    found, _ = result_or_why(lambda: _cached(json.dumps(to_dict(config)), str(places().cache)))
    return Estimate(**found) if found else None


@st.cache_data(max_entries=64, ttl=15, show_spinner=False)
def _cached(config: str, cache: str) -> dict | None:
    del cache  # part of the cache's key
    found = estimate(from_dict(RunConfig, json.loads(config)), places())
    return asdict(found) if found else None


def _speed(found: Estimate) -> str:
    each = found.seconds_per_step
    return f"{each:.1f} s" if each >= 1 else f"{1000 * each:.0f} ms"


def _parts(found: Estimate) -> str:
    steps = found.seconds_total - found.seconds_prepare - found.seconds_evaluate
    return (
        f"{duration(found.seconds_prepare)} to read the real images, {duration(steps)} for the steps, "
        f"{duration(found.seconds_evaluate)} to evaluate the result"
    )
