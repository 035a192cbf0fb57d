"""Gradient matching: the gradient that the images give a linear head against the one that the real data gives it.

LGM specification, section 1. Legend: M views, C rows of the head, D features.

>>> objective = GradientMatching(target, rows=10, width=576, config=LGMConfig(), steps=500, seed=0, device=device)
>>> objective.at(3)(features, labels)
"""

import torch
from jaxtyping import Float, Int
from torch import Tensor, device, zeros

from lgm_core.base.interfaces import generator
from lgm_core.methods.lgm.config import LGMConfig
from lgm_core.methods.lgm.gradients import DISTANCES, LinearHead, head_gradient
from lgm_core.methods.lgm.metric import Metric
from lgm_core.methods.lgm.objectives.objective import LossOf, Objective
from lgm_core.methods.lgm.targets import BankTarget, RealTarget


class GradientMatching(Objective):
    """A distance of two gradients, each multiplied by the metric first; without one they are compared as they are."""

    def __init__(
        self,
        target: RealTarget,
        *,
        config: LGMConfig,
        rows: int,
        width: int,
        steps: int,
        seed: int,
        device: device,
        metric: Metric | None = None,
    ) -> None:
        """`rows`: classes of the head; `width`: its features."""
        self.target, self.metric, self.config = target, metric, config
        self._rows, self._width, self._steps, self._seed, self._device = rows, width, steps, seed, device
        self._distance = DISTANCES[config.objective]

    def at(self, step: int) -> LossOf:
        head, beta = self._head(step), self.config.beta_at(step, self._steps)
        real = self._measured(self.target.gradient(head, step), beta)
        if self.metric is not None and self.config.real_power:
            real = self.metric.sharpened(real, beta, self.config.real_power)

        def loss(features: Float[Tensor, "m d"], rows: Int[Tensor, "m"]) -> Float[Tensor, ""]:
            return self._distance(self._measured(head_gradient(features, rows, head), beta), real)

        return loss

    def _measured(self, gradient: Float[Tensor, "c d1"], beta: float) -> Float[Tensor, "c d1"]:
        return gradient if self.metric is None else self.metric(gradient, beta)

    def _head(self, step: int) -> LinearHead:
        if self.target.zero_head:
            return LinearHead(zeros(self._rows, self._width, device=self._device))
        random = generator("cpu", self._seed, step, 0x68656164)
        head = LinearHead.draw(classes=self._rows, features=self._width, std=self.config.head_std, random=random)
        head = LinearHead(head.weight.to(self._device))
        if not isinstance(self.target, BankTarget):
            return head
        count = int(torch.randint(self.config.head_steps + 1, (), generator=random))
        return self.target.trained(head, step, steps=count, rate=self.config.head_rate)
