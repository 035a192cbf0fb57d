"""Starting points of Linear Gradient Matching: what each changes against the defaults, which are "standard".

>>> PRESETS["preview"]["steps"]
100
"""

from collections.abc import Callable
from typing import Any

from lgm_core.methods.lgm.lgm_settings import LGMSettings

PRESETS: dict[str, dict[str, Any]] = {
    "standard": {},
    "preview": {
        "steps": 100,
        "data": {"train_per_class": 100},
        "bank": {"views": 1},
        "live": {"times": 10, "test_images": 200},
        "record": {"frames": 60},
        "lgm": {"views": 3, "learning_rate": 2e-2},  # 4e-2 and 8e-2 transfer worse on some data sets (docs/log.md)
        "probe": {"views": 30},
    },
    # The paper's method to the letter (LGM specification, sections 1 to 9). The first release's noise mean of 0.5 is
    # augment.noise_mean; it was mended upstream, so that it is not part of the preset.
    "paper": {
        "steps": 5000,
        "normalisation": "imagenet",
        "protocol": ["paper", "scratch"],
        "augment": {"crop_inside": False},
        "synthetic": {"resolution": 256, "noise_scale": 1.0},
        "pyramid": {"grow_every": 200, "rescale": True, "keep_moments": False, "cascade": False},
        "lgm": {
            "views": 10,
            "learning_rate": 2e-3,
            "schedule": "constant",
            "target": "batch",
            "balance": False,
            "objective": "cosine",
            "whiten": "none",
            "clusters": False,
        },
    },
}

# what a study takes away, one after another, to see what each is good for: `lgm study NAME DATA --ablate`; steps stay
ABLATIONS: dict[str, dict[str, Any] | Callable[[LGMSettings], dict[str, Any]]] = {
    "no augmentation": {"augment": {"crop": False, "flip": False, "noise_std": 0.0}},
    "one view": {"lgm": {"views": 1, "source_views": ()}},
    "no noise": {"augment": {"noise_std": 0.0}},
    "no pyramid": {"synthetic": {"parameterisation": "pixels"}},
    "pyramid at full size": LGMSettings.from_picture,
    "no colour decorrelation": {"synthetic": {"decorrelate_colour": False}},
    "from a real image": {"synthetic": {"initial": "real"}},
    "not whitened": {
        "lgm": {"whiten": "none", "whiten_power": 0.5, "whiten_beta": 1.0, "whiten_beta_end": 0.0, "real_power": 0.0}
    },
    "cosine of the whole": {"lgm": {"objective": "cosine"}},
}

# what the Launch page says of each
WORDS: dict[str, str] = {
    "preview": "**Preview**: a first look, 100 steps of three views.",
    "standard": "**Standard**: for results, 1,000 steps of five views.",
    "paper": "**Paper**: the method to the letter, 5,000 steps of ten views. Best on a GPU.",
}
