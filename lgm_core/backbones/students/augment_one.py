"""One operation per image: flip, colour, crop, rotate, translate or cutout, drawn uniformly from a list.

RCIG specification, section 4.5. Works on whitened values; geometry is kornia's, bilinear, and repeats the edge.
Legend: N images, K channels, R side.

>>> seen = augment_one(values, ("flip", "crop", "rotate"), random=generator("cpu", 0))
"""

import math
from collections.abc import Callable, Sequence

import torch
from jaxtyping import Float
from torch import Tensor

from lgm_core.base.names import require_known

ALL = ("flip", "color", "crop", "rotate", "translate", "cutout")
GREY = ("crop", "rotate", "translate", "cutout")


def augment_one(
    values: Float[Tensor, "n k r r"], operations: Sequence[str], *, random: torch.Generator
) -> Float[Tensor, "n k r r"]:
    """Each image through exactly one of the operations; `random` is a CPU generator."""
    for name in operations:
        require_known(name, _OPERATIONS, "augmentation")
    chosen = torch.randint(len(operations), (len(values),), generator=random).to(values.device)
    numbers = torch.rand(len(values), 4, generator=random).to(values)
    result = values.clone()
    for place, name in enumerate(operations):
        rows = (chosen == place).nonzero().flatten()
        if len(rows):
            result[rows] = _OPERATIONS[name](values[rows], numbers[rows])
    return result


def _flip(values: Tensor, numbers: Tensor) -> Tensor:
    return torch.where(_wide(numbers[:, 0] < 0.5), values.flip(-1), values)


def _colour(values: Tensor, numbers: Tensor) -> Tensor:
    """Brightness, then contrast about the image's mean, then saturation about each pixel's mean."""
    brightness, contrast, saturation = ((numbers[:, :3] - 0.5) / 2).unbind(1)
    values = values + _wide(brightness)
    mean = values.mean((1, 2, 3), keepdim=True)
    values = (values - mean) * _wide(contrast.exp()) + mean
    grey = values.mean(1, keepdim=True)
    return (values - grey) * _wide(saturation.exp()) + grey


def _crop(values: Tensor, numbers: Tensor) -> Tensor:
    """Zoom by a factor log-uniform in 0.8 .. 1.25 about a random place of the image."""
    from kornia.geometry.transform import scale

    factor = ((2 * numbers[:, 0] - 1) * math.log(1.25)).exp()
    centre = numbers[:, 1:3] * values.shape[-1] - 0.5
    return scale(values, factor, centre, padding_mode="border")


def _rotate(values: Tensor, numbers: Tensor) -> Tensor:
    from kornia.geometry.transform import rotate

    return rotate(values, 15 * (2 * numbers[:, 0] - 1), padding_mode="border")


def _translate(values: Tensor, numbers: Tensor) -> Tensor:
    from kornia.geometry.transform import translate

    return translate(values, (2 * numbers[:, :2] - 1) * (values.shape[-1] / 8), padding_mode="border")


def _cutout(values: Tensor, numbers: Tensor) -> Tensor:
    side = values.shape[-1]
    hole = max(side // 4, 1)
    corner = (numbers[:, :2] * (side - hole + 1)).long()
    axis = torch.arange(side, device=values.device)
    inside = (axis >= corner[..., None]) & (axis < corner[..., None] + hole)
    return values.masked_fill((inside[:, 0, :, None] & inside[:, 1, None, :])[:, None], 0)


def _wide(numbers: Tensor) -> Tensor:
    return numbers[:, None, None, None]


_OPERATIONS: dict[str, Callable[[Tensor, Tensor], Tensor]] = {
    "flip": _flip,
    "color": _colour,
    "crop": _crop,
    "rotate": _rotate,
    "translate": _translate,
    "cutout": _cutout,
}
