"""The command that does a run again, made from its config.

>>> command(preset("paper", dataset="scenes", backbone="mobilenet_v2", steps=4000))
'python -m lgm_core distill scenes mobilenet_v2 --preset paper --steps 4000'
"""

import shlex
from typing import Any

from lgm_core.config import RunConfig
from lgm_core.knobs import to_dict
from lgm_core.presets import PRESETS, preset

_IN_WORDS = ("kind", "dataset", "backbone", "preset", "baseline.choice")
_JUDGES = ("seed", "normalisation", "data", "device", "bank", "probe", "scratch", "rcig")  # read by evaluate runs


def command(config: RunConfig) -> str:
    """One line for a shell: the verb, then what departs from the preset, as flags.

    An evaluate run has the other settings from its source, and is told those with which it judges.
    """
    base_name = config.preset if config.preset in PRESETS else "standard"
    base, own = flat(to_dict(preset(base_name))), flat(to_dict(config))
    words = ["python", "-m", "lgm_core", config.kind]
    if config.kind == "evaluate":
        words += [config.source, *config.evaluate_on]
        own = {name: value for name, value in own.items() if name.split(".")[0] in _JUDGES}
    else:
        words += [config.baseline.choice] if config.kind == "baseline" else []
        words += [config.dataset, config.backbone]
        words += ["--preset", base_name] if base_name != "standard" else []
    for name, value in own.items():
        if value != base[name] and name not in _IN_WORDS:
            words += _flag(name, value)
    return shlex.join(words)


def _flag(name: str, value: Any) -> list[str]:
    flag = name.replace("_", "-")
    if isinstance(value, bool):
        group, dot, last = flag.rpartition(".")
        return [f"--{flag}" if value else f"--{group}{dot}no-{last}"]
    if isinstance(value, list):
        return [f"--{flag}", *map(str, value)]
    return [f"--{flag}", str(value)]


def flat(values: dict[str, Any], prefix: str = "") -> dict[str, Any]:
    """Nested settings by their dotted names."""
    found: dict[str, Any] = {}
    for key, value in values.items():
        found |= flat(value, f"{prefix}{key}.") if isinstance(value, dict) else {f"{prefix}{key}": value}
    return found
