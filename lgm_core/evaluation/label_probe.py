"""A linear head on few labelled features, by L-BFGS: as the published program has it, or robust.

MKDT specification, section 5: cross-entropy plus 1e-3 times the squared weights, 20 times 20 iterations on all labels.
Legend: N labelled images, D features, C classes, T test images.

>>> best_classes(head_on(features, labels, classes=10, kind="reference"), test_features).shape
torch.Size([10000, 5])
"""

from collections.abc import Callable

import torch
from jaxtyping import Float, Int
from torch import Tensor
from torch.nn.functional import cross_entropy

from lgm_core.base.errors import Unmeasured

_STRENGTH, _TURNS, _TURN = 1e-3, 20, 20

Scores = Callable[[Float[Tensor, "t d"]], Float[Tensor, "t c"]]


def head_on(features: Float[Tensor, "n d"], labels: Int[Tensor, "n"], *, classes: int, kind: str) -> Scores:
    """Scores of new features. `kind` "reference": torch's defaults; "robust": standardised features, a line search.

    Raises `Unmeasured` where it diverges.
    """
    mean, std = torch.zeros_like(features[0]), torch.ones_like(features[0])
    if kind == "robust":
        mean, std = features.mean(dim=0), features.std(dim=0, correction=0).clamp(min=1e-6)
    inputs = (features - mean) / std
    weight = torch.zeros(classes, features.shape[1], device=features.device, requires_grad=True)
    bias = torch.zeros(classes, device=features.device, requires_grad=True)
    search = "strong_wolfe" if kind == "robust" else None
    solver = torch.optim.LBFGS([weight, bias], max_iter=_TURN, history_size=100, line_search_fn=search)

    def loss() -> Tensor:
        solver.zero_grad()
        value = cross_entropy(inputs @ weight.T + bias, labels) + _STRENGTH * weight.square().sum()
        value.backward()
        return value

    for turn in range(_TURNS):
        value = solver.step(loss)
        if not torch.as_tensor(value).isfinite() or not weight.isfinite().all():
            raise Unmeasured(
                f"the linear probe diverged in turn {turn + 1} of {_TURNS} on {len(labels)} labelled images; take "
                "pretrain.probe robust"
            )
    return lambda seen: ((seen - mean) / std) @ weight.detach().T + bias.detach()


def best_classes(scores: Scores, features: Float[Tensor, "t d"]) -> Int[Tensor, "t k"]:
    """The likeliest classes (five, or all there are), likeliest first. Raises `Unmeasured` for a constant predictor."""
    found = scores(features)
    best = found.topk(min(5, found.shape[1]), dim=1).indices
    if found.shape[1] > 1 and len(best) > 1 and best[:, 0].unique().numel() == 1:
        raise Unmeasured(
            "the linear probe says the same class of every test image, which is no measure of the features; give it "
            "more labels (label_fraction, labels_per_class), or take pretrain.probe robust"
        )
    return best
