"""What a run works with: its data, backbones and banks of features, opened when first asked for, progress reported.

>>> bench = Workbench(config, places(), recorder)
>>> bench.clean_bank(bench.test, bench.backbone("mobilenet_v2")).features.shape
torch.Size([1200, 1, 1280])
"""

import logging
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import asdict
from functools import cached_property
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn.functional import interpolate

from lgm_core.backbones.abstract_bench import Bench
from lgm_core.backbones.augment import Augment
from lgm_core.backbones.features import Bank, Recipe, as_images
from lgm_core.backbones.frozen import FrozenBackbone, open_backbone
from lgm_core.backbones.precision import choose_precision
from lgm_core.base import ranks
from lgm_core.base.device import open_compute
from lgm_core.base.interfaces import Backbone, ImageSet
from lgm_core.base.places import Places
from lgm_core.base.settings import AugmentConfig
from lgm_core.base.tensor_files import load_tensors
from lgm_core.config import RunConfig
from lgm_core.datasets.catalog import data_words, find_row, split_words
from lgm_core.datasets.image_set import load_squares
from lgm_core.datasets.open import open_dataset
from lgm_core.runs.heart import LOWER_BATCH
from lgm_core.runs.recorder import Recorder


class Workbench(Bench):
    """Opens things once, for one run, and tells its recorder how far that is."""

    def __init__(self, config: RunConfig, places: Places, recorder: Recorder) -> None:
        self.config, self.places, self.recorder = config, places, recorder
        self.compute = open_compute(config.device, recorder.threads(config.device.threads))
        self.batch, self.cache = config.bank.batch, places.cache
        self.start = load_tensors(recorder.run.start) if recorder.run.start.exists() else {}
        self.resumes = recorder.run.checkpoint.exists()
        self._backbones: dict[str, FrozenBackbone] = {}
        self._weights: dict[str, dict[str, str]] = {}
        self._made: dict[str, Any] = {}
        self._splits: dict[
            int, tuple[str, int]
        ] = {}  # by its id, the data set that an opened one belongs to, and 0 or 1

    def phase(self, name: str, done: int = 0, total: int = 0) -> None:
        self.recorder.phase(name, done, total)

    def show_start(self, images: Callable[[], Float[Tensor, "n 3 r r"]]) -> None:
        if not self.resumes and not self.recorder.run.frame_list():
            self.recorder.frame(self.config.fork_step - 1, images())

    def note(self, text: str) -> None:
        self.recorder.note(text)

    def backbone(self, name: str) -> FrozenBackbone:
        if name not in self._backbones:
            self._backbones[name] = self._open_backbone(name)
        return self._backbones[name]

    def weights_of(self, name: str) -> dict[str, Any]:
        """What a report says of the weights of a network that was opened; {} for one that is trained from scratch."""
        return {"weights": self._weights[name]} if name in self._weights else {}

    def mark_of(self, dataset: str) -> dict[str, str]:
        """What a report on a data set says where it judges nothing: groups too small to be split."""
        groups = self.recorder.run.collection(dataset)
        return {"mark": groups.mark()} if groups and groups.mark() else {}

    def once(self, name: str, make: Callable[[], Any]) -> Any:
        if name not in self._made:
            self._made[name] = make()
        return self._made[name]

    @property
    def train(self) -> ImageSet:
        return self._data[0]

    @property
    def test(self) -> ImageSet:
        return self._data[1]

    def clean_bank(self, images: ImageSet, backbone: Backbone) -> Bank:
        return self._bank(images, backbone, self._recipe())

    def view_bank(self, images: ImageSet, backbone: Backbone, augment: AugmentConfig, views: int) -> Bank:
        return self._bank(images, backbone, self._recipe(views=views, augment=augment, seed=self.config.seed))

    def augment(self, augment: AugmentConfig, backbone: Backbone) -> Augment:
        return Augment(augment, side=backbone.input_size, seed=self.config.seed, device=self.compute.device)

    def pictures(self, images: ImageSet, indices: Tensor, side: int) -> Tensor:
        return as_images(load_squares(images, indices.tolist(), side, side), self.compute.device)

    def seen_clean(self, images: Float[Tensor, "n 3 r r"], backbone: Backbone) -> Float[Tensor, "n d"]:
        """Resized, centre crop: as the real images of a clean bank."""
        side = backbone.input_size
        whole = round(self.config.data.resize * side / 224)
        margin = (whole - side) // 2
        found = []
        with torch.no_grad():
            for part in images.split(self.batch):
                views = interpolate(part.to(self.compute.device), size=(whole, whole), mode="bilinear", antialias=True)
                views = views[:, :, margin : margin + side, margin : margin + side]
                found.append(self.compute.features(backbone, views))
        return torch.cat(found)

    def further(self, dataset: str) -> tuple[ImageSet, ImageSet]:
        return self.once(f"data set {dataset}", lambda: self._open_data(dataset))

    @cached_property
    def _data(self) -> tuple[ImageSet, ImageSet]:
        train, test = self._open_data(self.config.dataset)
        groups = self.recorder.run.collection()
        split = groups.words() if groups else split_words(find_row(self.config.dataset))
        counts = {"train_images": len(train), "test_images": len(test), "split": split}
        logging.getLogger("lgm").info("%s", data_words(self.config.dataset, counts))
        self._tell_small_classes(train)
        prints, contents = [train.fingerprint, test.fingerprint], [train.content, test.content]
        self.recorder.data({**counts, "fingerprints": prints} | ({"contents": contents} if all(contents) else {}))
        return train, test

    def _tell_small_classes(self, train: ImageSet) -> None:
        """That classes have fewer images than were asked for is no mistake, but is said."""
        each, sizes = self.config.data.train_per_class, torch.bincount(train.labels, minlength=len(train.classes))
        if short := int((sizes < each).sum()):
            logging.getLogger("lgm").info(
                "data.train_per_class is %d; %d of %d classes have fewer images (the smallest %d), and are used whole",
                each, short, len(sizes), sizes.min(),
            )  # fmt: skip

    def _open_data(self, name: str) -> tuple[ImageSet, ImageSet]:
        self.recorder.phase("opening the data set")
        each = self.config.data
        splits = open_dataset(
            name, self.places.datasets, train_per_class=each.train_per_class, test_per_class=each.test_per_class,
            seed=self.config.seed, collection=self.recorder.run.collection(name),
        )  # fmt: skip
        self._splits |= {id(images): (name, place) for place, images in enumerate(splits)}
        return splits

    def _open_backbone(self, name: str) -> FrozenBackbone:
        def fetching(done: int, total: int | None) -> None:
            self.recorder.phase(f"fetching {name}", done, total or 0)

        self.recorder.phase(f"opening {name}")
        backbone = open_backbone(
            name, self.places, normalisation=self.config.normalisation, device=self.compute.device, progress=fetching,
            note=self.note,
        )  # fmt: skip
        if self.config.device.precision == "auto" and backbone.name not in self.compute.chosen:
            before = self.recorder.run.weights().get(name, {}).get("precision")  # of a run that goes on: kept
            known = before in ("float32", "bfloat16")
            chosen = before if known else choose_precision(backbone, self.compute, self.places.estimates)
            self.compute.chosen[backbone.name] = chosen
        self._weights[name] = {**asdict(backbone.record), "precision": self.compute.precision_of(backbone)}
        self.recorder.weights(name, self._weights[name])
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

        before = self.recorder.advise(LOWER_BATCH)
        with self._shared(images, backbone, recipe):
            bank = Bank.open_or_compute(
                images, backbone, recipe, self.places.features, self.compute, progress, self.note
            )
        self.recorder.advise(before)
        return bank

    def _shared(self, images: ImageSet, backbone: Backbone, recipe: Recipe) -> AbstractContextManager[None]:
        """Let the other processes of the run compute their share of a bank, where they can open what it is made of."""
        split = self._splits.get(id(images))
        network = next((name for name, opened in self._backbones.items() if opened is backbone), None)
        if split is None or network is None:
            return nullcontext()
        return ranks.together("bank", self.compute.chosen, split, network, recipe)

    def share_bank(self, split: tuple[str, int], network: str, recipe: Recipe) -> None:
        """What they do then."""
        name, place = split
        images = (self._data if name == self.config.dataset else self.further(name))[place]
        self._bank(images, self.backbone(network), recipe)
