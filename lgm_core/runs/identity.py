"""When two runs are the same: the same command means the same run, and a further judge never distils again.

>>> identity(preset("preview", steps=100)) == identity(preset("preview", steps=100, evaluate_on=("mobilenet_v2",)))
True
"""

from typing import Any

from lgm_core.base.knobs import flat, to_dict
from lgm_core.config import RunConfig
from lgm_core.evaluation.protocol import setting_of
from lgm_core.methods.catalog import known_method


def identity(config: RunConfig) -> dict[str, Any]:
    """The config without what does not change the result; for a set of images, also without what only judges it."""
    values = to_dict(config)
    for name in ("name", "study", "record", "live"):
        del values[name]
    if config.kind == "distill" or (config.kind == "baseline" and config.baseline.choice != "full"):
        for name in ("evaluate_on", "protocol", "probe", "scratch"):
            del values[name]
        del values["data"]["test_per_class"]
    if config.kind == "distill":
        row = known_method(config)
        values |= {name: setting_of(config, name) for name in (row.distils_by if row else ())}
    if config.kind == "embed":  # for evaluate and align runs, the list is what the run is about
        del values["evaluate_on"]
    return values


def differences(left: RunConfig, right: RunConfig) -> list[str]:
    """One line per setting that differs, such as "lgm.views: 3 / 10"."""
    a, b = flat(to_dict(left)), flat(to_dict(right))
    return [f"{key}: {a[key]} / {b[key]}" for key in a if a[key] != b[key]]
