"""The tangent of a plain chain of layers and its transpose, with all that depends on the images computed once.

Automatic differentiation goes through the network again at every product; forty products at fixed parameters need that
once. Each link keeps what its derivative needs, and makes of a convolution's two halves, J_x dx and x * dW, one
convolution by stacking channels. Legend: N images, D features, C classes, P parameters of the body.

>>> chain = Chain(student, body, buffers, head_weight, images)
>>> chain.times(displacement).shape, chain.transposed(outputs).shape
(torch.Size([20, 10]), torch.Size([93258]))
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from functools import cache
from typing import Any, final

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn.functional import avg_pool2d, conv2d, interpolate, linear, pad
from torch.nn.grad import conv2d_input, conv2d_weight

from lgm_core.backbones.students.networks import Activation, Student
from lgm_core.backbones.students.parameters import named, stacked

Values = Mapping[str, Tensor]  # parameters, buffers or displacements by name


def is_chain(body: nn.Sequential) -> bool:
    """Is the body made of convolutions, batch norms, activations and average pooling alone?"""
    return all(type(layer) in _LINKS for layer in body) and isinstance(body[0], nn.Conv2d)


@final
class Chain:
    """Computes J times a displacement and J' times outputs, many times over, at fixed parameters and images."""

    @torch.no_grad()
    def __init__(
        self,
        student: Student,
        body: Float[Tensor, "p"],
        buffers: Values,
        head_weight: Float[Tensor, "c d"],
        images: Float[Tensor, "n k r r"],
    ) -> None:
        self._student, self._head_weight = student, head_weight
        values = named(student, body) | dict(buffers)
        if images.device.type == "cpu":  # CPU convolutions are quicker in this layout
            images = images.contiguous(memory_format=torch.channels_last)
            values = {name: _channels_last(value) for name, value in values.items()}
        self._links: list[_Link] = []
        for place, layer in enumerate(student.body):
            link = _LINKS[type(layer)](layer, f"body.{place}", values, images)
            images = link.value
            del link.value
            self._links.append(link)
        self.features = images

    @torch.no_grad()
    def times(self, displacement: Float[Tensor, "p"]) -> Float[Tensor, "n c"]:
        """J displacement."""
        moved = named(self._student, displacement)
        tangent: Tensor | None = None  # the images themselves do not move
        for link in self._links:
            tangent = link.times(moved, tangent)
        assert tangent is not None
        return linear(tangent, self._head_weight, moved["head.bias"])

    @torch.no_grad()
    def transposed(self, outputs: Float[Tensor, "n c"]) -> Float[Tensor, "p"]:
        """J' outputs."""
        found = {"head.bias": outputs.sum(0)}
        back: Tensor | None = outputs @ self._head_weight
        for link in reversed(self._links):
            assert back is not None
            back = link.transposed(back, found)
        return stacked(self._student, found)


class _Link(ABC):
    """One layer at its input `x`; `value` is what it makes of it."""

    value: Tensor

    @abstractmethod
    def times(self, moved: Values, tangent: Tensor | None) -> Tensor:
        """The output's tangent from the input's (None: 0) and from that of the parameters."""

    @abstractmethod
    def transposed(self, back: Tensor, found: dict[str, Tensor]) -> Tensor | None:
        """The input's gradient from the output's, None at the first layer; those of the parameters go into `found`."""


@final
class _Convolution(_Link):
    def __init__(self, layer: nn.Conv2d, name: str, values: Values, x: Tensor) -> None:
        self._x, self._name, self._first = x, name, name == "body.0"
        self._weight = values[f"{name}.weight"]
        self._how: dict[str, Any] = {"stride": layer.stride, "padding": layer.padding}
        self.value = conv2d(x, self._weight, values[f"{name}.bias"], **self._how)

    def times(self, moved: Values, tangent: Tensor | None) -> Tensor:
        x, weight = self._x, moved[f"{self._name}.weight"]
        if tangent is not None:
            x, weight = torch.cat([x, tangent], dim=1), torch.cat([weight, self._weight], dim=1)
        return conv2d(x, weight, moved[f"{self._name}.bias"], **self._how)

    def transposed(self, back: Tensor, found: dict[str, Tensor]) -> Tensor | None:
        found[f"{self._name}.bias"] = back.sum((0, 2, 3))
        found[f"{self._name}.weight"] = conv2d_weight(self._x, list(self._weight.shape), back, **self._how)
        return None if self._first else conv2d_input(list(self._x.shape), self._weight, back, **self._how)


@final
class _BatchNorm(_Link):
    """Batch norm with its running statistics fixed, as in every linearised network."""

    def __init__(self, layer: nn.BatchNorm2d, name: str, values: Values, x: Tensor) -> None:
        mean, variance = values[f"{name}.running_mean"], values[f"{name}.running_var"]
        inverse = (variance + layer.eps).rsqrt()
        self._name = name
        self._normal = (x - mean[:, None, None]) * inverse[:, None, None]
        self._factor = (values[f"{name}.weight"] * inverse)[:, None, None]
        self.value = self._normal * values[f"{name}.weight"][:, None, None] + values[f"{name}.bias"][:, None, None]

    def times(self, moved: Values, tangent: Tensor | None) -> Tensor:
        own = self._normal * moved[f"{self._name}.weight"][:, None, None] + moved[f"{self._name}.bias"][:, None, None]
        return own if tangent is None else own + tangent * self._factor

    def transposed(self, back: Tensor, found: dict[str, Tensor]) -> Tensor | None:
        found[f"{self._name}.bias"] = back.sum((0, 2, 3))
        found[f"{self._name}.weight"] = (back * self._normal).sum((0, 2, 3))
        return back * self._factor


@final
class _Slope(_Link):
    def __init__(self, layer: Activation, name: str, values: Values, x: Tensor) -> None:
        self._slope, self.value = layer.slope(x), layer(x)

    def times(self, moved: Values, tangent: Tensor | None) -> Tensor:
        assert tangent is not None
        return tangent * self._slope

    def transposed(self, back: Tensor, found: dict[str, Tensor]) -> Tensor | None:
        return back * self._slope


@final
class _Pooling(_Link):
    def __init__(self, layer: nn.AvgPool2d, name: str, values: Values, x: Tensor) -> None:
        self._layer, self._shape, self.value = layer, x.shape, layer(x)
        if layer.kernel_size != 2 or layer.stride != 2 or layer.padding:
            raise NotImplementedError(f"average pooling other than 2 x 2: {layer}")

    def times(self, moved: Values, tangent: Tensor | None) -> Tensor:
        assert tangent is not None
        return avg_pool2d(tangent, 2)

    def transposed(self, back: Tensor, found: dict[str, Tensor]) -> Tensor | None:
        wide = interpolate(back / 4, scale_factor=2)
        (height, width), (own_height, own_width) = wide.shape[-2:], self._shape[-2:]
        odd = (0, own_width - width, 0, own_height - height)
        return pad(wide, odd) if any(odd) else wide


@final
class _Flattening(_Link):
    def __init__(self, layer: nn.Flatten, name: str, values: Values, x: Tensor) -> None:
        self._shape, self._stride, self.value = x.shape, x.stride(), layer(x)

    def times(self, moved: Values, tangent: Tensor | None) -> Tensor:
        assert tangent is not None
        return tangent.flatten(1)

    def transposed(self, back: Tensor, found: dict[str, Tensor]) -> Tensor | None:
        return back.new_empty_strided(self._shape, self._stride).copy_(back.view(self._shape))


def _channels_last(value: Tensor) -> Tensor:
    return value.contiguous(memory_format=torch.channels_last) if value.ndim == 4 else value


@cache
def compiled(product: Callable[..., Tensor], on_gpu: bool) -> Callable[..., Tensor]:
    """`Chain.times` or `Chain.transposed` through torch.compile, once for all networks of one shape."""
    return torch.compile(product, mode="reduce-overhead" if on_gpu else "default", dynamic=False)


_LINKS: dict[type[nn.Module], Callable[..., _Link]] = {
    nn.Conv2d: _Convolution,
    nn.BatchNorm2d: _BatchNorm,
    Activation: _Slope,
    nn.AvgPool2d: _Pooling,
    nn.Flatten: _Flattening,
}
