"""Patches as colours: their first three principal axes, the same for all images, and turned onto another backbone's.

Legend: N images, D features, H and W places, P = N * H * W patches, K axes.

>>> axes = fit_axes(maps)  # of one backbone: real and distilled images together
>>> colours(axes.scores(maps)).shape  # [N, H, W, 3] in [0, 1]
>>> turned, fit = turn_onto(axes_of_a.scores(maps_of_a), axes_of_b.scores(maps_of_b))  # b's, as a's as can be
"""

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn.functional import interpolate

AXES = 16  # of which the first three are seen; the others take part when backbones are aligned
_GRID = 16  # places a side at which backbones are compared
_TAIL = 0.01  # share of the patches that may leave the range of colours at either end


@dataclass(frozen=True)
class Axes:
    """Principal axes of patches, whitened: every axis has a variance of 1 over the patches that they were fitted on.

    explained  share of the variance that each axis holds
    """

    mean: Float[Tensor, "d"]
    axes: Float[Tensor, "d k"]
    explained: Float[Tensor, "k"]

    def scores(self, maps: Float[Tensor, "n d h w"]) -> Float[Tensor, "n k h w"]:
        """Where patches lie on the axes."""
        return torch.einsum("ndhw,dk->nkhw", maps - self.mean[:, None, None], self.axes)


def fit_axes(maps: Float[Tensor, "n d h w"]) -> Axes:
    """The axes of all patches of these images; as many as there are features, where these are fewer than 16."""
    patches = maps.permute(0, 2, 3, 1).flatten(0, 2).double()
    mean = patches.mean(dim=0)
    values, vectors = torch.linalg.eigh((patches - mean).T @ (patches - mean) / len(patches))
    values, vectors = values.flip(0).clamp_min(1e-12), vectors.flip(1)
    count = min(AXES, len(values))
    vectors = vectors[:, :count] * vectors[:, :count].sum(dim=0).sign().where(vectors.sum(dim=0)[:count] != 0, 1.0)
    axes = vectors / values[:count].sqrt()
    return Axes(mean.float(), axes.float(), (values[:count] / values.sum()).float())


def colours(scores: Float[Tensor, "n k h w"]) -> Float[Tensor, "n h w 3"]:
    """The first three axes as red, green and blue: one range for all images, so that colours mean the same."""
    shown = torch.zeros(len(scores), 3, *scores.shape[2:])
    shown[:, : min(3, scores.shape[1])] = scores[:, :3].float()
    flat = shown.transpose(0, 1).flatten(1)
    low, high = flat.quantile(_TAIL, dim=1), flat.quantile(1 - _TAIL, dim=1)
    scaled = (shown - low[:, None, None]) / (high - low).clamp_min(1e-6)[:, None, None]
    return scaled.clamp(0, 1).permute(0, 2, 3, 1)


def turn_onto(
    reference: Float[Tensor, "n k h w"], scores: Float[Tensor, "n j g v"]
) -> tuple[Float[Tensor, "n l g v"], float]:
    """The scores of another backbone for the same images, turned and mirrored to be most like the reference.

    Orthogonal Procrustes on both sides' patches, resampled to 16 x 16. Also how well they fit, from 0 to 1: the nuclear
    norm of the cross-products over the product of the norms, which is 1 for the same patches in another orientation.
    """
    axes = min(reference.shape[1], scores.shape[1])
    left, right = (_on_grid(one[:, :axes]) for one in (reference, scores))
    u, singular, v = torch.linalg.svd(right.T @ left)
    turned = torch.einsum("nkhw,kl->nlhw", scores[:, :axes].double(), u @ v)
    return turned.float(), float(singular.sum() / (left.norm() * right.norm()).clamp_min(1e-12))


def _on_grid(scores: Tensor) -> Float[Tensor, "p k"]:
    grid = interpolate(scores.double(), size=(_GRID, _GRID), mode="bilinear", antialias=True)
    patches = grid.permute(0, 2, 3, 1).flatten(0, 2)
    return patches - patches.mean(dim=0)
