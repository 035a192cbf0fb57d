"""What the Watch page shows of a step of RCIG: loss traces, labels, the norms of both gradients.

>>> traces = Traces()
>>> traces.note(losses, residuals, direct, implicit)
>>> traces.details(learned)["inner"]
[0.0449, 0.0437, 0.0426]
"""

import math
from collections.abc import Sequence
from typing import Any, final

import torch
from torch import Tensor

from lgm_core.methods.rcig.inner_problem import Gradients
from lgm_core.methods.rcig.labelled import LabelledSet

MOST_ROWS, MOST_CLASSES = 100, 50  # a larger set shows the mean label of each of the first classes


@final
class Traces:
    """Collects the last step's loss traces and gradient norms, and reports them as plain values."""

    def __init__(self) -> None:
        self._found: dict[str, Any] = {}

    def note(self, inner: Sequence[float], solve: Sequence[float], direct: Gradients, implicit: Gradients) -> None:
        """Keep a step's losses and gradients: `implicit` before the clip; `solve` empty without the implicit term."""
        self._found = {
            "inner": [_short(value) for value in inner],
            "solve": [_short(value) for value in solve],
            "direct_norm": {name: _short(value.norm().item()) for name, value in direct.items()},
            "implicit_norm": {name: _short(value.norm().item()) for name, value in implicit.items()},
        }

    def details(self, learned: LabelledSet) -> dict[str, Any]:
        """Plain values for one line of JSON: the traces, the published labels, the temperature."""
        published = learned.published()
        rows, kind = label_rows(published.targets, learned.labels)
        return {
            **self._found,
            "labels": [[_short(value) for value in row] for row in rows.tolist()],
            "label_rows": kind,
            "temperature": _short(published.log_temperature.exp().item()),
        }


def label_rows(targets: Tensor, labels: Tensor) -> tuple[Tensor, str]:
    """The part of a label matrix that is small enough to show, and whether its rows are "images" or "classes"."""
    if len(targets) <= MOST_ROWS and targets.shape[1] <= MOST_CLASSES:
        return targets, "images"
    classes = min(targets.shape[1], MOST_CLASSES)
    return torch.stack([targets[labels == label].mean(0)[:classes] for label in range(classes)]), "classes"


def share_of_implicit(direct: Gradients, implicit: Gradients) -> float:
    """Length of the images' implicit gradient before the clip, as a share of both lengths; clipped above 1 / 2."""
    one, other = direct["pixels"].norm().item(), implicit["pixels"].norm().item()
    return other / (one + other) if 0 < one + other < math.inf else 0.0


def _short(value: float) -> float | None:
    """Five digits; None for NaN and infinities, which JSON does not have."""
    return float(f"{value:.5g}") if math.isfinite(value) else None
