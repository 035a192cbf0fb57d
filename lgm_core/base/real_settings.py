"""The settings of what is real: how much of the data is read, its features, and the images that are not learned.

>>> BankConfig().views
4
"""

from dataclasses import dataclass
from typing import Literal

from lgm_core.base.knobs import knob

BY_FEATURES = ("centroids", "neighbours", "herding", "k-centres", "best-random", "greedy")  # of real images
BY_ACCURACY = ("best-random", "greedy")  # those of them that try many choices on the training images
WITHOUT_IMAGES = ("full", "none")  # choices of real images that leave a run without images of its own
NO_CLASS = "class not known"  # what images are called that have no class numbers


@dataclass(frozen=True, kw_only=True)
class DataConfig:
    """How much of the data set is read, and how."""

    train_per_class: int = knob(0, "real training images per class, at most; 0: all", low=0)
    test_per_class: int = knob(0, "real test images per class, at most; 0: all", low=0)
    resize: int = knob(
        256, "short side of real images, for an input of 224 px; scales with the input", low=224, high=1024, unit="px"
    )


@dataclass(frozen=True, kw_only=True)
class BankConfig:
    """Features of augmented views of the real images, computed once and kept."""

    views: int = knob(4, "augmented views per real image", low=1, high=1000)
    batch: int = knob(64, "images per forward pass", low=1, high=4096, at_once="at first")


@dataclass(frozen=True, kw_only=True)
class BaselineConfig:
    """Images that are not learned here: chosen real ones, those in a folder, a published set, or none at all."""

    choice: Literal[
        "random",
        "centroids",
        "neighbours",
        "herding",
        "k-centres",
        "best-random",
        "greedy",
        "full",
        "given",
        "imported",
        "high-loss",
        "indices",
        "none",
    ] = knob(
        "random",
        "how they are chosen; best-random, greedy: by accuracy on training images in all backbones named; given, "
        "imported: in baseline.folder, indices: in baseline.indices, none: no pre-training",
    )
    indices: str = knob("", "file of numbers of training images: .npy, .json, or text with one on each line")
    folder: str = knob("", "given: class folders of images, PATH/<class>/*.png; imported: a published set with targets")
