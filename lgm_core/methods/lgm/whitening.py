"""Directions in which real images of one class differ count less: the inverse root of the within-class covariance.

Gradients of a head, [C, D] each, are multiplied by it before they are compared, so that what tells classes apart is
not drowned by what varies within them (docs/log.md, 2026-11-24). Legend: N images, V views, D features, C classes.

>>> root = inverse_root(bank, share=1.0, device=images.device)
>>> cosine_distance(whitened(synthetic, root), whitened(real, root))
"""

import torch
from jaxtyping import Float
from torch import Tensor

from lgm_core.backbones.features import Bank

_ROWS = 4096  # of the bank at once


def inverse_root(bank: Bank, *, share: float, device: torch.device) -> Float[Tensor, "d d"]:
    """(S + share * m * I)^-1/2, scaled by sqrt(m): S is the covariance within classes, m its mean eigenvalue.

    All classes count alike, whatever their size. float32, on the device.
    """
    means = bank.class_means().to(device, torch.float64)
    width, views = means.shape[1], bank.features.shape[1]
    weights = bank.row_weights(balanced=True).to(device, torch.float64) / views
    covariance = torch.zeros(width, width, dtype=torch.float64, device=device)
    for rows in torch.arange(len(bank.labels)).split(_ROWS):
        own, weight = means[bank.labels[rows].to(device)][:, None], weights[rows.to(device)].sqrt()[:, None, None]
        around = ((bank.features[rows].to(device).double() - own) * weight).flatten(0, 1)
        covariance += around.T @ around
    values, vectors = torch.linalg.eigh(covariance)
    mean = values.mean()
    scales = (mean / (values.clamp(min=0) + share * mean)).sqrt()
    return ((vectors * scales) @ vectors.T).float()


def whitened(gradient: Float[Tensor, "c d1"], root: Float[Tensor, "d d"] | None) -> Float[Tensor, "c d1"]:
    """A head's gradient, its bias column as it is, with the weights' part times the root; as it is without one."""
    if root is None:
        return gradient
    return torch.cat((gradient[:, :-1] @ root, gradient[:, -1:]), dim=1)
