"""How well a backbone's features tell the classes of real images apart, from its banks of centre crops.

Three judges of the test images, all trained on the training images: the regularised linear head at its optimum (the
full-data probe), the nearest class mean, and k-NN. Legend: N training and T test images, D features, C classes.

>>> real = open_real(bench, "mobilenet_v3_small")
>>> {name: report["top1"] for name, report in accuracies(real, k=20).items()}
{'probe': 0.962, 'nearest mean': 0.944, 'k-NN': 0.955}
"""

from dataclasses import dataclass, replace
from typing import Any

import torch
from jaxtyping import Float, Int
from torch import Tensor

from lgm_core.analysis.neighbours import nearest
from lgm_core.backbones.abstract_bench import Bench
from lgm_core.evaluation.converged import ConvergedHead
from lgm_core.evaluation.nearest_mean import ClassMeans
from lgm_core.evaluation.seen import HeldOut, Seen, held_out

_TEMPERATURE = 0.07


@dataclass(frozen=True)
class Real:
    """Training and test images as a backbone sees them: a centre crop of each."""

    train: Seen
    test: HeldOut

    def part(self, columns: slice) -> "Real":
        """The same images in some of the features."""
        train = replace(self.train, features=self.train.features[:, :, columns].contiguous())
        return Real(train, replace(self.test, features=self.test.features[:, columns].contiguous()))


def open_real(bench: Bench, name: str) -> Real:
    """The banks of a backbone's centre crops, computed where they are not there yet."""
    bank = bench.clean_bank(bench.train, bench.backbone(name))
    return Real(Seen(bank.features, bank.labels.to(bench.compute.device)), held_out(bench, name))


def accuracies(real: Real, *, k: int) -> dict[str, dict[str, Any]]:
    """A report for each of the three judges, as `probe.score_best` makes it: in [0, 1], and worst group."""
    classes = real.test.classes
    head = ConvergedHead(real.train, classes=classes)
    means = ClassMeans(real.train, classes=classes)
    near = _Neighbours(real.train, classes=classes, k=k)
    judges = {"probe": head.scores, "nearest mean": means.scores, "k-NN": near.scores}
    return {name: real.test.report(scores) for name, scores in judges.items()}


class _Neighbours:
    """k-NN by cosine, votes weighted by e to the similarity over 0.07: as in DINO, arXiv 2104.14294."""

    def __init__(self, train: Seen, *, classes: int, k: int) -> None:
        self._features, self._labels = train.features[:, 0], train.labels
        self._classes, self._k = classes, k

    def scores(self, features: Float[Tensor, "t d"]) -> Float[Tensor, "t c"]:
        places, similarity = nearest(features, self._features, k=self._k)
        votes = torch.zeros(len(features), self._classes, device=features.device)
        labels: Int[Tensor, "t k"] = self._labels[places]
        return votes.scatter_add_(1, labels, ((similarity - 1) / _TEMPERATURE).exp())
