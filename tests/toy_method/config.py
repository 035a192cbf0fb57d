"""The settings of the toy method.

>>> ToySettings(toy=ToyConfig(rate=0.5)).side
32
"""

from dataclasses import dataclass

from lgm_core.base.errors import ConfigError
from lgm_core.base.knobs import knob
from lgm_core.base.method_settings import MethodSettings
from lgm_core.base.settings import SharedConfig


@dataclass(frozen=True, kw_only=True)
class ToyConfig:
    """Images that move towards the mean picture of their class."""

    rate: float = knob(0.1, "share of the way to the mean picture that a step goes", low=0.0, high=1.0)
    side: int = knob(32, "side of a synthetic image", low=8, high=256, unit="px")


@dataclass(frozen=True, kw_only=True)
class ToySettings(MethodSettings):
    """The groups of a run's config that the toy reads: one of its own; it could name shared ones beside it."""

    toy: ToyConfig

    @property
    def side(self) -> int:
        return self.toy.side

    def check(self, shared: SharedConfig) -> None:
        """Raise `ConfigError` for a rate that never arrives."""
        if self.toy.rate * shared.steps < 1:
            raise ConfigError(f"toy.rate {self.toy.rate} goes nowhere in {shared.steps} steps; raise one of them")
