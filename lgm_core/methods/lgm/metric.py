"""The metric in which gradients are compared: directions in which real images of one class differ count less.

A head's gradients, [C, D] each, are multiplied by (S + beta m I)^-power before they are compared, S the covariance
within classes, m its mean eigenvalue: what tells classes apart is then not drowned by what varies within them
(docs/log.md, 2026-11-24 and 2026-11-26; UniDD, arXiv 2503.01212, lowers beta over the run).
Legend: N images, V views, D features, C rows of a head.

>>> metric = Metric.of_bank(bank, "full", power=0.5, device=images.device)
>>> cosine_distance(metric(synthetic, beta=1.0), metric(real, beta=1.0))
"""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from lgm_core.backbones.features import Bank
from lgm_core.base.errors import UserError
from lgm_core.methods.lgm.config import LGMConfig

_ROWS = 4096  # of the bank at once
_TINY = torch.finfo(torch.float32).tiny
_ROUNDING = 1e-12  # of a mean squared feature: the variance that rows which are all alike may seem to have


@dataclass(frozen=True)
class Metric:
    """Eigenvalues of S in units of their mean, and its axes; no axes: the features themselves, S taken as diagonal."""

    values: Float[Tensor, "d"]
    axes: Float[Tensor, "d d"] | None
    power: float

    @staticmethod
    def of_bank(bank: Bank, kind: str, *, power: float, device: torch.device) -> "Metric":
        """`kind`: "full" or "diagonal". float32, on the device. Raises `UserError` where no class varies."""
        covariance = within_covariance(bank, device)
        if covariance.diagonal().mean() <= _ROUNDING * bank.class_means().double().square().mean():
            raise UserError(
                f"lgm.whiten {kind} needs features that vary within a class, and each of the {bank.classes} means has "
                f"only {bank.features.shape[0] * bank.features.shape[1] / bank.classes:.3g} rows, all alike: add "
                "--lgm.whiten none, more training images, or a higher --bank.views"
            )
        if kind == "diagonal":
            values, axes = covariance.diagonal(), None
        else:
            values, axes = torch.linalg.eigh(covariance)
            axes = axes.float()
        values = values.clamp(min=0)
        return Metric((values / values.mean()).float(), axes, power)

    def __call__(self, gradient: Float[Tensor, "c d1"], beta: float) -> Float[Tensor, "c d1"]:
        """A gradient, its bias column as it is and the weights' part along the axes, each divided as above.

        The result is turned into the axes, which no comparison by lengths and angles notices.
        """
        weights = gradient[:, :-1] if self.axes is None else gradient[:, :-1] @ self.axes
        return torch.cat((weights * (self.values + beta) ** -self.power, gradient[:, -1:]), dim=1)

    def sharpened(self, measured: Float[Tensor, "c d1"], beta: float, power: float) -> Float[Tensor, "c d1"]:
        """What a call gave of a real gradient, divided once more, by (S + beta m I)^power; its weights' length stays.

        Images that give their head this as a plain gradient teach it what a step against the covariance within
        classes would: at a head of zeros and a power of 1, a linear discriminant.
        """
        weights, bias = measured[:, :-1], measured[:, -1:]
        divided = weights * (self.values + beta) ** -power
        return torch.cat((divided * (weights.norm() / divided.norm().clamp(min=_TINY)), bias), dim=1)


def metric_of(
    config: LGMConfig, bank: Callable[[], Bank], *, device: torch.device, note: Callable[[str], None]
) -> Metric | None:
    """The metric that `lgm.whiten` asks for; `auto` is none, and says so, where the rows do not tell the covariance.

    The mean of each class of the bank is taken from its rows, which costs one of them. Raises as `Metric.of_bank` does.
    """
    kind = config.whiten
    if kind == "none" or (kind == "auto" and config.target == "batch"):
        return None
    known = bank()
    if kind == "auto":
        rows, width = known.features.shape[0] * known.features.shape[1], known.features.shape[-1]
        if rows - known.classes <= width:
            few = (
                f"{rows:,} rows around {known.classes:,} means are too few to know the covariance of {width:,} features"
            )
            more = "more training images, or a higher bank.views, make it possible"
            if config.real_power:
                raise UserError(
                    f"lgm.real-power needs gradients that are whitened, but {few}: {more}. Or add --lgm.whiten full "
                    "(or diagonal), which whitens all the same, or leave --lgm.real-power out"
                )
            note(f"Gradients are not whitened: {few}. {more.capitalize()}.")
            return None
        kind = "full"
    return Metric.of_bank(known, kind, power=config.whiten_power, device=device)


def within_covariance(bank: Bank, device: torch.device) -> Float[Tensor, "d d"]:
    """Covariance of the bank's features around their class's mean, float64; all classes count alike."""
    means = bank.class_means().to(device, torch.float64)
    width, views = means.shape[1], bank.features.shape[1]
    weights = bank.row_weights(balanced=True).to(device, torch.float64) / views
    covariance = torch.zeros(width, width, dtype=torch.float64, device=device)
    for rows in torch.arange(len(bank.labels)).split(_ROWS):
        own, weight = means[bank.labels[rows].to(device)][:, None], weights[rows.to(device)].sqrt()[:, None, None]
        around = ((bank.features[rows].to(device).double() - own) * weight).flatten(0, 1)
        covariance += around.T @ around
    return covariance
