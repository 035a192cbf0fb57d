"""The protocol "1-nn": a test image has the class of the judged image that is the most alike, by cosine.

Images are seen whole, and compared around the judged set's own mean. Exact: nothing is trained.
Legend: N images, D features, C classes, B test images.

>>> held_out(bench, key.network).report(NearestImage(seen, classes=10).scores)["top1"]
0.804
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
from lgm_core.evaluation.seen import Seen, clean_of, counts, held_out


class NearestImage:
    """The images of a set, by class, around the set's mean."""

    def __init__(self, seen: Seen, *, classes: int) -> None:
        self._seen, self._classes, self._centre = seen, classes, seen.mean()

    def scores(self, features: Float[Tensor, "b d"]) -> Float[Tensor, "b c"]:
        """Cosine to the nearest image of each class, in [-1, 1]; -inf for a class of which the set has no image."""
        asked = normalize(features - self._centre)
        best = torch.full((len(features), self._classes), -torch.inf, device=features.device)
        for part, own in self._seen.parts():
            alike = asked @ normalize(part[:, 0].to(features.device).float() - self._centre).T
            best.scatter_reduce_(1, own.expand(len(features), -1), alike, "amax")
        return best


def judge(bench: Bench, config: SharedConfig, judged: Judged, key: Key) -> dict[str, Any]:
    """Accuracies of the nearest of the judged images, or of all training images."""
    seen, test = clean_of(bench, judged, key.network), held_out(bench, key.network)
    return counts(seen, test) | test.report(NearestImage(seen, classes=bench.classes).scores)
