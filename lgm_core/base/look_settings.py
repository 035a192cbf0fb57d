"""The settings of the instruments that look at one backbone, or at one set of images.

>>> LookConfig(k=5).k
5
"""

from dataclasses import dataclass

from lgm_core.base.knobs import knob


@dataclass(frozen=True, kw_only=True)
class LookConfig:
    """What an instrument is asked."""

    k: int = knob(20, "neighbours that vote in a k-NN accuracy", low=1, high=1000)
