"""With which settings was a set judged? Accuracies are comparable only where the same was done to both sets.

>>> unlike([preset("rcig_digits"), preset("rcig_preview")], "conv")
['data set', 'rcig.resolution', 'rcig.transform', 'rcig.width', 'scratch.learning_rate']
"""

from collections.abc import Iterable
from typing import Any

from lgm_core.backbones.students.student_names import is_student
from lgm_core.config import RunConfig

_BOTH = {"data": ("test_per_class",)}
_HEADS = {"probe": ("epochs", "batch", "learning_rate", "views", "select"), "data": ("resize",)}
_NETWORKS = {
    "scratch": ("learning_rate", "steps", "warmup", "tail", "batch"),
    "rcig": ("resolution", "depth", "transform", "flip"),
}


def judging(config: RunConfig, name: str) -> dict[str, Any]:
    """What an evaluation on this backbone or network depends on, beside the images and how many are trained."""
    found: dict[str, Any] = {"data set": config.dataset}
    for group, settings in [*_BOTH.items(), *(_NETWORKS if is_student(name) else _HEADS).items()]:
        found |= {f"{group}.{setting}": getattr(getattr(config, group), setting) for setting in settings}
    if is_student(name):
        return found | {"width": config.scratch.width or config.rcig.width}
    return found | {"normalisation": config.normalisation}


def unlike(configs: Iterable[RunConfig], name: str) -> list[str]:
    """The settings in which the evaluations of these runs on one backbone differ; [] where they can be compared."""
    found = [judging(config, name) for config in configs]
    return [setting for setting in (found[0] if found else {}) if len({one[setting] for one in found}) > 1]


def judged_otherwise(config: RunConfig, made: RunConfig) -> str:
    """In what an evaluate run departs from the run that made the images: ", judged with rcig.flip False", or ""."""
    if config.kind != "evaluate":
        return ""
    found: dict[str, Any] = {}
    for name in config.evaluate_on:
        before = judging(made, name)
        found |= {setting: value for setting, value in judging(config, name).items() if value != before[setting]}
    told = ", ".join(f"{setting} {value}" for setting, value in found.items())
    return f", judged with {told}" if told else ""


def what_is_unlike(configs: Iterable[RunConfig], names: Iterable[str]) -> str:
    """A sentence about columns of a table that mix what cannot be compared; "" where there are none."""
    configs = list(configs)
    found = {name: settings for name in names if (settings := unlike(_asked(configs, name), name))}
    if not found:
        return ""
    told = "; ".join(f"{name}: {', '.join(settings)}" for name, settings in found.items())
    return f"Not judged alike, so not to be compared within a column ({told})."


def _asked(configs: Iterable[RunConfig], name: str) -> list[RunConfig]:
    return [config for config in configs if name in config.evaluate_on]
