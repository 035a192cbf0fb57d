"""Train linear heads on features and say how well they do: the measure on frozen backbones, for all sets alike.

Networks that are trained from scratch are in `from_scratch`; `score_best` makes the report of both.
LGM specification, section 9. All heads (seeds) train at once, as one batched matrix product.
Legend: N images, V views, D features, C classes, H heads, B rows of a step, T test images.

>>> heads = train_heads(features, labels, classes=10, recipe=HeadRecipe(epochs=1000, batch=100))
>>> score(heads, test_features, test_labels)["top1"]
0.874
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from jaxtyping import Float, Int
from torch import Tensor
from torch.nn.functional import cross_entropy

from lgm_core.base.interfaces import generator

MISTAKES, MISTAKEN_IMAGES = 24, 24  # cells of a confusion whose images a report names, and images of each, at most


@dataclass(frozen=True, kw_only=True)
class HeadRecipe:
    """Adam without decay, rate `learning_rate * batch / 256`, cosine to 0 over the epochs."""

    epochs: int
    batch: int
    learning_rate: float = 1e-3  # at a batch of 256
    seeds: int = 5
    first_seed: int = 3407
    head_std: float = 0.01


@dataclass(frozen=True)
class Heads:
    """H linear heads."""

    weight: Float[Tensor, "h c d"]
    bias: Float[Tensor, "h c"]

    def logits(self, features: Float[Tensor, "t d"]) -> Float[Tensor, "h t c"]:
        return torch.einsum("td,hcd->htc", features, self.weight) + self.bias[:, None]


def train_heads(
    features: Float[Tensor, "n v d"],
    labels: Int[Tensor, "n"],
    *,
    classes: int,
    recipe: HeadRecipe,
    progress: Callable[[int, int], None] = lambda done, total: None,
    after_epoch: Callable[[Heads], None] = lambda heads: None,
) -> Heads:
    """Train on features of which each epoch sees one random view per image. Features may be memory-mapped float16."""
    n, views, width = features.shape
    device = labels.device
    batch = min(recipe.batch, n)
    randoms = [generator("cpu", recipe.first_seed + head) for head in range(recipe.seeds)]
    start = torch.stack([torch.randn(classes, width, generator=random) for random in randoms]) * recipe.head_std
    weight = start.to(device).requires_grad_()
    bias = torch.zeros(recipe.seeds, classes, device=device, requires_grad=True)
    optimiser = torch.optim.Adam([weight, bias], lr=recipe.learning_rate * batch / 256)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, T_max=recipe.epochs)
    for epoch in range(recipe.epochs):
        order = torch.stack([torch.randperm(n, generator=random) for random in randoms])
        view = torch.stack([torch.randint(views, (n,), generator=random) for random in randoms])
        for first in range(0, n, batch):
            rows, columns = order[:, first : first + batch], view[:, first : first + batch]
            x = features[rows, columns].to(device, non_blocking=True).float()
            y = labels[rows.to(device)]
            logits = torch.baddbmm(bias[:, None], x, weight.transpose(1, 2))
            loss = cross_entropy(logits.flatten(0, 1), y.flatten(), reduction="sum") / rows.shape[1]
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
        schedule.step()
        after_epoch(Heads(weight.detach(), bias.detach()))
        progress(epoch + 1, recipe.epochs)
    return Heads(weight.detach(), bias.detach())


@torch.no_grad()
def score(
    heads: Heads,
    features: Float[Tensor, "t d"],
    labels: Int[Tensor, "t"],
    groups: Int[Tensor, "t"] | None = None,
    group_count: int = 0,
) -> dict[str, Any]:
    """Accuracies of the heads on test features, as plain numbers in [0, 1].

    top1, top5 (None below 5 classes): mean over heads; *_std: population standard deviation over heads; top1_seeds:
    each head's; per_class [C]: mean over heads (None where a class has no test image); confusion [C][C]: counts of the
    first head, true class by predicted; mistaken: its most frequent mistakes, with some of their test images, by their
    place in the split; worst_group and per_group: None without groups; with them
    also group_confusion [G][C]: counts of the first head, group by predicted class.
    """
    classes = heads.weight.shape[1]
    best = [heads.logits(part.float()).topk(min(5, classes), dim=-1).indices for part in features.split(8192)]
    return score_best(torch.cat(best, dim=1), labels, classes=classes, groups=groups, group_count=group_count)


def score_best(
    best: Int[Tensor, "h t k"],
    labels: Int[Tensor, "t"],
    *,
    classes: int,
    groups: Int[Tensor, "t"] | None = None,
    group_count: int = 0,
) -> dict[str, Any]:
    """`score`, from the likeliest classes that each of H classifiers names for each image, likeliest first."""
    hits, predicted = best == labels[None, :, None], best[0, :, 0]
    top1 = hits[:, :, 0].double()
    top5 = hits.any(dim=-1).double().mean(dim=1)
    confusion = torch.bincount(labels * classes + predicted, minlength=classes**2).view(classes, classes)
    report: dict[str, Any] = {
        "top1": top1.mean().item(),
        "top1_std": top1.mean(dim=1).std(correction=0).item(),
        "top1_seeds": top1.mean(dim=1).tolist(),
        "top5": top5.mean().item() if classes >= 5 else None,
        "top5_std": top5.std(correction=0).item() if classes >= 5 else None,
        "per_class": _mean_by(top1.mean(dim=0), labels, classes),
        "confusion": confusion.tolist(),
        "mistaken": _mistaken(labels, predicted, confusion),
        "worst_group": None,
        "per_group": None,
    }
    if groups is not None:
        by_group = _mean_by(top1.mean(dim=0), groups, group_count)
        report["per_group"] = by_group
        taken = torch.bincount(groups * classes + predicted, minlength=group_count * classes)
        report["group_confusion"] = taken.view(group_count, classes).tolist()
        report["worst_group"] = min(accuracy for accuracy in by_group if accuracy is not None)
    return report


def _mistaken(labels: Int[Tensor, "t"], predicted: Int[Tensor, "t"], confusion: Int[Tensor, "c c"]) -> list[Any]:
    wrong = confusion.clone().fill_diagonal_(0).flatten()
    counts, cells = (part.tolist() for part in wrong.topk(min(MISTAKES, len(wrong))))
    pairs = [divmod(cell, len(confusion)) for count, cell in zip(counts, cells, strict=True) if count]
    rows = [((labels == true) & (predicted == taken)).nonzero().flatten() for true, taken in pairs]
    return [
        {"true": true, "taken": taken, "images": images[:MISTAKEN_IMAGES].tolist()}
        for (true, taken), images in zip(pairs, rows, strict=True)
    ]


def _mean_by(values: Float[Tensor, "t"], keys: Int[Tensor, "t"], count: int) -> list[float | None]:
    totals = torch.zeros(count, dtype=values.dtype, device=values.device).index_add_(0, keys, values)
    sizes = torch.bincount(keys, minlength=count)
    return [t / s if s else None for t, s in zip(totals.tolist(), sizes.tolist(), strict=True)]
