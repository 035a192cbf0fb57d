"""The command that does a run again, made from its config.

>>> command(preset("paper", dataset="scenes", backbone="mobilenet_v2", steps=4000))
'python -m lgm_core distill scenes mobilenet_v2 --preset paper --steps 4000'
"""

import shlex
from collections.abc import Sequence
from typing import Any

from lgm_core.analysis.catalog import OF_SETS
from lgm_core.base.knobs import flat, to_dict
from lgm_core.config import RunConfig
from lgm_core.evaluation.catalog import HEADLINE
from lgm_core.presets import base_of
from lgm_core.runs.store import RunFolder

_IN_WORDS = ("kind", "dataset", "backbone", "preset", "baseline.choice")
_GIVEN = ("kind", "source", "evaluate_on", "name", "preset")  # not written as flags of `lgm evaluate`
_JUDGES = (
    "seed",
    "normalisation",
    "data",
    "device",
    "bank",
    "probe",
    "scratch",
    "protocol",
    "look",
)  # read by evaluate runs


def command(config: RunConfig, source: RunConfig | None = None) -> str:
    """One line for a shell: the verb, then what departs from the preset, as flags.

    An evaluate run inherits its source's settings, but not the protocol, so only those that depart from them become
    flags. Where `source` is not known, those with which it judges become flags where they depart from the preset.
    """
    own = flat(to_dict(config))
    if config.kind in ("evaluate", *OF_SETS):
        return shlex.join(["python", "-m", "lgm_core", config.kind, *_evaluation(config, own, source)])
    base = base_of(config)
    if config.kind == "align":
        words = ["python", "-m", "lgm_core", "disagree", config.dataset, *config.evaluate_on]
        return shlex.join([*words, *_flags(own, flat(to_dict(base)), (*_IN_WORDS, "evaluate_on"))])
    words = ["python", "-m", "lgm_core", config.kind]
    words += [config.baseline.choice] if config.kind == "baseline" else []
    words += [config.dataset, config.backbone]
    words += ["--preset", base.preset] if base.preset != "standard" else []
    words += _flags(own, flat(to_dict(base)), _IN_WORDS)
    return shlex.join(words)


def command_of_run(run: RunFolder) -> str:
    """The command of a run on disk; an evaluation's source is looked for in the same folder of runs."""
    config = run.config()
    source = RunFolder(run.path.parent / config.source)
    known = config.kind in ("evaluate", *OF_SETS) and source.config_file.exists()
    return command(config, source.config() if known else None)


def _evaluation(config: RunConfig, own: dict[str, Any], source: RunConfig | None) -> list[str]:
    base = flat(to_dict(source or base_of(config))) | {"protocol": list(HEADLINE)}
    if source is None:
        own = {name: value for name, value in own.items() if name.split(".")[0] in _JUDGES}
    return [config.source, *config.evaluate_on, *_flags(own, base, _GIVEN)]


def _flags(own: dict[str, Any], base: dict[str, Any], left_out: Sequence[str]) -> list[str]:
    told = [name for name in own if own[name] != base[name] and name not in left_out]
    return [word for name in told for word in _flag(name, own[name])]


def _flag(name: str, value: Any) -> list[str]:
    flag = name.replace("_", "-")
    if isinstance(value, bool):
        group, dot, last = flag.rpartition(".")
        return [f"--{flag}" if value else f"--{group}{dot}no-{last}"]
    if isinstance(value, list):
        return [f"--{flag}", *map(str, value)]
    return [f"--{flag}", str(value)]
