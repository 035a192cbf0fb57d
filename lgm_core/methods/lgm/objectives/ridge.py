"""The head that ridge regression solves on the images, in closed form, and its error on the real data.

After CLP-DD, arXiv 2605.07194, whose code is not public: with F the features of the images' views, each of length 1,
and Y their classes, W = F^T (F F^T + lambda I)^-1 Y; the loss is the cross-entropy of X W / temperature, X rows of the
bank drawn anew each step, each of length 1. Legend: M views, D features, C classes, B rows of the bank.

>>> RidgeHead(bank, config=LGMConfig(objective="ridge"), seed=0, device=device).at(3)(features, labels)
"""

import torch
from jaxtyping import Float, Int
from torch import Tensor
from torch.nn.functional import cross_entropy, normalize, one_hot

from lgm_core.backbones.features import Bank
from lgm_core.base.interfaces import generator
from lgm_core.methods.lgm.config import LGMConfig
from lgm_core.methods.lgm.objectives.objective import LossOf, Objective

_MOST = 2048  # rows of the bank in a step


class RidgeHead(Objective):
    """The cross-entropy, on real features, of the head that the images teach at once. All classes count alike."""

    def __init__(self, bank: Bank, *, config: LGMConfig, seed: int, device: torch.device) -> None:
        self._bank, self._config, self._seed, self._device = bank, config, seed, device
        self._weights = bank.row_weights(balanced=True)
        self._centre = bank.class_means().mean(dim=0).to(device)

    def at(self, step: int) -> LossOf:
        bank, config, device = self._bank, self._config, self._device
        random = generator("cpu", self._seed, step, 0x72696467)
        images = torch.multinomial(self._weights, _MOST, replacement=True, generator=random)
        views = torch.randint(bank.features.shape[1], (_MOST,), generator=random)
        real = self._seen(bank.features[images, views].to(device))
        classes = bank.labels[images].to(device)

        def loss(features: Float[Tensor, "m d"], rows: Int[Tensor, "m"]) -> Float[Tensor, ""]:
            head = ridge_head(self._seen(features), one_hot(rows, bank.classes).float(), config.ridge_lambda)
            return cross_entropy(real @ head / config.ridge_temperature, classes)

        return loss

    def _seen(self, features: Float[Tensor, "m d"]) -> Float[Tensor, "m d"]:
        return normalize(features.float() - self._centre)


def ridge_head(features: Float[Tensor, "m d"], targets: Float[Tensor, "m c"], strength: float) -> Float[Tensor, "d c"]:
    """argmin |F W - Y|^2 + strength * M * |W|^2, by the M x M system, which is smaller than D x D here."""
    gram = features @ features.T
    ridge = strength * len(features) * torch.eye(len(features), device=features.device)
    return features.T @ torch.linalg.solve(gram + ridge, targets)
