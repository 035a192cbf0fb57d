"""Features -> gradient of a linear head, in closed form, and the distance between two such gradients.

LGM specification, section 1. Legend: N rows, C classes, D features. Everything is float32, whatever made the features.

>>> head = LinearHead.draw(classes=10, features=512, std=0.01, random=generator("cpu", 0))
>>> cosine_distance(head_gradient(real, real_labels, head), head_gradient(synthetic, synthetic_labels, head))
"""

from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor
from torch.nn.functional import one_hot


@dataclass(frozen=True)
class LinearHead:
    """A linear classifier without bias (the paper's is 0); the gradient with respect to the bias is still taken."""

    weight: Float[Tensor, "c d"]

    @staticmethod
    def draw(*, classes: int, features: int, std: float, random: torch.Generator) -> "LinearHead":
        """Weights ~ N(0, std^2), drawn on the generator's device."""
        return LinearHead(std * torch.randn(classes, features, generator=random, device=random.device))

    def __call__(self, features: Float[Tensor, "n d"]) -> Float[Tensor, "n c"]:
        return features @ self.weight.T


def head_gradient(
    features: Float[Tensor, "n d"],
    labels: Int[Tensor, "n"],
    head: LinearHead,
    row_weights: Float[Tensor, "n"] | None = None,
) -> Float[Tensor, "c d1"]:
    """Gradient of the weighted mean cross-entropy with respect to weights and bias, [C, D + 1] (the bias last).

    `row_weights` sum to 1; None weighs all rows equally. The gradient is a sum over rows, so parts of the rows may be
    computed apart and added. Differentiable in the features: a loss on it flows back to the images.
    """
    features = features.float()
    error = head(features).softmax(dim=-1) - one_hot(labels, len(head.weight))
    error = error / len(features) if row_weights is None else error * row_weights[:, None]
    return torch.cat((error.T @ features, error.sum(dim=0)[:, None]), dim=1)


def zero_head_gradient(means: Float[Tensor, "c d"], prior: Float[Tensor, "c"]) -> Float[Tensor, "c d1"]:
    """`head_gradient` at a head of zeros, from class means alone: row c is (overall mean) / C - prior_c * mean_c."""
    overall = prior @ means
    weight = overall[None, :] / len(means) - prior[:, None] * means
    return torch.cat((weight, (1 / len(means) - prior)[:, None]), dim=1)


def class_distance(left: Float[Tensor, "c d1"], right: Float[Tensor, "c d1"]) -> Float[Tensor, ""]:
    """The mean over classes of 1 - cos of their rows, in float32."""
    left, right = left.float(), right.float()
    return 1 - ((left * right).sum(dim=1) / (left.norm(dim=1) * right.norm(dim=1)).clamp_min(1e-20)).mean()


def cosine_distance(left: Float[Tensor, "c d1"], right: Float[Tensor, "c d1"]) -> Float[Tensor, ""]:
    """1 - cos of the two gradients, each flattened into one vector, in float32."""
    left, right = left.float().flatten(), right.float().flatten()
    return 1 - (left @ right) / (left.norm() * right.norm()).clamp_min(1e-20)


def squared_distance(left: Float[Tensor, "c d1"], right: Float[Tensor, "c d1"]) -> Float[Tensor, ""]:
    """The squared length of their difference, in units of the right one's, in float32.

    Of class means at a head of zeros this is the matching of first moments (arXiv 2602.05391), but for the bias.
    """
    left, right = left.float(), right.float()
    return (left - right).square().sum() / right.square().sum().clamp_min(1e-20)


DISTANCES = {"cosine": cosine_distance, "cosine-per-class": class_distance, "mse": squared_distance}
