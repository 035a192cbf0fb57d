"""The settings of Linear Gradient Matching, and a check that they fit together.

>>> LGMSettings(lgm=LGMConfig(), augment=AugmentConfig(), synthetic=SyntheticConfig(), pyramid=PyramidConfig())
"""

from dataclasses import dataclass
from typing import Any, Literal

from lgm_core.base.errors import ConfigError
from lgm_core.base.knobs import knob
from lgm_core.base.settings import AugmentConfig, MethodSettings, SharedConfig


@dataclass(frozen=True, kw_only=True)
class SyntheticConfig:
    """The learned images."""

    parameterisation: Literal["pyramid", "pixels", "phase"] = knob(
        "pyramid", "sum of levels from 1 px up, plain pixels, or phases under the mean spectrum of the real images"
    )
    resolution: int = knob(128, "side of a synthetic image; 256 in the paper", low=8, high=1024, unit="px")
    initial: Literal["noise", "zero", "real"] = knob("noise", "initial values; real: a random training image per class")
    noise_scale: float = knob(0.1, "amplitude of the initial noise; 1 in the paper", low=0, high=10)
    decorrelate_colour: bool = knob(True, "optimise in a decorrelated colour space")


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
        "mean", "real side: expectation at zero head, gradient over the whole feature bank, or a fresh batch each step"
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
        "where the bank has more rows than the backbone has features, and none otherwise",
        before="none",
    )
    whiten_power: float = knob(0.5, "1: by the inverse itself", low=0, high=2)
    whiten_beta: float = knob(1.0, "added to the covariance, as a share of its mean eigenvalue", low=1e-6, high=1e6)
    whiten_beta_end: float = knob(
        0.0, "where whiten_beta ends, changed by a constant factor each step; 0: it stays", low=0, high=1e6
    )
    ridge_lambda: float = knob(0.01, "strength of the ridge, per view", low=1e-8, high=1e3)
    ridge_temperature: float = knob(0.1, "temperature of the ridge head's cross-entropy", low=1e-3, high=100)
    clusters: bool = knob(
        True,
        "several images per class: each learns a cluster of its class; off: all of them the whole class",
        before=False,
    )
    joint: Literal["turn", "all"] = knob(
        "turn",
        "several backbones: one of them each step, in turn, or all in every step, which costs as many times more",
    )
    source_views: tuple[int, ...] = knob((), "views in each of several backbones; none: as many as lgm.views", low=1)
    source_weights: tuple[int, ...] = knob(
        (), "turns, or shares of the loss, of each of several backbones; none: all alike", low=1
    )
    contrast: Literal["none", "rolled", "listed"] = knob(
        "none",
        "two backbones A+B: the images mean their class to A, and to B the next one (rolled), or as contrast_classes "
        "lists; none: the same to both",
    )
    contrast_classes: tuple[int, ...] = knob(
        (), "for each class, by number from 0, the class that its images mean to the second backbone", low=0
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


@dataclass(frozen=True, kw_only=True)
class LGMSettings(MethodSettings):
    """The groups of a run's config that Linear Gradient Matching reads."""

    lgm: LGMConfig
    synthetic: SyntheticConfig
    pyramid: PyramidConfig
    augment: AugmentConfig

    @property
    def side(self) -> int:
        return self.synthetic.resolution

    def from_picture(self) -> dict[str, Any]:
        """All levels of the pyramid are there from the first step."""
        return {"pyramid": {"start": self.side}}

    def grow_every(self, steps: int) -> int:
        """Steps between two levels of the pyramid: as asked for, or from the share of the run's steps."""
        if self.pyramid.grow_every:
            return self.pyramid.grow_every
        return max(int(self.pyramid.grow_share * steps / max(self._levels_to_come(), 1)), 1)

    def views_per_step(self, images: int) -> int:
        """Views that one step looks at in one backbone, at most, of so many synthetic images."""
        return max(self.lgm.source_views or (self.lgm.views,)) * images

    def check(self, shared: SharedConfig) -> None:
        """Raise `ConfigError` for a pyramid that starts too large, or has not a step for each of its levels.

        A `grow_every` that was asked for may leave levels out (`levels_left_out`), as in the reference.
        """
        self._check_objective(len(shared.networks()))
        self._check_contrast(shared)
        side, start = self.synthetic.resolution, self.pyramid.start
        if self.synthetic.parameterisation == "phase" and self.synthetic.initial == "zero":
            raise ConfigError(
                "synthetic.parameterisation phase has no zero image, since its spectrum stays; add --synthetic.initial "
                "noise or real"
            )
        if self.synthetic.parameterisation != "pyramid":
            return
        if start > side:
            raise ConfigError(f"pyramid.start ({start} px) is larger than synthetic.resolution ({side} px)")
        left, due = self.levels_left_out(shared.steps), self._levels_to_come() * self.grow_every(shared.steps)
        if left and not self.pyramid.grow_every:
            raise ConfigError(
                f"the pyramid reaches its full {side} px only at step {due}, but the run has {shared.steps} steps; "
                f"raise steps above {due}, or lower synthetic.resolution"
            )

    def clusters_per_class(self, images_per_class: int) -> int:
        """Rows of the head for each class: one, or one for each of its images."""
        return images_per_class if self.lgm.clusters and self.lgm.target != "batch" else 1

    @property
    def is_contrast(self) -> bool:
        return self.lgm.contrast != "none"

    def other_meaning(self, classes: int) -> tuple[int, ...]:
        """The second backbone's class for each of the first one's, in a contrast run."""
        lgm = self.lgm
        if lgm.contrast == "rolled":
            return tuple((place + 1) % classes for place in range(classes))
        if lgm.contrast == "listed" and len(lgm.contrast_classes) != classes:
            raise ConfigError(
                f"lgm.contrast-classes lists {len(lgm.contrast_classes)} classes, but the data set has {classes}: give "
                "one for each, in their order"
            )
        return lgm.contrast_classes

    def _check_contrast(self, shared: SharedConfig) -> None:
        """Raise `ConfigError` for a contrast that is not between two backbones, or whose classes are no exchange."""
        contrast, given = self.lgm.contrast, self.lgm.contrast_classes
        if (contrast == "listed") != bool(given):
            raise ConfigError("lgm.contrast listed and lgm.contrast-classes belong together: give both, or neither")
        if given and (sorted(given) != list(range(len(given))) or list(given) == sorted(given)):
            raise ConfigError(
                f"lgm.contrast-classes must exchange some of the classes 0 to {len(given) - 1}, each named once; "
                f"{' '.join(map(str, given))} was given"
            )
        if contrast != "none" and len(shared.networks()) != 2:
            raise ConfigError(
                f"lgm.contrast is between two backbones, A+B; {' and '.join(shared.networks())} was given"
            )
        if contrast != "none" and self.clusters_per_class(shared.images_per_class) > 1:
            raise ConfigError(
                "lgm.contrast gives each class as a whole another meaning, and cannot have its clusters: add "
                "--no-lgm.clusters, or one image per class"
            )

    def _check_objective(self, sources: int) -> None:
        """Raise `ConfigError` for settings of the objective that cannot be had, or would change nothing."""
        lgm = self.lgm
        whitens = lgm.whiten in ("diagonal", "full")
        if lgm.target == "batch" and (whitens or lgm.objective == "ridge"):
            asked, instead = ("objective ridge", "cosine") if lgm.objective == "ridge" else ("whiten", "none")
            raise ConfigError(
                f"lgm.{asked} needs the bank of real features, which lgm.target batch does not have; add "
                f"--lgm.{asked.split()[0]} {instead}"
            )
        if lgm.objective == "ridge" and whitens:
            raise ConfigError(
                f"lgm.whiten {lgm.whiten} is a metric for gradients, which lgm.objective ridge has not; add "
                "--lgm.whiten none"
            )
        if lgm.whiten_beta_end and lgm.whiten == "none":
            raise ConfigError("lgm.whiten-beta-end changes nothing without a metric: add --lgm.whiten full")
        for name, given in (("views", lgm.source_views), ("weights", lgm.source_weights)):
            if given and len(given) != sources:
                raise ConfigError(
                    f"lgm.source-{name} has {len(given)} value{'s' if len(given) > 1 else ''} for {sources} "
                    f"backbone{'s' if sources > 1 else ''}: give one for each, in their order"
                )

    def levels_left_out(self, steps: int) -> int:
        """Levels of the pyramid that a run of so many steps ends before; 0 where it reaches its full size."""
        if self.synthetic.parameterisation != "pyramid":
            return 0
        return max(self._levels_to_come() - (steps - 1) // self.grow_every(steps), 0)

    def _levels_to_come(self) -> int:
        return (self.synthetic.resolution - 1).bit_length() - (self.pyramid.start - 1).bit_length()
