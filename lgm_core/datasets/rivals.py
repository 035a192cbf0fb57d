"""Real images chosen because they do best, in one backbone or in several: what distilled images have to beat.

Both choices look at the labels of all training images, and at no test image. Legend: N images, D features, P picks.

>>> choose_greedy([features, other_features], labels, classes=10, per_class=1, seed=0)  # [10] indices, class-major
"""

from collections.abc import Callable, Sequence
from typing import NamedTuple

import torch
from jaxtyping import Float, Int
from torch import Tensor
from torch.nn.functional import normalize

from lgm_core.base.interfaces import generator
from lgm_core.datasets.baselines import choose_centroids, choose_random
from lgm_core.datasets.spread import spread

_DRAWS = 200  # random choices, of which the best is taken
_TRIED = 30  # images tried in place of a chosen one: so many near the class mean, and as many random ones
_SWEEPS = 2  # over all chosen images
_SEEN = 5000  # training images, spread over the classes, on which a choice is tried


def choose_best_random(
    spaces: Sequence[Float[Tensor, "n _"]],
    labels: Int[Tensor, "n"],
    *,
    classes: int,
    per_class: int,
    seed: int,
    tick: Callable[[int, int], None] = lambda done, total: None,
) -> Int[Tensor, "p"]:
    """The best of many random choices: by the worst nearest-mean accuracy on the training images in these spaces.

    `tick(done, total)` is told of the choices.
    """
    worth, found = _Worth(spaces, labels, classes), list[tuple[float, Tensor]]()
    for k in range(_DRAWS):
        tick(k, _DRAWS)
        chosen = choose_random(labels, classes=classes, per_class=per_class, seed=seed * _DRAWS + k)
        found.append((worth(chosen), chosen))
    return max(found, key=lambda one: one[0])[1]


def choose_greedy(
    spaces: Sequence[Float[Tensor, "n _"]],
    labels: Int[Tensor, "n"],
    *,
    classes: int,
    per_class: int,
    seed: int,
    tick: Callable[[int, int], None] = lambda done, total: None,
) -> Int[Tensor, "p"]:
    """From the centroids on, each image in turn is exchanged for the one that helps most, as long as one does.

    What helps is a higher worst nearest-mean accuracy on the training images in these spaces (`features` of several
    backbones). Tried are the images nearest to the class mean and as many random ones. `tick(done, total)`.
    """
    together = joined_space(spaces)
    chosen = choose_centroids(together, labels, classes=classes, per_class=per_class)
    worth_of, random = _Worth(spaces, labels, classes), generator("cpu", seed, 0x67726564)
    best = worth_of(chosen)
    for turn in range(_SWEEPS * len(chosen)):
        tick(turn, _SWEEPS * len(chosen))
        place = turn % len(chosen)
        members = (labels == labels[chosen[place]]).nonzero().flatten()
        distance = (together[members] - together[members].mean(dim=0)).norm(dim=1)
        near = members[distance.argsort(stable=True)[:_TRIED]]
        far = members[torch.randperm(len(members), generator=random)[:_TRIED]]
        candidates = torch.cat((near, far)).unique()
        candidates = candidates[~torch.isin(candidates, chosen)]
        if len(candidates) == 0:
            continue
        worth, first = worth_of.exchanged(chosen, place, candidates).max(dim=0)
        if worth > best:
            chosen[place], best = candidates[first], worth.item()
    return chosen


def joined_space(spaces: Sequence[Float[Tensor, "n _"]]) -> Float[Tensor, "n e"]:
    """Features of several backbones beside each other, each of length 1; those of a single one as they are."""
    if len(spaces) == 1:
        return spaces[0].float()
    return torch.cat([normalize(features.float()) for features in spaces], dim=1)


class _Centred(NamedTuple):
    """Features less their centre, of the rows that are asked for: all at once may be large."""

    features: Float[Tensor, "n d"]
    centre: Float[Tensor, "d"]

    def of(self, rows: Int[Tensor, "p"]) -> Float[Tensor, "p d"]:
        return self.features[rows].float() - self.centre


class _Worth:
    """The worst, over the spaces, accuracy of the nearest mean of chosen images; a little of the mean in it.

    Means are centred by their own mean and compared by cosine, as the protocol nearest-mean does. The images that a
    choice is tried on are taken once, for all choices, and each space is centred by them, which changes no cosine.
    """

    def __init__(self, spaces: Sequence[Float[Tensor, "n _"]], labels: Int[Tensor, "n"], classes: int) -> None:
        rows = spread(labels, _SEEN)
        self._labels, self._classes, self._true = labels, classes, labels[rows]
        self._spaces = [_Centred(features, features[rows].float().mean(dim=0)) for features in spaces]
        self._seen = [space.of(rows) for space in self._spaces]

    def __call__(self, chosen: Int[Tensor, "p"]) -> float:
        found = []
        for space, seen in zip(self._spaces, self._seen, strict=True):
            means = self._means(space, chosen)
            centre = means.mean(dim=0)
            found.append(self._right(normalize(seen - centre) @ normalize(means - centre).T))
        return _worst(torch.stack(found)).item()

    def exchanged(self, chosen: Int[Tensor, "p"], place: int, candidates: Int[Tensor, "t"]) -> Float[Tensor, "t"]:
        """What the choice is worth with each of the candidates in one place, all of that place's class.

        Only one mean differs from one candidate to the next: inner products with the others are computed once, and
        those with the centre, the mean of the means, are means of them.
        """
        label, found = int(self._labels[chosen[place]]), []
        size = (self._labels[chosen] == label).sum()
        for space, seen in zip(self._spaces, self._seen, strict=True):
            means = self._means(space, chosen)
            new = means[label] + (space.of(candidates) - space.of(chosen[place : place + 1])) / size
            along, across = seen @ means.T, means @ means.T
            new_along, new_across, own = seen @ new.T, new @ means.T, new.square().sum(dim=1)
            right = []
            for k in range(len(candidates)):
                along[:, label] = new_along[:, k]
                across[label], across[:, label], across[label, label] = new_across[k], new_across[k], own[k]
                to_centre, centre = across.mean(dim=1), across.mean()
                length = (across.diagonal() - 2 * to_centre + centre).clamp(min=1e-12).sqrt()
                right.append(self._right((along - along.mean(dim=1, keepdim=True) - to_centre + centre) / length))
            found.append(torch.stack(right))
        return _worst(torch.stack(found))

    def _means(self, space: _Centred, chosen: Int[Tensor, "p"]) -> Float[Tensor, "c d"]:
        of, own = self._labels[chosen], space.of(chosen)
        counts = torch.bincount(of, minlength=self._classes)[:, None]
        return torch.zeros(self._classes, own.shape[1]).index_add_(0, of, own) / counts

    def _right(self, scores: Float[Tensor, "n c"]) -> Float[Tensor, ""]:
        return (scores.argmax(dim=1) == self._true).float().mean()


def _worst(accuracies: Float[Tensor, "spaces *t"]) -> Float[Tensor, "*t"]:
    return accuracies.amin(dim=0) + 1e-3 * accuracies.mean(dim=0)
