"""One dial instead of many: how much work a set is worth, and the settings that follow from it by rules.

The rules are measured ones (docs/log.md, 2026-11-20 and 2026-11-26): what counts is the rate and how often an image is
seen in all, hardly how many views a step has; detail finer than 128 px is read by the distilling backbone alone.

>>> settings("quick", own_settings(config), images_per_class=1, classes=10, side=224, sources=1)["steps"]
150
"""

from dataclasses import dataclass
from typing import Any

from lgm_core.base.names import require_known
from lgm_core.methods.lgm.lgm_settings import LGMSettings

Changes = dict[str, Any]  # of settings, groups as dicts

RULES = 2  # the version of what follows: another number where the same words would mean other settings


@dataclass(frozen=True, kw_only=True)
class Effort:
    """`seen`: views of each image in all, in each backbone; `views`: of these in a step, at most.

    `bank`: views of a real image that are kept.
    """

    seen: int
    views: int
    bank: int
    train_per_class: int = 0  # 0: all
    resolution: int = 128  # px, at most


EFFORTS = {
    "quick": Effort(seen=450, views=3, bank=1, train_per_class=100),
    "normal": Effort(seen=3000, views=5, bank=2),
    "long": Effort(seen=18000, views=5, bank=4),
}
WORDS: dict[str, str] = {
    "quick": "**Quick effort**: each image is seen 450 times; a first look.",
    "normal": "**Normal effort**: each image is seen 3,000 times; for results.",
    "long": "**Long effort**: each image is seen 18,000 times; for the last points.",
}
VIEWS_IN_A_STEP = 1000  # of all images together, or one of each: time and memory stay bounded, steps are more instead
PHOTOGRAPHS_PER_IMAGE = 5  # of its class, at least: each of several images learns a part of it


def settings(name: str, own: LGMSettings, *, images_per_class: int, classes: int, side: int, sources: int) -> Changes:
    """What an effort changes against the defaults; `own` says what is asked for by name.

    `side`: of the smallest input among the backbones, in pixels. `sources`: backbones that a set is learned in; where
    they take turns, each of them has as many steps as a single one would have.
    """
    require_known(name, EFFORTS, "effort")
    effort = EFFORTS[name]
    views = max(min(effort.views, VIEWS_IN_A_STEP // (classes * images_per_class)), 1)
    least = PHOTOGRAPHS_PER_IMAGE * images_per_class
    return {
        "steps": effort.seen // views * (sources if own.lgm.joint == "turn" else 1),
        "data": {"train_per_class": max(effort.train_per_class, least) if effort.train_per_class else 0},
        "bank": {"views": effort.bank},
        "synthetic": {"resolution": min(effort.resolution, side)},
        "lgm": {"views": views, "learning_rate": 4e-2, "schedule": "cosine"},
        **({"live": {"times": 10, "test_images": 200}, "record": {"frames": 60}} if name == "quick" else {}),
    }
