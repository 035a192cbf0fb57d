"""Named starting points: what each changes against the defaults of `config.py`, which are the preset "standard".

>>> preset("paper").lgm.views
10
"""

from typing import Any

from lgm_core.base.errors import ConfigError
from lgm_core.base.knobs import to_dict
from lgm_core.base.names import require_known
from lgm_core.config import RunConfig, given_config, renamed
from lgm_core.methods.catalog import METHODS

# the presets of all methods
PRESETS: dict[str, dict[str, Any]] = {
    name: dict(changes) for method in METHODS.values() for name, changes in method.presets.items()
}


def preset(name: str, /, **changes: Any) -> RunConfig:
    """The config of a preset with further values, groups as dicts: `preset("paper", steps=100, lgm={"views": 3})`."""
    require_known(name, PRESETS, "preset")
    return change(RunConfig(preset=name), PRESETS[name], changes)


def base_of(config: RunConfig) -> RunConfig:
    """The preset that a run departs from: the one it names, or "standard" where this version does not know that one."""
    return preset(config.preset if config.preset in PRESETS else "standard")


def change(config: RunConfig, *layers: dict[str, Any]) -> RunConfig:
    """A config with nested values replaced, later layers over earlier ones. Unknown names raise `ConfigError`."""
    values = to_dict(config)
    for layer in layers:
        layer = renamed({"backbone": values["backbone"], **layer})
        for key, value in layer.items():
            if isinstance(value, dict) and isinstance(values.get(key), dict):
                values[key] = {**values[key], **value}
            elif isinstance(values.get(key), dict):
                raise ConfigError(f"{key} is a group of settings, such as {key}={{...}}; {value!r} was given")
            else:
                values[key] = value
    return given_config(values)
