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

    `bank` has the rows of the head as its classes, `varying` those within which the metric is measured.
    `classes`: where the rows are clusters, the same of whole classes, if they count too.
    """

    config: LGMConfig
    bank: Callable[[], Bank]
    varying: Callable[[], Bank]
    target: Callable[[], RealTarget]
    rows: int
    width: int
    steps: int
    seed: int
    device: torch.device
    note: Callable[[str], None]
    classes: "Side | None" = None


def gradient_matching(side: Side) -> Objective:
    lgm, metric = side.config, None
    kind = _automatic(side) if lgm.whiten == "auto" else lgm.whiten
    if kind != "none":
        metric = Metric.of_bank(side.varying(), kind, power=lgm.whiten_power, device=side.device)
    return GradientMatching(
        side.target(), config=lgm, rows=side.rows, width=side.width, steps=side.steps, seed=side.seed,
        device=side.device, metric=metric,
    )  # fmt: skip


def _automatic(side: Side) -> str:
    """The metric that `auto` stands for: none where the covariance cannot be told from so few rows.

    The mean of each class, or of each cluster, is taken from its rows, which costs one of them.
    """
    if side.config.target == "batch":
        return "none"
    bank = side.varying()
    rows = bank.features.shape[0] * bank.features.shape[1]
    if rows - bank.classes > side.width:
        return "full"
    side.note(
        f"Gradients are not whitened: {rows:,} rows around {bank.classes:,} means are too few to know the covariance "
        f"of {side.width:,} features. More training images, or a higher bank.views, make it possible."
    )
    return "none"


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
