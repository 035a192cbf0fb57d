"""Training images by their loss after an expert's first epoch, mean over the experts: the hardest first.

MKDT specification, section 3: over the whole training set, no balance of classes, labels never used. The ranking does
not depend on how many images are taken, so that a smaller set is the beginning of a larger one.
Legend: N images, P parameters.

>>> hardest(losses)[:1000]  # the 2 % set; [:2500], the 5 % set, begins with it
"""

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor
from torch.func import functional_call

from lgm_core.backbones.students.networks import Student
from lgm_core.backbones.students.parameters import named
from lgm_core.methods.mkdt.experts import Rows
from lgm_core.methods.mkdt.sealed_arrays import is_whole, save_sealed

_BATCH = 500


def hardest(losses: Sequence[Float[Tensor, "n"]]) -> Int[Tensor, "n"]:
    """All rows, by the mean loss, highest first; equal ones in the order of the set."""
    return torch.stack(list(losses)).double().mean(dim=0).argsort(descending=True, stable=True)


@torch.no_grad()
def image_losses(
    student: Student, flat: Float[Tensor, "p"], images: Rows, targets: Rows, count: int
) -> Float[Tensor, "n"]:
    """Squared error of each image, mean over the entries of its target, on the CPU."""
    parameters, found = named(student, flat), []
    for rows in torch.arange(count).split(_BATCH):
        outputs = functional_call(student, parameters, (images(rows),))
        found.append((outputs - targets(rows)).square().mean(dim=1).cpu())
    return torch.cat(found)


def kept_losses(
    path: Path, make: Callable[[], Float[Tensor, "n"]], *, count: int, note: Callable[[str], object]
) -> Float[Tensor, "n"]:
    """Those of `count` images in a file; made first where it is not there or, as `note` is told, damaged."""
    if not is_whole(path, shape=(count,), note=note):
        save_sealed(path, make().numpy())
    return torch.from_numpy(np.load(path))
