"""The tangent of a plain chain of layers, with all that depends on the images alone computed once.

Forward-mode autograd recomputes the network at every product; twenty products at fixed parameters need it once. Of
each convolution's two halves, J_x dx and x * dW, one convolution is made by stacking channels.
Legend: N images, C classes, P parameters of the body.

>>> Chain(student, body, head_weight, images).times(displacement).shape
torch.Size([20, 10])
"""

from typing import final

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn.functional import conv2d, linear

from lgm_core.backbones.students import Activation, Student
from lgm_core.distillers.parameters import named

_PLAIN = (nn.Conv2d, Activation, nn.AvgPool2d, nn.Flatten)


def is_chain(body: nn.Sequential) -> bool:
    """Is the body made of convolutions, activations and average pooling alone?"""
    return all(isinstance(layer, _PLAIN) for layer in body) and isinstance(body[0], nn.Conv2d)


@final
class Chain:
    """J times a displacement, for many displacements."""

    @torch.no_grad()
    def __init__(
        self,
        student: Student,
        body: Float[Tensor, "p"],
        head_weight: Float[Tensor, "c d"],
        images: Float[Tensor, "n k r r"],
    ) -> None:
        self._student, self._head_weight = student, head_weight
        self._values = named(student, body)
        self._first_input = images
        self._known: dict[int, Tensor] = {}  # a convolution's inputs, an activation's slopes
        x = images
        for place, layer in enumerate(student.body):
            if isinstance(layer, nn.Conv2d):
                self._known[place] = x
                weight, bias = self._values[f"body.{place}.weight"], self._values[f"body.{place}.bias"]
                x = conv2d(x, weight, bias, layer.stride, layer.padding)
                continue
            if isinstance(layer, Activation):
                self._known[place] = layer.slope(x)
            x = layer(x)

    @torch.no_grad()
    def times(self, displacement: Float[Tensor, "p"]) -> Float[Tensor, "n c"]:
        """J displacement."""
        moved = named(self._student, displacement)
        tangent = self._first_input.new_zeros(())  # the images themselves do not move
        for place, layer in enumerate(self._student.body):
            if isinstance(layer, nn.Conv2d):
                weight, bias = moved[f"body.{place}.weight"], moved[f"body.{place}.bias"]
                inputs = self._known[place]
                if place:
                    inputs = torch.cat([inputs, tangent], dim=1)
                    weight = torch.cat([weight, self._values[f"body.{place}.weight"]], dim=1)
                tangent = conv2d(inputs, weight, bias, layer.stride, layer.padding)
            elif isinstance(layer, Activation):
                tangent = tangent * self._known[place]
            else:
                tangent = layer(tangent)  # pooling and flattening are linear
        return linear(tangent, self._head_weight, moved["head.bias"])
