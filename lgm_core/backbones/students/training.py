"""Train small networks from scratch on a labelled set, and say how well they do on real images.

RCIG specification, section 6: Adam, a linear rise then a cosine to 1 % of the peak, squared error to centred labels.
Legend: N images with flips, K channels, R side, C classes, H networks (seeds), T test images.

>>> networks = train_networks(images, targets, shape, recipe=ScratchRecipe(steps=1000))
>>> predicted(networks, test_images).shape  # the five likeliest classes of each image, network by network
torch.Size([5, 10000, 5])
"""

import math
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor
from torch.nn.functional import mse_loss, one_hot

from lgm_core.backbones.students.augment_one import augment_one
from lgm_core.backbones.students.networks import Student, StudentShape, build_student
from lgm_core.base.interfaces import generator

_LAST = 0.01  # rate at the end, as a share of the peak


@dataclass(frozen=True, kw_only=True)
class ScratchRecipe:
    """How a network is trained. `tail`: further steps at the last rate; `augment`: operations, () for none.

    `batch`: images per step, drawn at random; 0: all of them.
    """

    steps: int
    learning_rate: float = 1e-4
    warmup: int = 500
    tail: int = 0
    batch: int = 256
    seeds: int = 5
    first_seed: int = 3407
    augment: tuple[str, ...] = ()

    def rate(self, step: int) -> float:
        """Learning rate of a step."""
        warmup = min(self.warmup, self.steps // 2)
        if step < warmup:
            return self.learning_rate * step / warmup
        done = min((step - warmup) / max(self.steps - warmup, 1), 1.0)
        return self.learning_rate * (_LAST + (1 - _LAST) * (1 + math.cos(math.pi * done)) / 2)


def train_networks(
    images: Callable[[Tensor], Float[Tensor, "b k r r"]],
    targets: Float[Tensor, "n c"],
    shape: StudentShape,
    *,
    recipe: ScratchRecipe,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> list[Student]:
    """One network per seed, in evaluation mode. `images(rows)` gives those rows of the set."""
    total = recipe.steps + recipe.tail
    networks = []
    for seed in range(recipe.first_seed, recipe.first_seed + recipe.seeds):
        random = generator("cpu", seed)
        network = build_student(shape, random=random).to(targets.device).train()
        optimiser = torch.optim.Adam(network.parameters())
        for step in range(total):
            optimiser.param_groups[0]["lr"] = recipe.rate(step)
            rows = torch.arange(len(targets))
            if 0 < recipe.batch < len(targets):
                rows = torch.randperm(len(targets), generator=random)[: recipe.batch]
            batch = images(rows)
            if recipe.augment:
                batch = augment_one(batch, recipe.augment, random=random)
            loss = (network(batch) - targets[rows.to(targets.device)]).square().mean() / 2
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
            if step % 10 == 0:
                progress(len(networks) * total + step, recipe.seeds * total)
        networks.append(network.eval())
    return networks


@torch.no_grad()
def predicted(
    networks: Sequence[Student], batches: Iterable[tuple[Tensor, Tensor]]
) -> tuple[Int[Tensor, "h t k"], Int[Tensor, "t"]]:
    """The likeliest classes (five, or all there are) of each image, likeliest first, and the true labels."""
    best, labels = [], []
    for images, true in batches:
        outputs = torch.stack([network(images) for network in networks])
        best.append(outputs.topk(min(5, outputs.shape[-1]), dim=-1).indices)
        labels.append(true)
    return torch.cat(best, dim=1), torch.cat(labels)


def with_flips(
    pixels: Float[Tensor, "m k r r"], targets: Float[Tensor, "m c"]
) -> tuple[Float[Tensor, "n k r r"], Float[Tensor, "n c"]]:
    """The images and, after them, their mirror images, with the same labels."""
    return torch.cat([pixels, pixels.flip(-1)]), torch.cat([targets, targets])


def centred_targets(labels: Int[Tensor, "m"], classes: int) -> Float[Tensor, "m c"]:
    """One-hot labels less 1 / C, from which the learned ones start."""
    return one_hot(labels, classes).float() - 1 / classes


def training_seconds(student: Student, device: torch.device, images: int = 64) -> float:
    """Seconds per image of a forward and a backward pass, the quickest of three."""
    shape = student.shape
    batch = torch.randn(images, shape.channels, shape.side, shape.side, device=device).to(student.head.weight)
    wanted = torch.zeros(images, shape.classes).to(batch)
    times = []
    for _ in range(3):
        began = time.perf_counter()
        loss = mse_loss(student(batch), wanted)
        torch.autograd.grad(loss, list(student.parameters()))[0].sum().item()
        times.append(time.perf_counter() - began)
    return min(times) / images
