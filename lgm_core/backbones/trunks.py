"""A network read at its layers: the map of each, and its class token where it has one.

timm's and open_clip's networks are read through their own `forward_intermediates`, others are cut by torchvision's
`create_feature_extractor`. Legend: N images, S side of the input, D features, H and W places.

>>> trunk = open_trunk(network, torch.rand(1, 3, 224, 224))
>>> grid, token = trunk(torch.rand(2, 3, 224, 224), "block6")
>>> grid.shape, token.shape
(torch.Size([2, 384, 16, 16]), torch.Size([2, 384]))
"""

import warnings
from abc import ABC, abstractmethod
from collections.abc import Iterator
from typing import Any, final

import torch
from jaxtyping import Float
from torch import Tensor, nn

from lgm_core.base.errors import UserError

Found = tuple[Tensor, Tensor | None]  # map [N, D, H, W], class token [N, D]


class Trunk(ABC, nn.Module):
    """A network read at layers: normalised images and a layer's name -> its map, and its class token or None."""

    names: tuple[str, ...]

    @abstractmethod
    def forward(self, images: Float[Tensor, "n 3 s s"], layer: str) -> Found: ...

    def every(self, images: Float[Tensor, "n 3 s s"]) -> dict[str, Found]:
        """All layers by name."""
        return {name: self(images, name) for name in self.names}


def open_trunk(network: nn.Module, images: Float[Tensor, "n 3 s s"]) -> Trunk:
    """The layers of a network in eval mode; `images`: of its input size, to see what each of them gives."""
    if is_of_open_clip(network):
        if not isinstance(trunk := getattr(network, "trunk", None), nn.Module):
            return _Clip(network)
        network = trunk  # a tower of timm's
    if callable(getattr(network, "forward_intermediates", None)) and getattr(network, "feature_info", None):
        return _Timm(network)
    return _Cut(network, images)


def is_of_open_clip(network: nn.Module) -> bool:
    """Is it one of open_clip's image towers? Asked without the library, which takes seconds to import."""
    return type(network).__module__.partition(".")[0] == "open_clip"


@final
class _Timm(Trunk):
    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network
        self._prefix = int(getattr(network, "num_prefix_tokens", 0))
        reductions = [row["reduction"] for row in network.feature_info]  # type: ignore[union-attr]
        self._kind = "block" if len(set(reductions)) == 1 < len(reductions) else "stage"
        self.names = (*(f"{self._kind}{i}" for i in range(len(reductions))), "final")

    def forward(self, images: Tensor, layer: str) -> Found:
        more = {"return_prefix_tokens": True} if self._prefix else {}
        last = layer == "final" and self._kind == "block"
        if layer == "final" and not last:
            found = self.network.forward_features(images)  # type: ignore[operator]
            return (found if _is_channels_first(self.network) else found.permute(0, 3, 1, 2)), None
        index = len(self.names) - 2 if last else int(layer.removeprefix(self._kind))
        (found,) = self.network.forward_intermediates(  # type: ignore[operator]
            images, indices=[index], stop_early=True, intermediates_only=True, norm=last, **more
        )
        return self._found(found)

    def every(self, images: Tensor) -> dict[str, Found]:
        """One pass; where the closing convolution follows, a second one for it."""
        if self._kind == "stage":
            found = self.network.forward_intermediates(images, intermediates_only=True)  # type: ignore[operator]
            return dict(zip(self.names, map(self._found, found), strict=False)) | {"final": self(images, "final")}
        more = {"return_prefix_tokens": True} if self._prefix else {}
        last, found = self.network.forward_intermediates(images, **more)  # type: ignore[operator]
        grid = last[:, self._prefix :].transpose(1, 2).unflatten(2, self._found(found[-1])[0].shape[2:])
        closing = grid, last[:, 0] if self._prefix else None
        return dict(zip(self.names, [*map(self._found, found), closing], strict=True))

    def _found(self, found: Any) -> Found:
        return (found[0], found[1][:, 0]) if self._prefix else (found, None)


@final
class _Clip(Trunk):
    """open_clip's image towers. A map of the ResNet is what its attention pools."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network: Any = network
        self._tokens = hasattr(network, "transformer")
        count = len(self.network.transformer.resblocks) if self._tokens else 5
        kind = "block" if self._tokens else "stage"
        self.names = (*(f"{kind}{i}" for i in range(count)), *(["final"] if self._tokens else []))

    def forward(self, images: Tensor, layer: str) -> Found:
        index = len(self.names) - 2 if layer == "final" else int(layer[5:])
        return self._pass(images, [index], layer == "final")[0]

    def every(self, images: Tensor) -> dict[str, Found]:
        """One pass; the closing norm of the last block takes none of its own."""
        found = self._pass(images, None, False)
        if self._tokens:
            tokens = torch.cat([found[-1][1][:, None], found[-1][0].flatten(2).transpose(1, 2)], dim=1)  # type: ignore[index]
            tokens = self.network.ln_post(tokens)
            grid = tokens[:, 1:].transpose(1, 2).unflatten(2, found[-1][0].shape[2:])
            found.append((grid, tokens[:, 0]))
        return dict(zip(self.names, found, strict=True))

    def _pass(self, images: Tensor, indices: list[int] | None, closing: bool) -> list[Found]:
        more: dict[str, Any] = {"normalize_intermediates": closing, "output_extra_tokens": True} if self._tokens else {}
        found: dict[str, Any] = self.network.forward_intermediates(
            images, indices=indices, stop_early=True, intermediates_only=True, **more
        )
        grids = found["image_intermediates"]
        tokens = found.get("image_intermediates_prefix", [None] * len(grids))
        return [(grid, None if token is None else token[:, 0]) for grid, token in zip(grids, tokens, strict=True)]


@final
class _Cut(Trunk):
    """Any other convolutional network, cut after the last module of each resolution."""

    def __init__(self, network: nn.Module, images: Tensor) -> None:
        super().__init__()
        modules = _stages(network, images)
        self.names = tuple(f"stage{i}" for i in range(len(modules)))
        if not modules:
            return
        from torchvision.models.feature_extraction import create_feature_extractor  # takes seconds to import

        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # it warns of whatever differs between training and eval mode
                self.whole = create_feature_extractor(network, dict(zip(modules, self.names, strict=True)))
                cuts = [create_feature_extractor(network, {module: "map"}) for module in modules]
        except Exception as error:  # torch.fx raises many kinds, for whatever a network of a user's own does
            raise UserError(f"the network cannot be cut into layers: {error}") from error
        self.cuts = nn.ModuleDict(dict(zip(self.names, cuts, strict=True)))

    def forward(self, images: Tensor, layer: str) -> Found:
        return self.cuts[layer](images)["map"], None

    def every(self, images: Tensor) -> dict[str, Found]:
        """One pass."""
        return {name: (found, None) for name, found in self.whole(images).items()} if self.names else {}


def _stages(network: nn.Module, images: Tensor) -> list[str]:
    """The names of the modules after which the map changes its resolution, and of the last one with a map."""
    seen: list[tuple[str, int]] = []

    def watch(name: str):
        def look(module: nn.Module, given: object, found: object) -> None:
            if isinstance(found, Tensor) and found.ndim == 4 and found.shape[-1] > 1:
                seen.append((name, found.shape[-1]))

        return look

    handles = [module.register_forward_hook(watch(name)) for name, module in _units(network)]
    with torch.no_grad():
        network(images)
    for handle in handles:
        handle.remove()
    following = [*(side for _, side in seen[1:]), 0][: len(seen)]
    return [name for (name, side), after in zip(seen, following, strict=True) if side != after]


def _units(network: nn.Module) -> Iterator[tuple[str, nn.Module]]:
    """The parts of a network: its children, and in place of a plain sequence the sequence's."""
    for name, child in network.named_children():
        if type(child) is nn.Sequential:
            yield from ((f"{name}.{inner}", part) for inner, part in child.named_children())
        else:
            yield name, child


def _is_channels_first(network: nn.Module) -> bool:
    return getattr(network, "output_fmt", "NCHW") == "NCHW"
