"""When two runs are the same: the same command means the same run, and a further judge never distils again.

>>> identity(preset("preview", steps=100)) == identity(preset("preview", steps=100, evaluate_on=("mobilenet_v2",)))
True
"""

from dataclasses import replace
from typing import Any

from lgm_core.analysis.catalog import INSTRUMENTS
from lgm_core.base.knobs import flat, to_dict
from lgm_core.base.real_settings import WITHOUT_IMAGES
from lgm_core.config import RunConfig, named_in_full
from lgm_core.evaluation.protocol import setting_of
from lgm_core.methods.catalog import METHODS

_RECORD = ("name", "study", "record", "live")  # what a run is called, and what is written of it
JUDGING = (
    "evaluate_on", "evaluate_data", "label_fraction", "labels_per_class", "protocol", "probe", "scratch", "pretrain",
)  # fmt: skip


def without_effect(config: RunConfig) -> tuple[str, ...]:
    """Groups that do not change a run's result; for a set of images, also those that only judge it."""
    makes_images = config.kind == "distill" or (
        config.kind == "baseline" and config.baseline.choice not in WITHOUT_IMAGES
    )
    return _RECORD + (JUDGING if makes_images else ())


def identity(config: RunConfig) -> dict[str, Any]:
    """The config without what does not change the result; for a set of images, also without what only judges it."""
    values = to_dict(named_in_full(config))
    for name in without_effect(config):
        del values[name]
    if "probe" not in values:
        del values["data"]["test_per_class"]
    if config.kind == "distill" or config.baseline.choice == "high-loss":
        row = METHODS.get(config.method)
        values |= {name: setting_of(config, name) for name in (row.distils_by if row else ())}
    if config.kind == "embed":  # for evaluate and align runs, the list is what the run is about
        del values["evaluate_on"]
    if config.kind in ("layers", "backbone"):
        del values["evaluate_on"]
    if config.kind in ("embed", "align", *INSTRUMENTS):
        del values["protocol"]
    del values["backbone" if config.kind == "align" else "align"]  # the other kind has no use for it
    if config.kind not in INSTRUMENTS:
        del values["look"]
    return values


def judged_like(config: RunConfig, other: RunConfig) -> RunConfig:
    """A config with all that `other` is judged by, but the networks: also which real images of its data are read."""
    names = [name for name in JUDGING if name != "evaluate_on"] + ["data", "seed", "normalisation"]
    return replace(config, **{name: getattr(other, name) for name in names})


def differences(left: RunConfig, right: RunConfig) -> list[str]:
    """One line per setting that differs, such as "lgm.views: 3 / 10"."""
    a, b = flat(to_dict(left)), flat(to_dict(right))
    return [f"{key}: {a[key]} / {b[key]}" for key in a if a[key] != b[key]]
