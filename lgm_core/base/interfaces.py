"""The nouns of the project, declared once: every other class is final and implements one of these.

Legend for shapes: N images, C classes, D features, S side of the backbone's input, R side of a synthetic image.
Images are float in [0, 1], NCHW, everywhere outside a backbone; labels are int64, 0 .. C-1.
"""

import hashlib
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import torch
from jaxtyping import Float, Int
from PIL import Image
from torch import Tensor, nn

State = dict[str, Tensor]
SAMPLED = 256  # images whose size or content goes into a digest: reading all of them would not be cheap


class ImageSet(ABC):
    """Real images with labels, read one by one. Cheap to build: labels are known without decoding an image.

    name         unique and stable, such as "imagenette/train"
    classes      C readable class names, in label order
    labels       [N] int64, CPU
    groups       [N] int64, CPU, or None: the group (such as background x class) for worst-group accuracy
    group_names  readable names of the groups, () without groups
    fingerprint  hex digest of what the images are (names, sizes, labels), for cache keys; `content` tells the bytes
    """

    name: str
    classes: tuple[str, ...]
    labels: Int[Tensor, "n"]
    groups: Int[Tensor, "n"] | None
    group_names: tuple[str, ...]
    fingerprint: str

    def __len__(self) -> int:
        return len(self.labels)

    def stored(self, index: int) -> bytes:
        """What the image is read from, or a part of it. Raises `OSError`. b"": the fingerprint knows the pixels."""
        return b""

    @cached_property
    def content(self) -> str:
        """Hex digest of what up to `SAMPLED` images, spread evenly, are read from; "" where that cannot be read.

        The fingerprint knows names, sizes and labels; this one tells that a file was replaced by one as large.
        """
        found = hashlib.sha256()
        try:
            for index in range(0, len(self), -(-len(self) // SAMPLED) or 1):
                found.update(hashlib.sha256(self.stored(index)).digest())
        except OSError:
            return ""
        return found.hexdigest()

    def differs_from(self, known: str) -> bool:
        """Is the content another one than was noted when something was made of the images? False where either is ""."""
        return bool(known and self.content) and known != self.content

    @abstractmethod
    def picture(self, index: int) -> Image.Image:
        """The image at `index`, as RGB. Raises `UserError` that names the file and the remedy if it cannot be read."""

    def reduced(self, index: int, short: int | None) -> tuple[Image.Image, tuple[int, int]]:
        """The image as RGB, perhaps smaller but with a short side of `short` pixels or more, and its size as stored."""
        picture = self.picture(index)
        return picture, picture.size

    @abstractmethod
    def origin(self, index: int) -> str:
        """Where the image comes from: a path, or "scenes/train/17" where there is no file."""


class Backbone(ABC, nn.Module):
    """A frozen, pre-trained vision model that owns its normalisation.

    name          as the user wrote it, aliases resolved ("dinov2_vits14")
    input_size    S, side of the square input in pixels
    feature_size  D, read from the model
    weights_hash  hex digest of the weights, for cache keys
    scale         1 / std per channel, [1, 3, 1, 1]: what `normalise` multiplies by
    """

    name: str
    input_size: int
    feature_size: int
    weights_hash: str
    scale: Float[Tensor, "1 3 1 1"]

    def forward(self, images: Float[Tensor, "n 3 s s"]) -> Float[Tensor, "n d"]:
        """Images in [0, 1] (noise may leave it) -> features, float32; differentiable in the images only."""
        return self.encode(self.normalise(images))

    @abstractmethod
    def normalise(self, images: Float[Tensor, "n 3 r r"]) -> Float[Tensor, "n 3 r r"]:
        """Images in [0, 1], of any side, by the backbone's mean and std: a multiply-add per channel."""

    @abstractmethod
    def encode(self, normalised: Float[Tensor, "n 3 s s"]) -> Float[Tensor, "n d"]:
        """Features of normalised images, float32."""

    def points(self) -> dict[str, int]:
        """The points of its layers, such as "block6.cls", and how many features each has; {} where it has none."""
        return {}

    def map_of(self, normalised: Float[Tensor, "n 3 s s"]) -> Float[Tensor, "n d h w"]:
        """What normalised images are place by place; of a backbone that has no places, its features as one."""
        return self.encode(normalised)[:, :, None, None]

    def compiled(self) -> "Backbone":
        """The same through torch.compile, sharing the weights; itself where that makes no difference."""
        return self


class SyntheticSet(ABC, nn.Module):
    """The learned images: leaf tensors and how they decode to pictures. Labels are fixed, class-major."""

    labels: Int[Tensor, "n"]

    @abstractmethod
    def images(self) -> Float[Tensor, "n 3 r r"]:
        """Decode, differentiably, to images in [0, 1]."""

    @abstractmethod
    def state(self) -> State:
        """All tensors that `images()` depends on."""

    @abstractmethod
    def restore(self, state: Mapping[str, Tensor]) -> None:
        """Take up a saved `state()`."""


@dataclass(frozen=True)
class HardSet:
    """Images in [0, 1] and the number of each one's class: what chosen images are, and what most methods learn.

    other  the class that each image means to the second backbone of a contrast set; None in other sets
    """

    images: Float[Tensor, "n 3 r r"]
    labels: Int[Tensor, "n"]
    other: Int[Tensor, "n"] | None = None


@dataclass(frozen=True)
class SoftSet:
    """Images with learned labels, made for networks that are trained on transformed values.

    values           the images as such a network sees them, after the run's transform
    targets          what the network is trained to give for each image
    log_temperature  learned beside them
    """

    images: Float[Tensor, "n 3 r r"]
    labels: Int[Tensor, "n"]
    values: Float[Tensor, "n k s s"]
    targets: Float[Tensor, "n c"]
    log_temperature: Float[Tensor, ""]


@dataclass(frozen=True)
class TargetSet:
    """Images with learned target vectors, on which a network is pre-trained by regression.

    labels   the classes of the real images that they began as; -1 where these are not known
    values   the images as such a network sees them: channels of mean 0 and deviation 1 over the data set
    targets  vectors to regress to, never class probabilities
    rate     the step size that they were learned with; None where none was learned
    """

    images: Float[Tensor, "n 3 r r"]
    labels: Int[Tensor, "n"]
    values: Float[Tensor, "n k s s"]
    targets: Float[Tensor, "n d"]
    rate: Float[Tensor, ""] | None


LearnedSet = HardSet | SoftSet | TargetSet


@dataclass(frozen=True, kw_only=True)
class StepResult:
    """What one step of a distiller reports: the loss, further scalars by name, and what the user should be told."""

    loss: float
    scalars: dict[str, float] = field(default_factory=dict)
    notes: tuple[str, ...] = ()


class Distiller(ABC):
    """One method. Owns what it learns and its optimiser; asks nobody for paths, devices or randomness.

    `first_step`: steps that were done elsewhere, as for a set that is taken up from a published file.
    """

    first_step: int = 0

    @abstractmethod
    def step(self, step: int) -> StepResult:
        """Do step number `step` (0-based). Depends on nothing but `state()` and the number."""

    def details(self) -> dict[str, Any]:
        """Further values of the last step to watch, as plain values: written to details.jsonl with each frame."""
        return {}

    @abstractmethod
    def export(self) -> LearnedSet:
        """The set as it is now, as others may use it; without a graph."""

    @abstractmethod
    def state(self) -> State:
        """Everything that the next step depends on, flat, as tensors."""

    @abstractmethod
    def restore(self, state: Mapping[str, Tensor]) -> None:
        """Take up a saved `state()`."""


def generator(device: torch.device | str, *seeds: int) -> torch.Generator:
    """A generator whose stream depends on all of `seeds`: counters in, randomness out, nothing to save for a resume."""
    mixed = 0xCBF29CE484222325
    for seed in seeds:  # FNV-1a over 64-bit words
        mixed = ((mixed ^ (seed & 0xFFFFFFFFFFFFFFFF)) * 0x100000001B3) & 0xFFFFFFFFFFFFFFFF
        mixed ^= mixed >> 29
    return torch.Generator(device=device).manual_seed(mixed & 0x7FFFFFFFFFFFFFFF)
