"""The protocol "nearest-mean": a test image has the class whose mean feature is the most alike, by cosine.

The means are those of the judged set's views, and what is compared lies around the set's own mean, so that no real
label is used. Exact: nothing is trained, and the same set has the same accuracy each time.
Legend: N images, V views, D features, C classes, B test images.

>>> means = ClassMeans(seen, classes=10)
>>> held_out(bench, key.network).report(means.scores)["top1"]
0.872
"""

from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn.functional import normalize

from lgm_core.backbones.abstract_bench import Bench
from lgm_core.base.settings import SharedConfig
from lgm_core.evaluation.judge import Judged
from lgm_core.evaluation.protocol import Key
from lgm_core.evaluation.seen import Seen, counts, held_out, views_of


class ClassMeans:
    """The mean of each class of a set, around the set's mean."""

    def __init__(self, seen: Seen, *, classes: int) -> None:
        device, (_, views, width) = seen.labels.device, seen.features.shape
        sums = torch.zeros(classes, width, dtype=torch.float64, device=device)
        for part, own in seen.parts():
            sums.index_add_(0, own, part.to(device).double().sum(dim=1))
        sizes = torch.bincount(seen.labels, minlength=classes)
        self._centre = seen.mean()
        self._means = normalize((sums / (sizes * views).clamp(min=1)[:, None]).float() - self._centre)
        self._absent = sizes == 0

    def scores(self, features: Float[Tensor, "b d"]) -> Float[Tensor, "b c"]:
        """Cosine to each class's mean, in [-1, 1]; -inf for a class of which the set has no image."""
        return (normalize(features - self._centre) @ self._means.T).masked_fill(self._absent, -torch.inf)


def judge(bench: Bench, config: SharedConfig, judged: Judged, key: Key) -> dict[str, Any]:
    """Accuracies of the nearest class mean of the judged images, or of all training images."""
    seen, test = views_of(bench, config, judged, key.network), held_out(bench, key.network)
    return counts(seen, test) | test.report(ClassMeans(seen, classes=bench.classes).scores)
