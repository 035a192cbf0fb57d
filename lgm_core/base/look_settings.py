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
    views: int = knob(10, "views of each damaged image, whose class means judge", low=1, high=1000)
    classes: int = knob(10, "classes of which images are shown, at most", low=1, high=100)
    real_per_class: int = knob(1, "real images shown beside those of a set, of each class", low=1, high=20)
