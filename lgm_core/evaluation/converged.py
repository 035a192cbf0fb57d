"""The protocol "converged": a regularised linear head at its optimum, so that no length of training is chosen.

Cross-entropy over the views of the judged set, all classes alike, plus STRENGTH / 2 times the squared weights, by
L-BFGS. Features lie around the set's mean, and their mean squared length is 1, so that one strength suits every
backbone. It was chosen on training images alone (docs/log.md), and is no setting: no accuracy depends on a choice that
was made on test images.
Legend: N images, V views, D features, C classes, B test images.

>>> held_out(bench, key.network).report(ConvergedHead(seen, classes=10).scores)["top1"]
0.868
"""

from collections.abc import Callable
from itertools import count
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn.functional import cross_entropy

from lgm_core.backbones.abstract_bench import Bench
from lgm_core.base.settings import SharedConfig
from lgm_core.evaluation.judge import Judged
from lgm_core.evaluation.protocol import Key
from lgm_core.evaluation.seen import Seen, counts, held_out, views_of

STRENGTH = 1e-2
_MOST_STEPS = 500
_FLAT = 1e-4  # largest entry of the gradient at which the optimum is reached; weights are about 1


class ConvergedHead:
    """The head that is best for a set."""

    def __init__(
        self,
        seen: Seen,
        *,
        classes: int,
        strength: float = STRENGTH,
        progress: Callable[[int, int], None] = lambda done, total: None,
    ) -> None:
        self._seen, self._strength, self._progress = seen, strength, progress
        device, (_, views, width) = seen.labels.device, seen.features.shape
        self._centre = seen.mean()
        squared = sum(self._around(part).square().sum() for part, _ in seen.parts())
        self._scale = (len(seen.labels) * views / torch.as_tensor(squared)).sqrt()
        sizes = torch.bincount(seen.labels, minlength=classes)
        self._absent = sizes == 0
        self._weights = 1 / (sizes.clamp(min=1) * views * (sizes > 0).sum())  # of a view of each class; they sum to 1
        self._weight = torch.zeros(classes, width, device=device)
        self._bias = torch.zeros(classes, device=device)
        self._solve()

    def scores(self, features: Float[Tensor, "b d"]) -> Float[Tensor, "b c"]:
        """Logits; -inf for a class of which the set has no image."""
        logits = (features - self._centre) * self._scale @ self._weight.T + self._bias
        return logits.masked_fill(self._absent, -torch.inf)

    def margins(self) -> tuple[Float[Tensor, "c d"], Float[Tensor, "c"]]:
        """Weights and constants of each class's logit less the mean of all logits, for features as they are."""
        weight = self._scale * (self._weight - self._weight.mean(dim=0))
        return weight, self._bias - self._bias.mean() - weight @ self._centre

    def _around(self, part: Float[Tensor, "b v d"]) -> Float[Tensor, "b v d"]:
        return part.to(self._centre.device).float() - self._centre

    def _solve(self) -> None:
        """Minimise squared weights / 2 + cross-entropy / strength: its gradient is about as large as the weights."""
        known = [self._weight.requires_grad_(), self._bias.requires_grad_()]
        solver = torch.optim.LBFGS(
            known, max_iter=_MOST_STEPS, max_eval=2 * _MOST_STEPS, tolerance_grad=_FLAT, tolerance_change=0,
            history_size=20, line_search_fn="strong_wolfe",
        )  # fmt: skip
        looks = count(1)

        def loss() -> Tensor:
            solver.zero_grad()
            total = self._weight.square().sum() / 2
            total.backward()
            for part, own in self._seen.parts():
                logits = self._around(part) * self._scale @ self._weight.T + self._bias
                labels = own[:, None].expand(logits.shape[:2]).flatten()
                wrong = cross_entropy(logits.flatten(0, 1), labels, reduction="none")
                one = (wrong * self._weights[labels]).sum() / self._strength
                one.backward()
                total = total.detach() + one.detach()
            self._progress(min(next(looks), _MOST_STEPS), _MOST_STEPS)
            return total

        solver.step(loss)
        self._weight, self._bias = self._weight.detach(), self._bias.detach()


def judge(bench: Bench, config: SharedConfig, judged: Judged, key: Key) -> dict[str, Any]:
    """Accuracies of the head that is best for views of the judged images, or of all training images."""
    seen, test = views_of(bench, config, judged, key.network), held_out(bench, key.network)
    name = f"judging in {key.network}: head"
    head = ConvergedHead(seen, classes=bench.classes, progress=lambda done, total: bench.phase(name, done, total))
    return counts(seen, test) | test.report(head.scores)
