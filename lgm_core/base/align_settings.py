"""The settings of a run that compares backbones on a data set.

>>> AlignConfig(largest_k=20).permutations
200
"""

from dataclasses import dataclass
from typing import Literal

from lgm_core.base.knobs import knob


@dataclass(frozen=True, kw_only=True)
class AlignConfig:
    """Alignment of backbones on a data set, pair by pair, and where they disagree, image by image."""

    images: int = knob(2000, "test images compared, at most, spread over the classes", low=10, high=1_000_000)
    largest_k: int = knob(50, "largest number of neighbours compared", low=1, high=1000)
    cka_kernel: Literal["linear", "cosine", "correlation"] = knob("linear", "kernel of CKA")
    rsa_kernel: Literal["cosine", "correlation", "linear"] = knob("cosine", "similarity of two images for RSA")
    axes: int = knob(100, "principal components that Procrustes turns onto each other; 0: all", low=0, high=100_000)
    permutations: int = knob(
        200, "permutations by which measures are calibrated against chance; 0: values alone", low=0, high=100_000,
        before=0,
    )  # fmt: skip
    resamples: int = knob(200, "resamples of the images behind each interval", low=2, high=100_000)
    groups: int = knob(
        6, "groups of images that one backbone holds together and another tears apart, per direction", low=0, high=100,
        before=0,
    )  # fmt: skip
    maps: bool = knob(True, "maps of all backbones that can be laid over each other", before=False)
