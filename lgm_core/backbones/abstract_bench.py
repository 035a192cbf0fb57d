"""What a run works with, as methods, evaluations and analyses see it; `workbench` implements it.

>>> bank = bench.clean_bank(bench.test, bench.backbone("mobilenet_v2"))
>>> bench.phase("comparing", 3, 10)
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from jaxtyping import Float
from torch import Tensor

from lgm_core.backbones.augment import Augment
from lgm_core.backbones.features import Bank
from lgm_core.base.device import Compute
from lgm_core.base.interfaces import Backbone, ImageSet
from lgm_core.base.settings import AugmentConfig

VIEW_AUGMENT = AugmentConfig(noise_std=0.0, noise_mean=0.0)  # flips and crops alone: how images are seen when judged


class Bench(ABC):
    """Data, backbones and banks of one run, opened when first asked for; its device; a way to report progress."""

    compute: Compute
    batch: int  # images per forward pass
    cache: Path  # holds only what can be computed again
    start: Mapping[str, Tensor]  # what a fork takes over from a picture of another run, by name; {} for other runs
    resumes: bool  # is there a checkpoint that the run goes on from?

    @property
    @abstractmethod
    def train(self) -> ImageSet: ...

    @property
    @abstractmethod
    def test(self) -> ImageSet: ...

    @abstractmethod
    def further(self, dataset: str) -> tuple[ImageSet, ImageSet]:
        """Training and test images of another data set, limited as the run's own are; opened once."""

    @property
    def classes(self) -> int:
        return len(self.train.classes)

    @abstractmethod
    def backbone(self, name: str) -> Backbone:
        """The frozen backbone of a name, opened once. Raises `UserError` where it is not here."""

    @abstractmethod
    def once(self, name: str, make: Callable[[], Any]) -> Any:
        """Call `make` the first time that this name is asked for; return the same object from then on."""

    @abstractmethod
    def clean_bank(self, images: ImageSet, backbone: Backbone) -> Bank:
        """Features of the centre crops of real images, kept on disk."""

    @abstractmethod
    def view_bank(self, images: ImageSet, backbone: Backbone, augment: AugmentConfig, views: int) -> Bank:
        """Features of augmented views of real images, kept on disk."""

    @abstractmethod
    def seen_clean(self, images: Float[Tensor, "n 3 r r"], backbone: Backbone) -> Float[Tensor, "n d"]:
        """Features of images in [0, 1], seen as the real ones of `clean_bank` are; float32, on the device."""

    @abstractmethod
    def augment(self, augment: AugmentConfig, backbone: Backbone) -> Augment:
        """What makes views as a config asks for, at the backbone's input size."""

    @abstractmethod
    def pictures(self, images: ImageSet, indices: Tensor, side: int) -> Float[Tensor, "n 3 r r"]:
        """Real images in [0, 1], `side` pixels wide, on the device."""

    @abstractmethod
    def phase(self, name: str, done: int = 0, total: int = 0) -> None:
        """Say what is going on and how far it is. Raises where the run was asked to pause or stop."""

    @abstractmethod
    def show_start(self, images: Callable[[], Float[Tensor, "n 3 r r"]]) -> None:
        """Show the set, images in [0, 1], as it is before the first step; what takes long comes after this."""

    @abstractmethod
    def note(self, text: str) -> None:
        """Say something that the user should see."""
