"""Train small networks to give target vectors, by plain regression: pre-training without class numbers.

MKDT specification, sections 2 and 5: squared error, mean over images and entries; SGD, no augmentation, constant rate.
Legend: N images, K channels, R side, D entries of a target.

>>> shape = target_shape("conv:instance", scratch, channels=3, size=512)
>>> recipe = RegressionRecipe(epochs=20)
>>> pretrained(images, targets, shape, count=5000, recipe=recipe, random=generator("cpu", 0), device=device)
"""

import math
from collections.abc import Callable
from dataclasses import dataclass, replace

import torch
from jaxtyping import Int
from torch import Tensor
from torch.nn.functional import mse_loss

from lgm_core.backbones.students.networks import Student, StudentShape, build_student, student_shape
from lgm_core.base.errors import Unmeasured
from lgm_core.base.settings import ScratchConfig

_LOOK = 10  # steps between two looks at the loss


@dataclass(frozen=True, kw_only=True)
class RegressionRecipe:
    """How a network is pre-trained. `steps`: 0 for `epochs` over the set, else so many, whatever epochs these are."""

    epochs: int = 20
    steps: int = 0
    batch: int = 256
    optimiser: str = "sgd"  # or "adamw"
    learning_rate: float = 0.1
    momentum: float = 0.9
    weight_decay: float = 1e-4

    def steps_for(self, images: int) -> int:
        """Steps on a set of so many images."""
        return (self.steps or self.epochs * math.ceil(images / self.batch)) if images else 0


def target_shape(name: str, scratch: ScratchConfig, *, channels: int, size: int) -> StudentShape:
    """The network of a name whose outputs are target vectors; all blocks of a ConvNet have `scratch.width` channels."""
    return replace(student_shape(name, scratch, channels=channels, classes=size), doubling=False)


def pretrained(
    images: Callable[[Int[Tensor, "b"]], Tensor],
    targets: Callable[[Int[Tensor, "b"]], Tensor],
    shape: StudentShape,
    *,
    count: int,
    recipe: RegressionRecipe,
    random: torch.Generator,
    device: torch.device,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> Student:
    """A network in evaluation mode; untrained where `count`, the number of images, is 0.

    `images(rows)`, `targets(rows)`: those rows of the set, on the device. Raises `Unmeasured` where it diverges.
    """
    network = build_student(shape, random=random, start="torch").to(device).train()
    optimiser, total, place = _optimiser(network, recipe), recipe.steps_for(count), 0
    order = torch.empty(0, dtype=torch.int64)
    for step in range(total):
        if place >= len(order):
            order, place = torch.randperm(count, generator=random), 0
        rows, place = order[place : place + recipe.batch], place + recipe.batch
        loss = mse_loss(network(images(rows)), targets(rows))
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        if step % _LOOK == 0 or step == total - 1:
            if not math.isfinite(loss.item()):
                raise Unmeasured(
                    f"pre-training diverged: the loss is {loss.item()} at step {step + 1} of {total}, with a learning "
                    f"rate of {recipe.learning_rate:.3g}; lower it, or take targets of unit scale (pretrain.scale)"
                )
            progress(step + 1, total)
    return network.eval()


def _optimiser(network: Student, recipe: RegressionRecipe) -> torch.optim.Optimizer:
    parameters, rate, decay = network.parameters(), recipe.learning_rate, recipe.weight_decay
    if recipe.optimiser == "adamw":
        return torch.optim.AdamW(parameters, lr=rate, weight_decay=decay)
    return torch.optim.SGD(parameters, lr=rate, momentum=recipe.momentum, weight_decay=decay)
