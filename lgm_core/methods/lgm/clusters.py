"""Several images per class: each learns a part of its class, so that they do not become copies of each other.

The parts are clusters of the class's features, found once for all backbones together. Legend: N images, C classes,
P images per class, D features.

>>> parts = parts_of_classes([bank, other_bank], per_class=5, seed=0)  # [N], numbers from 0 to 5 * classes - 1
>>> Bank(bank.features, parts, 5 * bank.classes)  # a bank whose classes are these parts
"""

from collections.abc import Sequence
from warnings import catch_warnings, simplefilter

import numpy as np
import torch
from jaxtyping import Float, Int
from threadpoolctl import threadpool_limits
from torch import Tensor
from torch.nn.functional import normalize

from lgm_core.backbones.features import Bank
from lgm_core.base.errors import UserError

_STARTS = 4  # of k-means, of which the best is kept


def parts_of_classes(banks: Sequence[Bank], *, per_class: int, seed: int) -> Int[Tensor, "n"]:
    """The part that each real image belongs to, class-major. Raises `UserError` for a class with too few."""
    from sklearn.cluster import KMeans  # takes a second to import; only this function needs it
    from sklearn.exceptions import ConvergenceWarning

    labels = banks[0].labels
    together = _together(banks)
    parts = torch.empty_like(labels)
    for label in range(banks[0].classes):
        members = (labels == label).nonzero().flatten()
        if len(members) < per_class:
            raise UserError(
                f"{per_class} images per class were asked for, but class {label} has {len(members)} training images "
                "to make clusters of; lower --images-per-class, or add --lgm.no-clusters"
            )
        with threadpool_limits(1), catch_warnings():  # the same clusters, however many cores there are
            simplefilter("ignore", ConvergenceWarning)  # fewer clusters than asked for, which is an error here
            kmeans = KMeans(per_class, n_init=_STARTS, random_state=seed)  # pyright: ignore[reportArgumentType]
            found = kmeans.fit_predict(together[members].numpy())
        if (different := len(np.unique(found))) < per_class:
            raise UserError(
                f"{per_class} images per class were asked for, but the {len(members)} training images of class {label} "
                f"make only {different} clusters, as many of them are alike; lower --images-per-class, or add "
                "--lgm.no-clusters"
            )
        parts[members] = label * per_class + torch.as_tensor(found).to(labels)
    return parts


def in_order_of_parts(
    chosen: Int[Tensor, "p"], parts: Int[Tensor, "n"], banks: Sequence[Bank], *, per_class: int
) -> Int[Tensor, "p"]:
    """Chosen images, class-major, in the order of their class's parts, so that each begins near what it will learn.

    In all, the images of a class are as near to the means of their parts as they can be.
    """
    from scipy.optimize import linear_sum_assignment  # takes a while to import; only this function needs it

    together = _together(banks)
    means = torch.zeros(len(chosen), together.shape[1]).index_add_(0, parts, together)
    means /= torch.bincount(parts, minlength=len(chosen))[:, None]
    ordered = torch.empty_like(chosen)
    for own, at in zip(chosen.split(per_class), torch.arange(len(chosen)).split(per_class), strict=True):
        images, places = linear_sum_assignment(torch.cdist(together[own], means[at]).numpy())
        ordered[at[places]] = own[images]
    return ordered


def _together(banks: Sequence[Bank]) -> Float[Tensor, "n e"]:
    """What all backbones see of the real images, the mean of all views, beside each other, each of length 1."""
    views = [bank.features.mean(dim=1, dtype=torch.float32) for bank in banks]
    return torch.cat([normalize(features) for features in views], dim=1)
