"""The layers inside a network, and a network that stops at one of them: what is above is not computed.

A layer gives a map [N, D, H, W] (the patch tokens of a transformer in their places), and perhaps a class token.
Legend: N images, S side of the input, D features, H and W places.

>>> layers = open_layers(network, torch.rand(1, 3, 224, 224))
>>> layers.points
{'block0.cls': 384, 'block0.mean': 384, ..., 'final.mean': 384}
>>> layers.at("block6.cls")(torch.rand(2, 3, 224, 224)).shape, layers.last_map()(torch.rand(2, 3, 224, 224)).shape
(torch.Size([2, 384]), torch.Size([2, 384, 16, 16]))
"""

import copy
from typing import final

import torch
from jaxtyping import Float
from torch import Tensor, nn

from lgm_core.backbones.points import BEFORE_PROJECTION, EVERY_LAYER, layer_and_readout
from lgm_core.backbones.trunks import Found, Trunk, is_of_open_clip, open_trunk
from lgm_core.base.errors import UnknownName, UserError


def open_layers(network: nn.Module, images: Float[Tensor, "n 3 s s"]) -> "Layers":
    """The layers of a network in eval mode; `images`: of its input size, to see what each of them gives."""
    return Layers(network, open_trunk(network, images), images)


@final
class Layers:
    """Which points there are, and networks that end at them. They share the weights of the network.

    points  how many features each has, by name; the deepest last
    """

    def __init__(self, network: nn.Module, trunk: Trunk, images: Tensor) -> None:
        self._network, self._trunk = network, trunk
        with torch.no_grad():
            found = trunk.every(images)
        self._alone = "mean" if any(name.startswith("block") for name in trunk.names) else "pool"
        self.points = {
            f"{name}.{readout}": layer[0].shape[1]
            for name, layer in found.items()
            for readout in (("cls", "mean") if layer[1] is not None else (self._alone,))
        }

    def at(self, point: str) -> nn.Module:
        """Normalised images -> features at a point. Raises `UnknownName` that lists the points that exist."""
        projected = is_of_open_clip(self._network) and getattr(self._network, "proj", None) is not None
        if point == BEFORE_PROJECTION and projected:
            return _without_projection(self._network)
        if point == EVERY_LAYER and self.points:
            return EveryLayer(self._trunk, list(self.points))
        if point not in self.points:
            further = [BEFORE_PROJECTION] if projected else []
            shown = ", ".join(f"@{one}" for one in [*self.points, *further])
            raise UnknownName(f"the backbone has no point @{point}; it has {shown or 'none but its own features'}")
        return AtPoint(self._trunk, *layer_and_readout(point))

    def last_map(self) -> "AtPoint":
        """Normalised images -> map of the last layer, [N, D, H, W]. Raises `UserError` where no layer has one."""
        if not self.points:
            raise UserError("the backbone has no layer with a map, so it has no patches to show")
        return AtPoint(self._trunk, self._trunk.names[-1], "map")


@final
class AtPoint(nn.Module):
    """A trunk up to a layer, and a readout of it."""

    def __init__(self, trunk: Trunk, layer: str, readout: str) -> None:
        super().__init__()
        self.trunk, self.layer, self.readout = trunk, layer, readout

    def map(self) -> "AtPoint":
        """The same without its readout: the map itself."""
        return AtPoint(self.trunk, self.layer, "map")

    def forward(self, images: Float[Tensor, "n 3 s s"]) -> Tensor:
        return _read(self.trunk(images, self.layer), self.readout)


@final
class EveryLayer(nn.Module):
    """The features at several points of a trunk, one after another, from one pass."""

    def __init__(self, trunk: Trunk, points: list[str]) -> None:
        super().__init__()
        self.trunk, self.parts = trunk, [layer_and_readout(point) for point in points]

    def forward(self, images: Float[Tensor, "n 3 s s"]) -> Float[Tensor, "n d"]:
        found = self.trunk.every(images)
        return torch.cat([_read(found[layer], readout) for layer, readout in self.parts], dim=1)


def _read(found: Found, readout: str) -> Tensor:
    grid, token = found
    if readout == "map":
        return grid
    return token if readout == "cls" and token is not None else grid.mean(dim=(2, 3))


def _without_projection(network: nn.Module) -> nn.Module:
    """The same weights, without the matrix at the end."""
    twin = copy.copy(network)
    vars(twin)["_parameters"] = dict(network._parameters)
    vars(twin)["_parameters"]["proj"] = None
    return twin
