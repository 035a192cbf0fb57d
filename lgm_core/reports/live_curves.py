"""The live accuracies in a run's metrics: who judges, in words, and what they say over the steps.

>>> [key for key in live_keys(run.metrics())], live_judge("live:mobilenet_v2", "mobilenet_v2")
(['live:mobilenet_v2', 'live:tf_efficientnet_lite0'], 'the nearest class mean in mobilenet_v2')
"""

from collections.abc import Iterable, Mapping
from typing import Any

from lgm_core.backbones.students.student_names import is_student

_PREFIX = "live:"
_OTHER = "live_other:"  # of a contrast set, read with the classes that it means to the second backbone
_FIRST = "live_top1"  # of versions in which a head was trained for a short while


def live_keys(lines: Iterable[Mapping[str, Any]]) -> list[str]:
    """The values of metrics that are live accuracies, that of the run's own network first."""
    return list(
        dict.fromkeys(key for line in lines for key in line if key.startswith((_PREFIX, _OTHER)) or key == _FIRST)
    )


def live_judge(key: str, network: str) -> str:
    """What has a live accuracy, in words; `network`: the run's own."""
    if key.startswith(_OTHER):
        return f"{live_judge(key.replace(_OTHER, _PREFIX), network)}, read as the second backbone means them"
    name = key.removeprefix(_PREFIX) if key != _FIRST else network
    if key == _FIRST or is_student(name):
        return f"one {name if is_student(name) else f'head on {name}'}, trained briefly"
    return f"the nearest class mean in {name}"


def live_points(lines: Iterable[Mapping[str, Any]], key: str) -> list[tuple[float, float]]:
    """Step, counted from 1, and accuracy in [0, 1], where it is known."""
    return [(line["step"] + 1.0, float(line[key])) for line in lines if line.get(key) is not None]
