"""One dial instead of many: how much work a set is worth, and the settings that follow from it by rules.

The rules are measured ones (docs/log.md, 2026-11-20 and 2026-11-26): what counts is the rate and how often an image is
seen in all, hardly how many views a step has; detail finer than 128 px is read by the distilling backbone alone.

>>> settings("quick", classes=10, side=224)["steps"]
150
"""

from dataclasses import dataclass
from typing import Any

from lgm_core.base.names import require_known

RULES = 1  # the version of what follows: another number where the same words would mean other settings


@dataclass(frozen=True, kw_only=True)
class Effort:
    """`seen`: views of each image in all; `views`: of these in a step, at most; `bank`: views of a real image kept."""

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
VIEWS_IN_A_STEP = 1000  # of all classes together: memory and the time of a step stay bounded, steps are more instead


def settings(name: str, *, classes: int, side: int) -> dict[str, Any]:
    """What an effort changes against the defaults. `side`: of the smallest input among the backbones, in pixels."""
    require_known(name, EFFORTS, "effort")
    effort = EFFORTS[name]
    views = max(min(effort.views, VIEWS_IN_A_STEP // classes), 1)
    return {
        "steps": effort.seen // views,
        "data": {"train_per_class": effort.train_per_class},
        "bank": {"views": effort.bank},
        "synthetic": {"resolution": min(effort.resolution, side)},
        "lgm": {"views": views, "learning_rate": 4e-2, "schedule": "cosine"},
        **({"live": {"times": 10, "test_images": 200}, "record": {"frames": 60}} if name == "quick" else {}),
    }
