"""What a run works with: its data, backbones and banks of features, opened when first asked for, progress reported.

>>> bench = Workbench(config, places(), recorder)
>>> bench.clean_bank(bench.test, bench.backbone("mobilenet_v2")).features.shape
torch.Size([1200, 1, 1280])
"""

from collections.abc import Callable
from functools import cache, cached_property
from typing import Any

import torch
from torch import Tensor

from lgm_core.backbones.augment import Augment
from lgm_core.backbones.features import Bank, Recipe, as_images
from lgm_core.backbones.frozen import FrozenBackbone, open_backbone
from lgm_core.backbones.precision import choose_precision
from lgm_core.base.device import open_compute
from lgm_core.base.interfaces import Backbone, ImageSet
from lgm_core.base.places import Places
from lgm_core.config import AugmentConfig, RunConfig
from lgm_core.datasets.image_set import load_squares
from lgm_core.datasets.open import open_dataset
from lgm_core.runs.recorder import Recorder

VIEW_AUGMENT = AugmentConfig(noise_std=0.0, noise_mean=0.0)  # "basic": flips and crops, for the probe


class Workbench:
    """Opens things once, for one run."""

    def __init__(self, config: RunConfig, places: Places, recorder: Recorder) -> None:
        self.config, self.places, self.recorder = config, places, recorder
        self.compute = open_compute(config.device)
        self.backbone = cache(self._backbone)
        self._made: dict[str, Any] = {}

    def once(self, name: str, make: Callable[[], Any]) -> Any:
        """What `make` returns at the first call of this name; the same thing after that."""
        if name not in self._made:
            self._made[name] = make()
        return self._made[name]

    @property
    def train(self) -> ImageSet:
        return self._data[0]

    @property
    def test(self) -> ImageSet:
        return self._data[1]

    @property
    def classes(self) -> int:
        return len(self.train.classes)

    def clean_bank(self, images: ImageSet, backbone: Backbone) -> Bank:
        """Features of the centre crops."""
        return self._bank(images, backbone, self._recipe())

    def view_bank(self, images: ImageSet, backbone: Backbone, augment: AugmentConfig, views: int) -> Bank:
        """Features of augmented views."""
        return self._bank(images, backbone, self._recipe(views=views, augment=augment, seed=self.config.seed))

    def augment(self, augment: AugmentConfig, backbone: Backbone) -> Augment:
        """Views of the size that the backbone takes."""
        return Augment(augment, side=backbone.input_size, seed=self.config.seed, device=self.compute.device)

    def pictures(self, images: ImageSet, indices: Tensor, side: int) -> Tensor:
        """Real images as float [n, 3, side, side] in [0, 1], on the device."""
        return as_images(load_squares(images, indices.tolist(), side, side), self.compute.device)

    @cached_property
    def _data(self) -> tuple[ImageSet, ImageSet]:
        data = self.config.data
        self.recorder.phase("opening the data set")
        return open_dataset(
            self.config.dataset,
            self.places.datasets,
            train_per_class=data.train_per_class,
            test_per_class=data.test_per_class,
            seed=self.config.seed,
        )

    def _backbone(self, name: str) -> FrozenBackbone:
        def fetching(done: int, total: int | None) -> None:
            self.recorder.phase(f"fetching {name}", done, total or 0)

        self.recorder.phase(f"opening {name}")
        backbone = open_backbone(
            name, self.places, normalisation=self.config.normalisation, device=self.compute.device, progress=fetching
        )
        if self.config.device.precision == "auto":
            self.compute.chosen[backbone.name] = choose_precision(backbone, self.compute, self.places.estimates)
        return backbone

    def _recipe(self, **values: object) -> Recipe:
        config = self.config
        return Recipe(
            resize=config.data.resize,
            batch=config.bank.batch,
            normalisation=config.normalisation,
            **values,  # type: ignore[arg-type]
        )

    def _bank(self, images: ImageSet, backbone: Backbone, recipe: Recipe) -> Bank:
        name = f"features of {images.name} in {backbone.name}"

        def progress(done: int, total: int) -> None:
            self.recorder.phase(name, done, total)

        return Bank.open_or_compute(images, backbone, recipe, self.places.features, self.compute, progress)


def spread_over_classes(labels: Tensor, count: int) -> Tensor:
    """Indices of at most `count` rows, as evenly spread over the classes as they allow, in a fixed order."""
    order = torch.argsort(labels, stable=True)
    rank = torch.empty_like(order)
    for label in labels.unique():
        members = order[labels[order] == label]
        rank[members] = torch.arange(len(members))
    return torch.argsort(rank, stable=True)[:count].sort().values
