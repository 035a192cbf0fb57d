"""The interface between RCIG's outer step and its inner problem, which two modules implement.

`convexified`       closed forms of the quadratic problem, the method itself
`autograd_problem`  autograd alone: the oracle of the tests, and the ablations without linearisation or analytic head

RCIG specification, sections 1 to 3. Legend: N synthetic images with flips, B real images, C classes, P parameters.
"""

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor

Gradients = dict[str, Tensor]  # keyed by what is learned: pixels, targets, log_temperature
Rows = Int[Tensor, "rows"] | None  # which images carry a gradient; None: all


@dataclass(frozen=True, kw_only=True)
class Setting:
    """What is solved: the set as the networks see it, with a graph back to what is learned."""

    images: Float[Tensor, "n k r r"]
    targets: Float[Tensor, "n c"]
    learned: Mapping[str, Tensor]
    penalty: float  # lambda: the rate times M, the images before flips
    margin: bool


@dataclass(frozen=True, kw_only=True)
class RealBatch:
    """Real images, whitened, and class numbers; `rows`: those through which the gradient goes."""

    images: Float[Tensor, "b k r r"]
    labels: Int[Tensor, "b"]
    rows: Rows = None


@dataclass(frozen=True, kw_only=True)
class Outer:
    """The outer loss at a displacement, and its derivatives: in the displacement, and directly in what is learned."""

    loss: float
    top1: float
    gradient: Float[Tensor, "p"]
    direct: Gradients


class InnerProblem(ABC):
    """Training a network on the synthetic set, seen as minimising a loss over a displacement of its parameters."""

    @abstractmethod
    def start(self) -> Float[Tensor, "p"]:
        """Where the displacement starts: 0."""

    @abstractmethod
    def loss_and_gradient(
        self, displacement: Float[Tensor, "p"], rows: Rows = None
    ) -> tuple[Float[Tensor, ""], Float[Tensor, "p"]]:
        """The inner loss, and its gradient in the displacement."""

    @abstractmethod
    def curvature(
        self, vector: Float[Tensor, "p"], displacement: Float[Tensor, "p"], rows: Rows = None
    ) -> Float[Tensor, "p"]:
        """The Hessian of the inner loss times a vector."""

    @abstractmethod
    def outer(self, displacement: Float[Tensor, "p"], real: RealBatch, rows: Rows = None) -> Outer:
        """The loss on real images of what was learned, and its derivatives."""

    @abstractmethod
    def implicit(self, vector: Float[Tensor, "p"], displacement: Float[Tensor, "p"], rows: Rows = None) -> Gradients:
        """-d/d(learned) of <vector, inner gradient>, the vector held constant."""


def label_margin(targets: Float[Tensor, "n c"]) -> Float[Tensor, ""]:
    """Mean lead of each label's largest entry over its second, up to 1 / (2 C). Specification, section 1.4."""
    first, second = targets.topk(2, dim=1).values.unbind(1)
    return (first - second).clamp(max=0.5 / targets.shape[1]).mean()


def gradients_of(value: Tensor, learned: Mapping[str, Tensor]) -> Gradients:
    """Derivatives of a scalar in all that is learned; zeros where it does not depend on it."""
    if not value.requires_grad:
        return {name: torch.zeros_like(leaf) for name, leaf in learned.items()}
    found = torch.autograd.grad(value, list(learned.values()), allow_unused=True)
    return {
        name: torch.zeros_like(leaf) if gradient is None else gradient
        for (name, leaf), gradient in zip(learned.items(), found, strict=True)
    }


def mean_of(several: Sequence[Gradients]) -> Gradients:
    """The mean of several gradients, separately for each thing that is learned."""
    return {name: torch.stack([one[name] for one in several]).mean(0) for name in several[0]}
