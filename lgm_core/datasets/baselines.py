"""Some ways of choosing real images instead of learning synthetic ones: indices out, nothing stored.

LGM specification, section 9. Legend: N real images, P picks per class, M synthetic images, D features.

>>> choose_random(labels, classes=10, per_class=1, seed=0)  # [10] indices, class-major
"""

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor
from torch.nn.functional import normalize

from lgm_core.base.errors import UserError
from lgm_core.base.interfaces import generator
from lgm_core.base.regular_files import require_regular


def choose_random(labels: Int[Tensor, "n"], *, classes: int, per_class: int, seed: int) -> Int[Tensor, "p"]:
    """The first `per_class` images of each class in a shuffled pass."""
    order = torch.randperm(len(labels), generator=generator("cpu", seed, 0x72616E64))
    order = order[labels[order].argsort(stable=True)]  # sorted once: there may be a thousand classes
    members = order.split(torch.bincount(labels, minlength=classes).tolist())
    return torch.cat([members[label][:per_class] for label in _with_enough(labels, classes, per_class)])


def choose_centroids(
    features: Float[Tensor, "n d"], labels: Int[Tensor, "n"], *, classes: int, per_class: int
) -> Int[Tensor, "p"]:
    """The images whose features are nearest (Euclidean) to their class mean."""
    return _class_by_class(_nearest_to_mean, features, labels, classes, per_class)


def choose_neighbours(
    synthetic: Float[Tensor, "m d"],
    synthetic_labels: Int[Tensor, "m"],
    features: Float[Tensor, "n d"],
    labels: Int[Tensor, "n"],
) -> Int[Tensor, "m"]:
    """For each synthetic image, the real image of its class with the highest cosine similarity.

    Two synthetic images may have the same neighbour: it is then taken twice, as in the paper's code.
    """
    chosen: list[int] = []
    for feature, label in zip(synthetic.float(), synthetic_labels.tolist(), strict=True):
        members = (labels == label).nonzero().flatten()
        similarity = normalize(features[members].float()) @ normalize(feature, dim=0)
        chosen.append(int(members[similarity.argmax()]))
    return torch.tensor(chosen)


def choose_herding(
    features: Float[Tensor, "n d"], labels: Int[Tensor, "n"], *, classes: int, per_class: int
) -> Int[Tensor, "p"]:
    """One after another, so that the mean of those chosen stays nearest to the class mean (Welling, ICML 2009)."""
    return _class_by_class(_herded, features, labels, classes, per_class)


def choose_k_centres(
    features: Float[Tensor, "n d"], labels: Int[Tensor, "n"], *, classes: int, per_class: int
) -> Int[Tensor, "p"]:
    """The image nearest to its class mean, then always the one farthest from those chosen (Sener, ICLR 2018)."""
    return _class_by_class(_far_apart, features, labels, classes, per_class)


def _class_by_class(
    pick: Callable[[Tensor, int], list[int]],
    features: Float[Tensor, "n d"],
    labels: Int[Tensor, "n"],
    classes: int,
    per_class: int,
) -> Int[Tensor, "p"]:
    """What `pick(features of a class, how many)` takes of each class, as indices into all images."""
    chosen = []
    for label in _with_enough(labels, classes, per_class):
        members = (labels == label).nonzero().flatten()
        chosen.append(members[pick(features[members].float(), per_class)])
    return torch.cat(chosen)


def _nearest_to_mean(own: Float[Tensor, "n d"], count: int) -> list[int]:
    return (own - own.mean(dim=0)).norm(dim=1).argsort(stable=True)[:count].tolist()


def _herded(own: Float[Tensor, "n d"], count: int) -> list[int]:
    taken, total = list[int](), torch.zeros(own.shape[1])
    for place in range(1, count + 1):
        distance = ((total + own) / place - own.mean(dim=0)).norm(dim=1)
        distance[taken] = torch.inf
        taken.append(int(distance.argmin()))
        total = total + own[taken[-1]]
    return taken


def _far_apart(own: Float[Tensor, "n d"], count: int) -> list[int]:
    taken = _nearest_to_mean(own, 1)
    nearest = (own - own[taken[0]]).norm(dim=1)
    while len(taken) < count:
        taken.append(int(nearest.argmax()))
        nearest = torch.minimum(nearest, (own - own[taken[-1]]).norm(dim=1))
    return taken


def read_indices(path: Path, count: int) -> Int[Tensor, "p"]:
    """Numbers of training images, counted from 0, in the file's order: .npy, .json (a list), or a text of numbers.

    Raises `UserError` where it cannot be read, or has a number that is not one of `count` images.
    """
    path = path.expanduser()
    require_regular(path)
    try:
        if path.suffix == ".npy":
            rows = np.load(path, allow_pickle=False).ravel()
        else:
            text = path.read_text("utf-8")
            rows = np.array(json.loads(text) if path.suffix == ".json" else [int(word) for word in text.split()])
        if rows.ndim != 1 or (len(rows) and rows.dtype.kind not in "iu"):
            raise ValueError("it holds no list of whole numbers")
        found = torch.from_numpy(rows.astype(np.int64))
    except (OSError, ValueError, TypeError, EOFError, OverflowError, RecursionError) as error:
        raise UserError(
            f"{path} cannot be read as numbers of images ({error}); wanted: .npy, .json (a list) or text; write a "
            "pickle of the authors as one of these first: it may hold programs"
        ) from error
    if not len(found) or found.min() < 0 or found.max() >= count or len(found.unique()) < len(found):
        raise UserError(f"{path} should hold different numbers from 0 to {count - 1}, at least one")
    return found


def _with_enough(labels: Int[Tensor, "n"], classes: int, per_class: int) -> range:
    counts = torch.bincount(labels, minlength=classes)
    if int(counts.min()) < per_class:
        poor = int(counts.argmin())
        raise UserError(
            f"{per_class} images per class were asked for, but class {poor} has {int(counts[poor])} training images; "
            "lower --images-per-class"
        )
    return range(classes)
