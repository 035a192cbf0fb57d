"""Experts: networks trained on all images to give the teacher's targets, with a snapshot after each epoch.

MKDT specification, section 2: squared error, SGD with momentum and weight decay, no augmentation, constant rate. The
reference trains for 20 epochs, of which the first few are matched; here only these are trained, which are the same.
Legend: G experts side by side, N images, B images of a step, D entries of a target, T epochs, P parameters.

>>> train_experts([0, 1], student, images, targets, recipe=ExpertRecipe(epochs=3), count=50_000, seed=0).shape
torch.Size([2, 4, 1348608])
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor
from torch.func import functional_call, grad_and_value, vmap
from torch.nn.functional import mse_loss

from lgm_core.backbones.students.networks import Student, build_student
from lgm_core.backbones.students.parameters import flatten, named
from lgm_core.base.errors import UserError
from lgm_core.base.interfaces import generator

_EXPERT, _ORDER = 0x65787072, 0x6F726472  # streams of random numbers

Rows = Callable[[Int[Tensor, "b"]], Tensor]


@dataclass(frozen=True, kw_only=True)
class ExpertRecipe:
    """How an expert is trained."""

    epochs: int
    rate: float = 0.1
    momentum: float = 0.9
    decay: float = 1e-4
    batch: int = 256


def train_experts(
    experts: Sequence[int], student: Student, images: Rows, targets: Rows, *, recipe: ExpertRecipe, count: int,
    seed: int, progress: Callable[[int, int], None] = lambda done, total: None,
    told: Callable[[int, Tensor], object] = lambda epoch, losses: None,
) -> Float[Tensor, "g t p"]:  # fmt: skip
    """Snapshots at the start and after each epoch. An expert's start and order of images follow from its number.

    `student` gives the shape; its weights are not used. `images(rows)`, `targets(rows)`: of the training set, on the
    device. `told` is given the mean loss [G] of each epoch's steps, as they went. Raises `UserError` where the training
    diverges.
    """
    flat = torch.stack([fresh(student, seed, expert) for expert in experts])
    velocity, snapshots = torch.zeros_like(flat), [flat.clone()]  # a clone, never the live parameters
    gradient = grad_and_value(lambda flat, images, targets: regression_loss(student, flat, images, targets))
    batched, steps = vmap(gradient), -(-count // recipe.batch)
    for epoch in range(recipe.epochs):
        orders = [torch.randperm(count, generator=generator("cpu", seed, e, epoch, _ORDER)) for e in experts]
        parts, losses = torch.stack(orders).split(recipe.batch, dim=1), []
        for place, rows in enumerate(parts):
            x, y = (source(rows.flatten()).unflatten(0, rows.shape) for source in (images, targets))
            found, loss = batched(flat, x, y) if len(experts) > 1 else _alone(gradient(flat[0], x[0], y[0]))
            losses.append(loss)
            velocity = recipe.momentum * velocity + found + recipe.decay * flat
            flat = flat - recipe.rate * velocity
            progress(epoch * steps + place + 1, recipe.epochs * steps)
        if not flat.isfinite().all():
            raise UserError(
                f"an expert diverged in epoch {epoch + 1} at a rate of {recipe.rate:g}; lower mkdt.expert_rate, or "
                "take targets of unit scale (pretrain.scale)"
            )
        told(epoch, torch.stack(losses).mean(dim=0))
        snapshots.append(flat.clone())
    return torch.stack(snapshots, dim=1)


def _alone(found: tuple[Tensor, Tensor]) -> tuple[Tensor, Tensor]:
    return found[0][None], found[1][None]


def fresh(student: Student, seed: int, expert: int) -> Float[Tensor, "p"]:
    """The parameters that an expert starts with, on the device of `student`."""
    made = build_student(student.shape, random=generator("cpu", seed, expert, _EXPERT), start="torch")
    return flatten(made).to(student.head.weight)


def regression_loss(
    student: Student, flat: Float[Tensor, "p"], images: Float[Tensor, "b k r r"], targets: Float[Tensor, "b d"]
) -> Float[Tensor, ""]:
    """Squared error, mean over images and entries, of the network with these parameters."""
    return mse_loss(functional_call(student, named(student, flat), (images,)), targets)
