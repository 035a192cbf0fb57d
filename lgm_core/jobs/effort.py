"""`--effort quick | normal | long`: settings by rules of the method, for the data set and backbones that are chosen.

>>> with_effort(preset("standard", dataset="imagenette", backbone="mobilenet_v3_small"), "quick").steps
150
"""

from collections.abc import Mapping, Sequence
from importlib import import_module
from typing import Any

from lgm_core.backbones.catalog import known_row
from lgm_core.base.errors import ConfigError
from lgm_core.base.settings import taken_apart
from lgm_core.config import RunConfig
from lgm_core.jobs.estimate import data_size
from lgm_core.methods.catalog import Method, method_of, own_settings
from lgm_core.presets import change

_USUAL_SIDE = 224  # pixels; of a backbone that tells its own only when it is opened


def efforts_of(method: Method) -> Mapping[str, str]:
    """The efforts of a way to distil, with what each is, for people; {} where it has presets alone."""
    return import_module(method.effort).WORDS if method.effort else {}


def with_effort(config: RunConfig, name: str, sets: Sequence[str] = ()) -> RunConfig:
    """A config with the plain values that an effort comes to. Arguments and errors are those of `effort_changes`."""
    return change(config, effort_changes(config, name, sets))


def effort_changes(config: RunConfig, name: str, sets: Sequence[str] = ()) -> dict[str, Any]:
    """What an effort changes; the preset's place names it, with the version of its rules.

    `sets`: what each set of a study is learned in, such as "A" and "A+B"; () for the config's own backbone alone. All
    sets have as many steps as the one of most backbones needs, so that they are compared at equal time.
    Raises `ConfigError` for a method that has none, `UnknownName` for another effort.
    """
    row = method_of(config)
    if not row.effort:
        raise ConfigError(f"{row.title} has no --effort; choose one of its presets: {', '.join(row.presets)}")
    sources = [taken_apart(one) for one in sets or (config.backbone,)]
    rows = [known_row(network) for networks in sources for network in networks]
    sides = [row.input_size if row and row.input_size else _USUAL_SIDE for row in rows]
    rules = import_module(row.effort)
    found = rules.settings(
        name, own_settings(config), images_per_class=config.images_per_class, classes=data_size(config).classes,
        side=min(sides), sources=max(map(len, sources)),
    )  # fmt: skip
    return found | {"preset": f"effort {name}, rules {rules.RULES}"}
