"""The objectives of Linear Gradient Matching, a line each: how `lgm.objective` becomes one for a backbone.

>>> OBJECTIVES["cosine"]
<function gradient_matching at ...>
>>> objective_of(side).at(3)(features, labels)
"""

from collections.abc import Callable
from dataclasses import dataclass

import torch

from lgm_core.backbones.features import Bank
from lgm_core.methods.lgm.config import LGMConfig
from lgm_core.methods.lgm.metric import Metric
from lgm_core.methods.lgm.objectives.gradient import GradientMatching
from lgm_core.methods.lgm.objectives.objective import Objective
from lgm_core.methods.lgm.objectives.ridge import RidgeHead
from lgm_core.methods.lgm.objectives.with_classes import WithClasses
from lgm_core.methods.lgm.targets import RealTarget


@dataclass(frozen=True)
class Side:
    """What an objective is made of, for one backbone: banks and target are opened where they are asked for.

    `bank` has the rows of the head as its classes. `classes`: where these are clusters, the same of whole classes, if
    they count too.
    """

    config: LGMConfig
    bank: Callable[[], Bank]
    metric: Callable[[], Metric | None]
    target: Callable[[], RealTarget]
    rows: int
    width: int
    steps: int
    seed: int
    device: torch.device
    classes: "Side | None" = None


def gradient_matching(side: Side) -> Objective:
    return GradientMatching(
        side.target(), config=side.config, rows=side.rows, width=side.width, steps=side.steps, seed=side.seed,
        device=side.device, metric=side.metric(),
    )  # fmt: skip


def ridge(side: Side) -> Objective:
    return RidgeHead(side.bank(), config=side.config, seed=side.seed, device=side.device)


OBJECTIVES: dict[str, Callable[[Side], Objective]] = {
    "cosine": gradient_matching,
    "cosine-per-class": gradient_matching,
    "mse": gradient_matching,
    "ridge": ridge,
}


def objective_of(side: Side) -> Objective:
    """The one that `lgm.objective` names, of clusters and of whole classes where both count."""
    made, classes = OBJECTIVES[side.config.objective](side), side.classes
    if classes is None:
        return made
    whole, each = objective_of(classes), side.rows // classes.rows
    return WithClasses(made, whole, share=side.config.class_share, each=each)
