"""How much of a linear head's gradient the class means explain, from a head of zeros to one that is sure of itself.

At zeros they explain all of it, which is why matching means is matching gradients there; the surer a head, the more of
its gradient comes from the images at its border. Of many images `MOST` are looked at, spread over the classes.
Legend: N rows, C classes, D features.

>>> explained(features, labels, classes=10)[0]
{'logits': 0.1, 'share': 0.998}
"""

import torch
from jaxtyping import Float, Int
from torch import Tensor
from torch.nn.functional import one_hot

from lgm_core.base.interfaces import generator
from lgm_core.datasets.spread import spread

LOGITS = (0.1, 0.3, 1.0, 3.0, 10.0, 30.0, 100.0)  # standard deviations of a head's outputs over the images
MOST = 20_000  # rows: the outputs of all of a million for a thousand classes would be 5 GB, many times over
_HEADS = 5  # random ones, over which the share is the mean


def explained(features: Float[Tensor, "n d"], labels: Int[Tensor, "n"], *, classes: int) -> list[dict[str, float]]:
    """For random heads with outputs of each size: squared cosine between the gradient of all rows, and that of their
    class means in place of them, each as often as it has rows; 1: the means explain all of it, 0: nothing.
    """
    rows = spread(labels, MOST)
    features, labels = features[rows].float(), labels[rows]
    counts = torch.bincount(labels, minlength=classes).float()
    means = torch.zeros(classes, features.shape[1]).index_add_(0, labels, features) / counts.clamp_min(1)[:, None]
    own, share = torch.arange(classes), counts / counts.sum()
    each = torch.full((len(features),), 1 / len(features))
    found = []
    for size in LOGITS:
        shares = []
        for number in range(_HEADS):
            head = torch.randn(classes, features.shape[1], generator=generator("cpu", number, 0x6D6F6D))
            outputs = features @ head.T
            head = head * size / outputs.std(dim=0, keepdim=True).T.clamp_min(1e-12)
            whole = _gradient(features, labels, head, each)
            shares.append(_squared_cosine(whole, _gradient(means, own, head, share)))
        found.append({"logits": size, "share": round(sum(shares) / _HEADS, 4)})
    return found


def _gradient(
    features: Float[Tensor, "n d"], labels: Int[Tensor, "n"], head: Float[Tensor, "c d"], weights: Float[Tensor, "n"]
) -> Float[Tensor, "c d"]:
    """Of the weighted cross-entropy in the weights of a head, in closed form."""
    error = (features @ head.T).softmax(dim=1) - one_hot(labels, len(head))
    return (error * weights[:, None]).T @ features


def _squared_cosine(one: Tensor, other: Tensor) -> float:
    lengths = (one.square().sum() * other.square().sum()).clamp_min(1e-30)
    return float((one * other).sum().square() / lengths)
