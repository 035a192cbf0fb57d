"""A student's plain descent on the synthetic set, and the gradient of its distance to an expert in all that is learned.

MKDT specification, section 4. theta[k + 1] = theta[k] - rate * gradient of the squared error on a chunk of the set;
loss = |theta[K] - goal|^2 / |start - goal|^2. The steps are cut into segments: only one segment's graph is in memory
at a time, and the gradient goes from one to the one before as the derivative in its first parameters.
Legend: P parameters, M synthetic images, K channels, R side, D entries of a target, B images of a chunk.

>>> match(student, start, goal, learned, chunks, segment=0).loss
1.07
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor

from lgm_core.backbones.students.networks import Student
from lgm_core.base.rank_sums import spread, sum_
from lgm_core.base.ranks import share
from lgm_core.methods.mkdt.experts import regression_loss

Chunks = Sequence[Int[Tensor, "_"]]


@dataclass(frozen=True)
class Learnables:
    """What is learned, or the gradient in it."""

    pixels: Float[Tensor, "m k r r"]
    targets: Float[Tensor, "m d"]
    rate: Float[Tensor, ""]

    def leaves(self) -> tuple[Tensor, Tensor, Tensor]:
        return self.pixels, self.targets, self.rate


@dataclass(frozen=True)
class Matched:
    """The matching loss, 1 where the student has not come nearer to the goal, and its gradient."""

    loss: float
    gradient: Learnables


def can_share(student: Student) -> bool:
    """May several processes share a chunk? Not where a layer looks at all of its images together."""
    return student.shape.norm != "batch"


def descend(
    student: Student, flat: Float[Tensor, "p"], learned: Learnables, chunks: Chunks, *, graph: bool = False
) -> Float[Tensor, "p"]:
    """The parameters after a step on each chunk; `graph`: differentiable in all that went in.

    Several processes share the images of a chunk: each has the loss of its own, and the slope is the sum of all. The
    derivatives in images and targets are then those of its own, too; those in all else are whole.
    """
    shared = can_share(student)
    for chunk in chunks:
        flat = flat if graph else flat.detach().requires_grad_()
        own = chunk[share(len(chunk))] if shared else chunk
        rows = own if len(own) else chunk[:1]  # of no weight: the mean of none would be no number
        at = spread(flat) if shared else flat
        loss = regression_loss(student, at, learned.pixels[rows], learned.targets[rows])
        loss = loss if len(own) == len(chunk) else loss * (len(own) / len(chunk))
        (slope,) = torch.autograd.grad(loss, flat, create_graph=graph)
        flat = flat - learned.rate * slope
    return flat if graph else flat.detach()


def match(
    student: Student, start: Float[Tensor, "p"], goal: Float[Tensor, "p"], learned: Learnables, chunks: Chunks, *,
    segment: int = 0,
) -> Matched:  # fmt: skip
    """Loss and gradient. `segment`: steps whose graph is in memory at once, 0 for all; the gradient is the same."""
    length = segment or max(len(chunks), 1)
    parts = [chunks[first : first + length] for first in range(0, max(len(chunks), 1), length)]
    plain = Learnables(*(leaf.detach() for leaf in learned.leaves()))
    starts = [start]
    for part in parts[:-1]:
        starts.append(descend(student, starts[-1], plain, part))
    whole = (start - goal).square().sum()
    gradient = [torch.zeros_like(leaf) for leaf in plain.leaves()]
    loss, back = torch.zeros(()), None
    for part, first in zip(reversed(parts), reversed(starts), strict=True):
        flat = first.detach().requires_grad_()
        leaves = [leaf.clone().requires_grad_() for leaf in plain.leaves()]
        end = descend(student, flat, Learnables(*leaves), part, graph=True)
        if back is None:
            end = loss = (end - goal).square().sum() / whole
        back, *found = torch.autograd.grad(end, (flat, *leaves), back, materialize_grads=True)
        gradient = [total + one for total, one in zip(gradient, found, strict=True)]
    pixels, targets, rate = gradient
    if can_share(student):  # the derivative in the rate is whole on every process
        pixels, targets = sum_(pixels), sum_(targets)
    return Matched(loss.item(), Learnables(pixels, targets, rate))
