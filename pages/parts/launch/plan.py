"""From the Launch page's choices to runs: one config, or a study; and the command line that says the same.

>>> plan = make_plan(config, ["mobilenet_v2"], study="", flags=StudyFlags())
>>> command_of(config, "", ["mobilenet_v2"], StudyFlags())
'python -m lgm_core distill scenes mobilenet_v2 --preset preview'
"""

import shlex
from collections.abc import Sequence
from dataclasses import fields, replace

from lgm_core.config import RunConfig, validate
from lgm_core.jobs.study import StudyFlags, plan_study
from lgm_core.reports.command import command
from lgm_core.runs.store import RunFolder


def make_plan(config: RunConfig, backbones: Sequence[str], study: str, flags: StudyFlags) -> list[RunConfig]:
    """The runs to start, in an order in which each finds its source. Raises `ConfigError` for wrong values."""
    if not study:
        return [validate(config)]
    flags = replace(flags, distil_with=tuple(backbones))
    return [validate(run) for run in plan_study(replace(config, name=study), flags)]


def command_of(config: RunConfig, study: str, backbones: Sequence[str], flags: StudyFlags) -> str:
    """The command line that starts the same runs."""
    if not study:
        return shlex.join([*shlex.split(command(config)), *(_flag("cluster", flags.cluster) if flags.cluster else [])])
    words = shlex.split(command(replace(config, name="", study="")))
    verb = words.index(config.kind)
    dataset, rest = words[verb + 1], words[verb + 3 :]
    words = [*words[:verb], "study", study, dataset, *rest, "--distil-with", *backbones]
    usual = StudyFlags()
    for field in fields(StudyFlags):
        value = getattr(flags, field.name)
        if field.name != "distil_with" and value != getattr(usual, field.name):
            words += _flag(field.name, value)
    return shlex.join(words)


def in_lines(words: str) -> str:
    """A command with a line per flag, as a shell takes it."""
    return shlex.join(shlex.split(words)).replace(" --", " \\\n  --") if "'" not in words else words


def to_watch(runs: Sequence[RunFolder]) -> RunFolder:
    """Of runs that were just started: the one that runs, else the next in the queue, else the first."""
    first = {run.status().state: run for run in reversed(runs)}
    return first.get("running") or first.get("queued") or runs[0]


def _flag(name: str, value: object) -> list[str]:
    if isinstance(value, bool):
        return [f"--{'' if value else 'no-'}{name}"]
    if isinstance(value, tuple):
        return [f"--{name}", *map(str, value)]
    return [f"--{name}", str(value)]
