"""Two optimisers for flat tensors, without parameters or closures: Adam, and AdaBelief in optax's form.

>>> adam = Adam(torch.zeros(5))
>>> values = values + adam.move(gradient, rate=1e-3)
"""

from collections.abc import Mapping
from typing import final

import torch
from torch import Tensor

from lgm_core.base.interfaces import State


class _Moments:
    """A running mean, a running square, and how many steps are in them."""

    def __init__(self, like: Tensor) -> None:
        self.first, self.second, self.count = torch.zeros_like(like), torch.zeros_like(like), 0

    def state(self) -> State:
        return {"first": self.first, "second": self.second, "count": torch.tensor(self.count)}

    def restore(self, state: Mapping[str, Tensor]) -> None:
        self.first, self.second = state["first"].to(self.first).clone(), state["second"].to(self.second).clone()
        self.count = int(state["count"])


@final
class Adam(_Moments):
    """Kingma and Ba, arXiv 1412.6980: beta 0.9 and 0.999, eps 1e-8."""

    @torch.no_grad()
    def move(self, gradient: Tensor, rate: float) -> Tensor:
        """What to add to the values."""
        self.count += 1
        self.first.mul_(0.9).add_(gradient, alpha=0.1)
        self.second.mul_(0.999).addcmul_(gradient, gradient, value=0.001)
        spread = (self.second / (1 - 0.999**self.count)).sqrt_().add_(1e-8)
        return (self.first / spread).mul_(-rate / (1 - 0.9**self.count))


@final
class AdaBelief(_Moments):
    """Zhuang et al., arXiv 2010.07468, as optax has it: the error is that of the mean *before* the step; eps 1e-16."""

    @torch.no_grad()
    def move(self, gradient: Tensor, rate: float) -> Tensor:
        """What to add to the values; -rate * sign(gradient) at the first step."""
        self.count += 1
        error = gradient - self.first
        self.second.mul_(0.999).addcmul_(error, error, value=0.001)
        self.first.mul_(0.9).add_(gradient, alpha=0.1)
        spread = (self.second / (1 - 0.999**self.count) + 1e-16).sqrt_().add_(1e-16)
        return (self.first / spread).mul_(-rate / (1 - 0.9**self.count))
