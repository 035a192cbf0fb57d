"""Synthetic images as phases under the spectrum of natural images, which stays: what is learned is where edges lie.

MACO, arXiv 2306.06805, with the spectrum of the data set's own photographs. Legend: N images, R side, F = R // 2 + 1.

>>> spectrum = natural_spectrum(photographs, Colour(decorrelated=True))  # [3, R, F]
>>> PhaseSet(SyntheticConfig(resolution=64), classes=10, images_per_class=1, spectrum=spectrum).images().shape
torch.Size([10, 3, 64, 64])
"""

import math
from collections.abc import Mapping

import torch
from jaxtyping import Float
from torch import Tensor, nn

from lgm_core.base.interfaces import State
from lgm_core.methods.lgm.colour import Colour
from lgm_core.methods.lgm.config import SyntheticConfig
from lgm_core.methods.lgm.learned_images import LearnedImages


def natural_spectrum(images: Float[Tensor, "m 3 r r"], colour: Colour) -> Float[Tensor, "3 r f"]:
    """Mean magnitude of each frequency over photographs in [0, 1], as values before the colour map."""
    return torch.fft.rfft2(colour.inverse(images)).abs().mean(dim=0)


class PhaseSet(LearnedImages):
    """N = classes * images_per_class images, of each only the phases free, in radians."""

    spectrum: Tensor

    def __init__(
        self,
        config: SyntheticConfig,
        *,
        classes: int,
        images_per_class: int,
        spectrum: Float[Tensor, "3 r f"],
        random: torch.Generator | None = None,
        initial: Float[Tensor, "n 3 r r"] | None = None,
    ) -> None:
        """`initial`: images in [0, 1] whose phases are the start; without them all phases are as likely."""
        super().__init__()
        self.colour = Colour(config.decorrelate_colour)
        self.register_buffer("labels", torch.arange(classes).repeat_interleave(images_per_class))
        self.register_buffer("spectrum", spectrum)
        if initial is not None:
            values = torch.fft.rfft2(self.colour.inverse(initial)).angle()
        else:
            shape = (classes * images_per_class, *spectrum.shape)
            values = math.pi * (2 * torch.rand(shape, generator=random) - 1)
        self.values = nn.Parameter(values)

    def images(self) -> Float[Tensor, "n 3 r r"]:
        side = self.spectrum.shape[1]
        waves = torch.polar(self.spectrum.expand_as(self.values), self.values)
        return self.colour(torch.fft.irfft2(waves, s=(side, side)))

    def state(self) -> State:
        return {"phases": self.values.detach(), "spectrum": self.spectrum}

    def restore(self, state: Mapping[str, Tensor]) -> None:
        self.values.data.copy_(state["phases"])
        self.spectrum.copy_(state["spectrum"])
