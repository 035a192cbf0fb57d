"""The number of steps with which a distillation takes so many minutes, chosen from the estimate before it starts.

>>> steps_within(preset("standard", dataset="scenes", backbone="mobilenet_v2"), 10.0, places(), print)
842
"""

from collections.abc import Callable
from dataclasses import replace

from lgm_core.base.errors import ConfigError, UserError, result_or_why
from lgm_core.base.places import Places
from lgm_core.config import RunConfig, validate
from lgm_core.jobs.estimate import Estimate, calibrate, estimate
from lgm_core.runs.store import RunStore, identity

_ROUNDS = 3  # what a step costs may depend on how many there are, as levels of a pyramid grow


def steps_within(config: RunConfig, minutes: float, places: Places, said: Callable[[str], object]) -> int:
    """The steps of a run of about `minutes`, features and judges among them; `said` is told how they were found.

    A run of the same settings that has begun and is not finished keeps its steps, so that the same command goes on with
    it. Raises `UserError` where the time is too short.
    """
    if begun := _begun(config, places):
        said(f"a run with these settings has already started: it continues to its {begun} steps")
        return begun
    steps, guess = config.steps, _estimate(config, places, said)
    for _ in range(_ROUNDS):
        guess = _estimate(replace(config, steps=steps), places, said)
        beside = guess.seconds_total - steps * guess.seconds_per_step
        steps = max(int((60 * minutes - beside) / guess.seconds_per_step), 1)
    _, why = result_or_why(lambda: validate(replace(config, steps=steps)), but=ConfigError)
    if why or beside + guess.seconds_per_step > 60 * minutes:
        raise UserError(
            f"{_in_words(minutes)} is too short: features and judges take {beside:.0f} s, a step "
            f"{guess.seconds_per_step:.3g} s{f'; with {steps} steps: {why}' if why else ''}. Give more --minutes"
        )
    said(
        f"{steps} steps of {guess.seconds_per_step:.3g} s, and {beside:.0f} s for features and judges: about "
        f"{_in_words(minutes)} on {guess.device}"
    )
    return steps


def _in_words(minutes: float) -> str:
    return f"{minutes:g} minute{'' if minutes == 1 else 's'}"


def _estimate(config: RunConfig, places: Places, said: Callable[[str], object]) -> Estimate:
    return estimate(config, places) or calibrate(config, places, said)


def _begun(config: RunConfig, places: Places) -> int:
    """The steps of the newest run that differs from the config in its steps at most, and is not finished; 0: none."""
    for run, facts in reversed(RunStore(places.runs).listed()):
        if (facts.kind, facts.method, facts.dataset) != ("distill", config.method, config.dataset):
            continue
        named = not config.name or run.id == config.name
        same = named and identity(run.config()) == identity(replace(config, steps=facts.steps))
        if same and run.status().state != "finished":
            return facts.steps
    return 0
