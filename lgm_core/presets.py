"""Named starting points: what each changes against the defaults of `config.py`, which are the preset "standard".

>>> preset("paper").lgm.views
10
"""

from typing import Any

from lgm_core.base.errors import ConfigError
from lgm_core.base.knobs import from_dict, to_dict
from lgm_core.base.names import require_known
from lgm_core.config import RunConfig
from lgm_core.methods.rcig.presets import RCIG_PRESETS

PRESETS: dict[str, dict[str, Any]] = {
    "standard": {},
    "preview": {
        "steps": 100,
        "data": {"train_per_class": 100},
        "bank": {"views": 1},
        "live": {"times": 10, "test_images": 200},
        "record": {"frames": 60},
        "lgm": {"views": 3, "learning_rate": 2e-2},  # 8e-2 is quicker in its own backbone, and transfers worse
        "probe": {"views": 30},
    },
    # The paper's method to the letter (LGM specification, sections 1 to 9). The first release's noise mean of 0.5 is
    # augment.noise_mean; it was mended upstream, so that it is not part of the preset.
    "paper": {
        "steps": 5000,
        "normalisation": "imagenet",
        "augment": {"crop_inside": False},
        "synthetic": {"resolution": 256, "noise_scale": 1.0},
        "pyramid": {"grow_every": 200, "rescale": True, "keep_moments": False, "cascade": False},
        "lgm": {"views": 10, "learning_rate": 2e-3, "schedule": "constant", "target": "batch", "balance": False},
    },
    **RCIG_PRESETS,
}


def preset(name: str, /, **changes: Any) -> RunConfig:
    """The config of a preset with further values, groups as dicts: `preset("paper", steps=100, lgm={"views": 3})`."""
    require_known(name, PRESETS, "preset")
    return change(RunConfig(preset=name), PRESETS[name], changes)


def change(config: RunConfig, *layers: dict[str, Any]) -> RunConfig:
    """A config with nested values replaced, later layers over earlier ones. Unknown names raise `ConfigError`."""
    values = to_dict(config)
    for layer in layers:
        for key, value in layer.items():
            if isinstance(value, dict) and isinstance(values.get(key), dict):
                values[key] = {**values[key], **value}
            elif isinstance(values.get(key), dict):
                raise ConfigError(f"{key} is a group of settings, such as {key}={{...}}; {value!r} was given")
            else:
                values[key] = value
    return from_dict(RunConfig, values)
