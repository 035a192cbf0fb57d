"""Tensors that several ranks make together: gathered, or summed, and differentiable where a loss goes through them.

In one process everything is returned as it was given; see `ranks`.

>>> features = gather(network(images[share(len(images))]), len(images))  # of all images, on every rank
>>> sum_(images.grad)
"""

from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor
from torch.autograd import Function

from lgm_core.base.ranks import carrier, ranks, share, share_of, talking


def gather(rows: Tensor, count: int) -> Tensor:
    """All `count` rows, of which each rank gives its share. The derivative in them is that of what all ranks do with
    them: each takes its own part of it.
    """
    return rows if ranks() == 1 else _Gathered.apply(rows, count)  # type: ignore[return-value]


def sum_(tensor: Tensor) -> Tensor:
    """Replace a tensor, in place, by its sum over all ranks, the same bits on each; returns it."""
    if ranks() > 1:
        with talking():
            dist.all_reduce(tensor, group=carrier(tensor.is_cuda))
    return tensor


def of_first(tensor: Tensor) -> Tensor:
    """Rank 0's tensor, on each: for what all ranks compute alike, but for the last bits."""
    if ranks() == 1:
        return tensor
    same = tensor.contiguous()
    with talking():
        dist.broadcast(same, 0, group=carrier(tensor.is_cuda))
    return same


def spread(tensor: Tensor) -> Tensor:
    """The same tensor, which all ranks have, for a part of the work that is shared: its derivative is their sum."""
    return tensor if ranks() == 1 else _Spread.apply(tensor)  # type: ignore[return-value]


class _Gathered(Function):
    @staticmethod
    def forward(ctx: Any, rows: Tensor, count: int) -> Tensor:
        ctx.own, sizes = share(count), [share_of(count, one, ranks()) for one in range(ranks())]
        most = -(-count // ranks())
        padded = rows.new_zeros(most, *rows.shape[1:])
        padded[: len(rows)] = rows
        parts = [torch.empty_like(padded) for _ in sizes]
        with talking():
            dist.all_gather(parts, padded, group=carrier(rows.is_cuda))
        return torch.cat([part[: size.stop - size.start] for part, size in zip(parts, sizes, strict=True)])

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None]:
        return gradients[0][ctx.own], None


class _Spread(Function):
    @staticmethod
    def forward(ctx: Any, tensor: Tensor) -> Tensor:
        return tensor.view_as(tensor)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> Tensor:
        return _Summed.apply(gradients[0])  # type: ignore[return-value]


class _Summed(Function):
    @staticmethod
    def forward(ctx: Any, tensor: Tensor) -> Tensor:
        return sum_(tensor.clone())

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> Tensor:
        return _Spread.apply(gradients[0])  # type: ignore[return-value]
