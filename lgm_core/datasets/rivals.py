"""Real images chosen because they do best, in one backbone or in several: what distilled images have to beat.

Both choices look at the labels of all training images, and at no test image. Legend: N images, D features, P picks.

>>> choose_greedy([features, other_features], labels, classes=10, per_class=1, seed=0)  # [10] indices, class-major
"""

from collections.abc import Callable, Sequence

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
        for candidate in torch.cat((near, far)).unique().tolist():
            if candidate in chosen:
                continue
            other = chosen.clone()
            other[place] = candidate
            if (worth := worth_of(other)) > best:
                chosen, best = other, worth
    return chosen


def joined_space(spaces: Sequence[Float[Tensor, "n _"]]) -> Float[Tensor, "n e"]:
    """Features of several backbones beside each other, each of length 1; those of a single one as they are."""
    if len(spaces) == 1:
        return spaces[0].float()
    return torch.cat([normalize(features.float()) for features in spaces], dim=1)


class _Worth:
    """The worst, over the spaces, accuracy of the nearest mean of chosen images; a little of the mean in it.

    Means are centred by their own mean and compared by cosine, as the protocol nearest-mean does. The images that a
    choice is tried on are taken once, for all choices.
    """

    def __init__(self, spaces: Sequence[Float[Tensor, "n _"]], labels: Int[Tensor, "n"], classes: int) -> None:
        rows = spread(labels, _SEEN)
        self._spaces, self._labels, self._classes = spaces, labels, classes
        self._seen, self._true = [features[rows].float() for features in spaces], labels[rows]

    def __call__(self, chosen: Int[Tensor, "p"]) -> float:
        of, found = self._labels[chosen], []
        counts = torch.bincount(of, minlength=self._classes)[:, None]
        for features, seen in zip(self._spaces, self._seen, strict=True):
            own = features[chosen].float()
            means = torch.zeros(self._classes, own.shape[1]).index_add_(0, of, own) / counts
            centre = means.mean(dim=0)
            scores = normalize(seen - centre) @ normalize(means - centre).T
            found.append((scores.argmax(dim=1) == self._true).float().mean().item())
        return min(found) + 1e-3 * sum(found) / len(found)
