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

    parameterisation: Literal["pyramid", "pixels"] = knob("pyramid", "sum of levels from 1 px up, or plain pixels")
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
    whiten: float = knob(
        0.0,
        "whiten gradients by the covariance within classes: its floor, as a share of the mean variance; "
        "0: off, as in the paper",
        low=0,
        high=1000,
    )
    distance: Literal["whole", "per_class"] = knob(
        "whole", "1 - cosine of the whole gradients, as in the paper, or the mean over each class's own row"
    )
    balance: bool = knob(True, "weigh the real classes equally; off: the data set's own prior, as in the paper")
    head_std: float = knob(0.01, "standard deviation of the random head's weights", low=0, high=10)
    bank_rows: int = knob(65536, "rows of the bank per step, redrawn each step", low=16)
    chunk: int = knob(
        0, "views per forward pass, of all images together; 0: as many as fit. Same gradient, less memory", low=0
    )


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
        """Views that one step looks at, of so many synthetic images."""
        return self.lgm.views * images

    def check(self, shared: SharedConfig) -> None:
        """Raise `ConfigError` for a pyramid that starts too large, or has not a step for each of its levels.

        A `grow_every` that was asked for may leave levels out (`levels_left_out`), as in the reference.
        """
        if self.lgm.whiten and self.lgm.target == "batch":
            raise ConfigError("lgm.whiten needs the bank of real features, which lgm.target batch does not have")
        side, start = self.synthetic.resolution, self.pyramid.start
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

    def levels_left_out(self, steps: int) -> int:
        """Levels of the pyramid that a run of so many steps ends before; 0 where it reaches its full size."""
        if self.synthetic.parameterisation != "pyramid":
            return 0
        return max(self._levels_to_come() - (steps - 1) // self.grow_every(steps), 0)

    def _levels_to_come(self) -> int:
        return (self.synthetic.resolution - 1).bit_length() - (self.pyramid.start - 1).bit_length()
