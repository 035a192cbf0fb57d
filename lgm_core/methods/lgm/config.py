"""What can be set of Linear Gradient Matching: its groups of settings. Needs no torch.

>>> LGMConfig(views=3).views_in(0)
3
"""

from dataclasses import dataclass
from typing import Literal

from lgm_core.base.knobs import knob


@dataclass(frozen=True, kw_only=True)
class SyntheticConfig:
    """The learned images."""

    parameterisation: Literal["pyramid", "pixels", "phase"] = knob(
        "pyramid", "sum of levels from 1 px up, plain pixels, or phases under the mean spectrum of the real images"
    )
    resolution: int = knob(128, "side of a synthetic image; 256 in the paper", low=8, high=1024, unit="px")
    initial: Literal["noise", "zero", "real", "centroids", "greedy"] = knob(
        "noise",
        "initial values; real: random training images; centroids, greedy: those chosen by the backbones that distil",
    )
    near_cluster: bool = knob(
        True, "several images per class that begin as photographs: each begins with one near the cluster that it learns"
    )
    noise_scale: float = knob(0.1, "amplitude of the initial noise; 1 in the paper", low=0, high=10)
    decorrelate_colour: bool = knob(True, "optimise in a decorrelated colour space")

    def level_sides(self) -> list[int]:
        """Sides of all levels in pixels: the powers of two below `resolution`, then `resolution` itself."""
        return [2**k for k in range(self.resolution.bit_length()) if 2**k < self.resolution] + [self.resolution]


@dataclass(frozen=True, kw_only=True)
class PyramidConfig:
    """When and how the pyramid of levels grows."""

    start: int = knob(1, "side of the finest level at the start", low=1, high=1024, unit="px")
    grow_every: int = knob(0, "steps between two levels; 0: full resolution after `grow_share` of the steps", low=0)
    grow_share: float = knob(0.2, "share of the steps after which all levels are present", low=0, high=1)
    fine_rate: float = knob(1.0, "learning rate of a level, relative to the next coarser one's", low=0.1, high=2)
    rescale: bool = knob(False, "shrink the old levels when one is added, as in the paper; off: the image stays")
    keep_moments: bool = knob(True, "keep Adam's moments of the old levels when one is added; the paper drops them")
    cascade: bool = knob(True, "up-sample level by level; off: each level straight to full size, as in the paper")


@dataclass(frozen=True, kw_only=True)
class LGMConfig:
    """Linear Gradient Matching, arXiv 2511.16674."""

    views: int = knob(5, "views per synthetic image and step; lower it when memory is short", low=1, high=1000)
    learning_rate: float = knob(4e-2, "Adam's learning rate", low=1e-6, high=10)
    schedule: Literal["constant", "cosine"] = knob("cosine", "learning-rate schedule")
    target: Literal["mean", "bank", "batch"] = knob(
        "mean",
        "real side: expectation at zero head, gradient over the whole feature bank, or a fresh batch each step; flow: "
        "another word for mean, the matching of first moments (arXiv 2602.05391)",
        aliases={"flow": "mean"},
    )
    objective: Literal["cosine", "cosine-per-class", "mse", "ridge"] = knob(
        "cosine-per-class",
        "how gradients are compared: 1 - cosine of the whole, as in the paper, its mean over each class's own row, or "
        "squared distance; ridge: the closed-form head of the images, tried on the real data",
        before="cosine",
    )
    whiten: Literal["auto", "none", "diagonal", "full"] = knob(
        "auto",
        "multiply gradients by the inverse root of the covariance within classes; none: as in the paper; auto: full "
        "where the bank has more rows than classes (or clusters, as whiten_within says) and the backbone's features "
        "together, and none otherwise",
        before="none",
    )
    whiten_power: float = knob(0.5, "1: by the inverse itself", low=0, high=2)
    whiten_beta: float = knob(1.0, "added to the covariance, as a share of its mean eigenvalue", low=1e-6, high=1e6)
    whiten_beta_end: float = knob(
        0.0, "where whiten_beta ends, changed by a constant factor each step; 0: it stays", low=0, high=1e6
    )
    real_power: float = knob(
        0.0,
        "multiply the real gradient alone by a further power of the inverse covariance within classes, its length "
        "kept; 1: images teach a plain head what a linear discriminant knows; needs a metric; 0: both sides alike",
        low=0,
        high=2,
    )
    whiten_within: Literal["class", "cluster"] = knob(
        "class",
        "several images per class: the covariance of what varies within a class, or within the cluster that an image "
        "learns, where differences between clusters of one class count as much as those between classes",
    )
    ridge_lambda: float = knob(0.1, "strength of the ridge, per view", low=1e-8, high=1e3)
    ridge_temperature: float = knob(0.1, "temperature of the ridge head's cross-entropy", low=1e-3, high=100)
    clusters: bool = knob(
        True,
        "several images per class: each learns a cluster of its class; off: all of them the whole class",
        before=False,
    )
    class_share: float = knob(
        0.5,
        "several images per class, clusters: share of the loss that compares whole classes; 0: the clusters alone",
        low=0,
        high=1,
    )
    joint: Literal["turn", "all"] = knob(
        "turn",
        "several backbones: one of them each step, in turn, or all in every step, which costs as many times more",
    )
    source_views: tuple[int, ...] = knob((), "views in each of several backbones; none: as many as lgm.views", low=1)
    source_weights: tuple[int, ...] = knob(
        (), "turns, or shares of the loss, of each of several backbones; none: all alike", low=1
    )
    contrast: Literal["none", "rolled", "swapped", "listed"] = knob(
        "none",
        "two backbones A+B: the images mean their class to A, and to B the next one (rolled), the one that A takes it "
        "for most (swapped, in pairs), or as contrast_classes lists; none: the same to both",
    )
    contrast_classes: tuple[str, ...] = knob(
        (),
        "two classes that are exchanged, or for each class the one that its images mean to the second backbone; names, "
        "or numbers from 0",
    )
    average: float = knob(0.0, "share of the steps, the last ones, over which the images are averaged", low=0, high=1)
    flat_radius: float = knob(
        0.0,
        "seek flat minima: take the gradient this far uphill, at twice the cost; 0: off",
        low=0,
        high=1,
        unit="of the range [0, 1]",
    )
    balance: bool = knob(True, "weigh the real classes equally; off: the data set's own prior, as in the paper")
    head_std: float = knob(0.01, "standard deviation of the random head's weights", low=0, high=10)
    head_steps: int = knob(
        0,
        "train each random head first, with Adam on the bank, for up to so many steps: heads of a short training "
        "trajectory; needs lgm.target bank",
        low=0,
        high=1000,
    )
    head_rate: float = knob(1e-3, "Adam's learning rate for these heads", low=1e-6, high=1)
    bank_rows: int = knob(65536, "rows of the bank per step, redrawn each step", low=16)
    chunk: int = knob(
        0, "views per forward pass, of all images together; 0: as many as fit. Same gradient, less memory", low=0,
        at_once="any time",
    )  # fmt: skip

    def beta_at(self, step: int, steps: int) -> float:
        """The floor of the metric at a step: from `whiten_beta` to `whiten_beta_end`, by a constant factor."""
        if not self.whiten_beta_end:
            return self.whiten_beta
        return self.whiten_beta * (self.whiten_beta_end / self.whiten_beta) ** (step / max(steps - 1, 1))

    def averages_from(self, steps: int) -> int:
        """The first step whose images count in the average; past the end where none is taken."""
        return steps - round(self.average * steps)

    def views_in(self, place: int) -> int:
        """Views per image in the backbone at a place of the list."""
        return self.source_views[place] if self.source_views else self.views

    def weights(self, sources: int) -> tuple[int, ...]:
        return self.source_weights or (1,) * sources
