"""Fit a transform to training images, batch by batch; to and from plain tensors for the cache.

>>> transform = fit("zca", batches)
>>> rebuilt = from_state("zca", to_state(transform))
"""

from collections.abc import Callable, Iterable

import torch
from jaxtyping import UInt8
from torch import Tensor

from lgm_core.base.names import require_known
from lgm_core.datasets.transforms.transform import Identity, Standardise, State, Transform
from lgm_core.datasets.transforms.zca import Zca, tiles, whitening

Batches = Callable[[], Iterable[UInt8[Tensor, "n k r r"]]]  # each call goes over all training images again
KINDS = ("identity", "standardise", "zca", "block_zca")


def fit(
    kind: str, batches: Batches, device: torch.device | str = "cpu", progress: Callable[[str], None] = lambda what: None
) -> Transform:
    """The transform of that kind for these images, uint8 in 0 .. 255; on the CPU, float32.

    `device`: where the covariance and its eigenvectors are computed; `progress` is told before the latter.
    """
    require_known(kind, KINDS, "transform")
    if kind == "identity":
        return Identity()
    mean, std, centre, count = _moments(batches)
    if kind == "standardise":
        return Standardise(mean.float(), std.float())
    stride = 2 if kind == "block_zca" else 1
    standardise = Standardise(mean.float(), std.float())
    centre = ((centre - mean[:, None, None]) / standardise.std.double()[:, None, None]).float()
    covariance: Tensor | None = None
    for batch in batches():
        rows = tiles(standardise(batch.float() / 255) - centre, stride).to(device)
        part = (rows.T @ rows).double()
        covariance = part if covariance is None else covariance.add_(part)
    assert covariance is not None  # _moments has raised for no images
    rows_in_all = count * stride**2
    progress(f"eigenvectors of a {len(covariance)} x {len(covariance)} matrix")
    forward, inverse = (matrix.float().cpu() for matrix in whitening(covariance / rows_in_all, rows_in_all))
    return Zca(mean.float(), std.float(), centre, forward, inverse, stride=stride)


def to_state(transform: Transform) -> State:
    """All tensors that the transform depends on."""
    return {name: tensor.contiguous() for name, tensor in transform.state_dict().items()}


def from_state(kind: str, state: State) -> Transform:
    """The transform that `to_state` wrote."""
    if kind == "identity":
        return Identity()
    if kind == "standardise":
        return Standardise(state["mean"], state["std"])
    return Zca(
        state["standardise.mean"], state["standardise.std"], state["centre"],
        state["forward_matrix"], state["inverse_matrix"], stride=2 if kind == "block_zca" else 1,
    )  # fmt: skip


def _moments(batches: Batches) -> tuple[Tensor, Tensor, Tensor, int]:
    """Mean and standard deviation of each channel, the mean image, in [0, 1] and float64; how many images."""
    count, total, squares = 0, None, None
    for batch in batches():
        values = batch.double() / 255
        count += len(values)
        total = values.sum(0) if total is None else total + values.sum(0)
        square = values.square().sum((0, 2, 3))
        squares = square if squares is None else squares + square
    if total is None or squares is None:
        raise ValueError("a transform is fitted to images, none were given")
    centre = total / count
    mean = centre.mean((1, 2))
    per_channel = count * centre.shape[1] * centre.shape[2]
    std = (squares / per_channel - mean.square()).clamp(min=0).sqrt()
    return mean, std, centre, count
