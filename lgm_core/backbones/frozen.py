"""A name -> a Backbone: frozen, in eval mode, owner of its normalisation.

>>> backbone = open_backbone("dinov2_vits", places())  # or "dinov2_vits@block6.cls": points.py
>>> backbone.name, backbone.feature_size, backbone(torch.rand(2, 3, 224, 224)).shape
('dinov2_vits14', 384, torch.Size([2, 384]))
"""

import copy
import logging
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import torch
from jaxtyping import Float
from torch import Tensor, nn

from lgm_core.backbones.builders import BUILDERS
from lgm_core.backbones.catalog import find_row
from lgm_core.backbones.folding import folded
from lgm_core.backbones.layers import AtPoint, EveryLayer, Layers, open_layers
from lgm_core.backbones.open_names import complete
from lgm_core.backbones.own_network import open_own
from lgm_core.backbones.row import IMAGENET, BackboneRow, Triple, Untrained
from lgm_core.backbones.untrained import untrained_network
from lgm_core.backbones.weights import WeightsRecord, fetch_weights, load_state, record_of
from lgm_core.base.download import Progress
from lgm_core.base.errors import UserError
from lgm_core.base.interfaces import Backbone
from lgm_core.base.places import Places

_warn = logging.getLogger("lgm").warning


def open_backbone(
    name: str,
    places: Places,
    *,
    normalisation: str = "native",
    device: torch.device | str = "cpu",
    progress: Progress | None = None,
    plain: bool = False,
    note: Callable[[str], object] = _warn,
) -> "FrozenBackbone":
    """The backbone of a name, an alias or an open form; its weights are found or fetched (`progress`: bytes).

    `plain`: the network as published, neither folded nor in another memory format, for comparison. `note` is told of
    weights that were damaged and fetched again.

    `normalisation="imagenet"` gives every backbone ImageNet's mean and std, as the paper's code does, instead of those
    it was trained with. Raises `UnknownName`, `Unavailable` (what to put where) or `UserError` (it does not fit).
    """
    row, digest = complete(find_row(name)), ""
    network: nn.Module | None = None
    if row.builder == "python":
        row, network, digest = open_own(row)
    if isinstance(row.source, Untrained):
        network, digest = untrained_network(row)
        record = WeightsRecord(file="", sha256=digest, source=str(row.source))
    else:
        path = fetch_weights(row, places, progress, note=note)
        network = _network(row, path) if network is None else network
        record = record_of(row, path, places.hashes)
        record = replace(record, sha256=digest) if digest else record
    if row.point:
        network = open_layers(network.eval(), torch.zeros(1, 3, row.input_size, row.input_size)).at(row.point)
    return FrozenBackbone(row, network, record, _statistics(row, normalisation), plain=plain).to(device)


class FrozenBackbone(Backbone):
    """A network without its classifier, and its mean and std folded into one multiply-add."""

    feature: str  # where its features are read, in words
    scale: Tensor
    shift: Tensor

    def __init__(
        self,
        row: BackboneRow,
        network: nn.Module,
        record: WeightsRecord,
        statistics: tuple[Triple, Triple],
        *,
        plain: bool = False,
    ) -> None:
        """`statistics` is (mean, std), for images in [0, 1]; `plain`: leave the network as it is."""
        super().__init__()
        mean, std = (torch.tensor(triple).view(1, 3, 1, 1) for triple in statistics)
        self.register_buffer("scale", 1 / std, persistent=False)
        self.register_buffer("shift", -mean / std, persistent=False)
        probe = torch.rand(2, 3, row.input_size, row.input_size, generator=torch.Generator().manual_seed(0))
        network = network.eval() if plain else folded(network.eval().requires_grad_(False), probe)
        self.memory_format = torch.contiguous_format if plain else _memory_format(network)
        self.network = network.requires_grad_(False).to(memory_format=self.memory_format)
        self.eval()
        self.name, self.feature = row.name, row.feature
        self.record = record
        self.input_size = row.input_size
        self.weights_hash = record.sha256
        self._map: AtPoint | None = None
        with torch.no_grad():
            self.feature_size = self(probe[:1]).shape[1]

    def normalise(self, images: Float[Tensor, "n 3 r r"]) -> Float[Tensor, "n 3 r r"]:
        return torch.addcmul(self.shift, images, self.scale)

    def encode(self, normalised: Float[Tensor, "n 3 s s"]) -> Float[Tensor, "n d"]:
        return self.network(normalised.contiguous(memory_format=self.memory_format)).float()

    def points(self) -> dict[str, int]:
        return {} if isinstance(self.network, AtPoint | EveryLayer) else self._layers().points

    def map_of(self, normalised: Float[Tensor, "n 3 s s"]) -> Float[Tensor, "n d h w"]:
        """What normalised images look like to it, place by place: the map at its point, else of its last layer.

        Raises `UserError` where no layer has a map.
        """
        if self._map is None:
            network = self.network
            self._map = network.map() if isinstance(network, AtPoint) else self._layers().last_map()
        return self._map(normalised.contiguous(memory_format=self.memory_format)).float()

    def _layers(self) -> Layers:
        return open_layers(self.network, torch.zeros(1, 3, self.input_size, self.input_size, device=self.scale.device))

    def compiled(self) -> "FrozenBackbone":
        """A copy that shares the weights and goes through torch.compile, on a GPU with CUDA graphs."""
        twin = copy.copy(self)
        twin._modules = dict(self._modules)
        on_gpu = next(self.network.parameters()).is_cuda
        twin.network = torch.compile(self.network, mode="reduce-overhead" if on_gpu else "default")  # type: ignore[assignment]
        return twin

    def train(self, mode: bool = True) -> "FrozenBackbone":
        """Stay in eval mode, whatever a module around this one is told."""
        return super().train(False)


def _network(row: BackboneRow, path: Path) -> nn.Module:
    try:
        return BUILDERS[row.builder](row, load_state(row, path))
    except UserError as error:
        summary = "\n".join(line[:300] for line in str(error).splitlines()[:4])
        raise UserError(f"{path} does not fit {row.title} ({row.architecture}): {summary}") from error


def _statistics(row: BackboneRow, normalisation: str) -> tuple[Triple, Triple]:
    tables = {"native": (row.mean, row.std), "imagenet": IMAGENET}
    if normalisation not in tables:
        raise UserError(f"unknown normalisation {normalisation!r}; known are: {', '.join(tables)}")
    return tables[normalisation]


def _memory_format(network: nn.Module) -> torch.memory_format:
    """Channels last for convolutional networks, where it is faster; a transformer has a single convolution."""
    convolutions = sum(isinstance(module, nn.Conv2d) for module in network.modules())
    return torch.channels_last if convolutions > 1 else torch.contiguous_format
