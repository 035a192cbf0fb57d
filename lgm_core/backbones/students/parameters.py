"""A student's parameters as one flat vector, in a fixed order: the body's, the head's bias, and last the head's weight.

>>> vector = flatten(student)
>>> named(student, vector)["head.bias"].shape
torch.Size([10])
"""

from collections.abc import Mapping

import torch
from jaxtyping import Float
from torch import Tensor

from lgm_core.backbones.students.networks import Student


def layout(student: Student) -> list[tuple[str, torch.Size]]:
    """Names and shapes of all parameters in the order of the flat vector: the head's weight last."""
    named_all = {name: value.shape for name, value in student.named_parameters()}
    last = named_all.pop("head.weight")
    return [*named_all.items(), ("head.weight", last)]


def named(student: Student, flat: Float[Tensor, "p"]) -> dict[str, Tensor]:
    """Views of a flat vector by parameter name; the head's weight is left out where the vector ends before it."""
    found, place = {}, 0
    for name, shape in layout(student):
        count = shape.numel()
        if place + count <= flat.numel():
            found[name] = flat[place : place + count].view(shape)
        place += count
    return found


def flatten(student: Student) -> Float[Tensor, "q"]:
    """All parameters as one vector, a copy."""
    own = dict(student.named_parameters())
    return torch.cat([own[name].detach().flatten() for name, _ in layout(student)])


def stacked(student: Student, values: Mapping[str, Tensor]) -> Float[Tensor, "p"]:
    """What `named` took apart, as one vector again; the head's weight may be left out."""
    return torch.cat([values[name].flatten() for name, _ in layout(student) if name in values])
