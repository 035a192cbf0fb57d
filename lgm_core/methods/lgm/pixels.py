"""Synthetic images as plain pixels: one full-size tensor, through the colour map.

>>> PixelSet(SyntheticConfig(resolution=64), classes=10, images_per_class=1).images().shape
torch.Size([10, 3, 64, 64])
"""

from collections.abc import Mapping

import torch
from jaxtyping import Float
from torch import Tensor, nn

from lgm_core.base.interfaces import State
from lgm_core.methods.lgm.colour import Colour
from lgm_core.methods.lgm.config import SyntheticConfig
from lgm_core.methods.lgm.learned_images import LearnedImages


class PixelSet(LearnedImages):
    """N = classes * images_per_class images of R x R free values."""

    def __init__(
        self,
        config: SyntheticConfig,
        *,
        classes: int,
        images_per_class: int,
        random: torch.Generator | None = None,
        initial: Float[Tensor, "n 3 r r"] | None = None,
    ) -> None:
        """`initial`: images in [0, 1] to start from, for config.initial = "real"."""
        super().__init__()
        self.colour = Colour(config.decorrelate_colour)
        self.register_buffer("labels", torch.arange(classes).repeat_interleave(images_per_class))
        shape = (classes * images_per_class, 3, config.resolution, config.resolution)
        if initial is not None:
            values = self.colour.inverse(initial)
        elif config.initial == "zero":
            values = torch.zeros(shape)
        else:
            values = config.noise_scale * torch.randn(shape, generator=random)
        self.values = nn.Parameter(values)

    def images(self) -> Float[Tensor, "n 3 r r"]:
        return self.colour(self.values)

    def state(self) -> State:
        return {"values": self.values.detach()}

    def restore(self, state: Mapping[str, Tensor]) -> None:
        self.values.data.copy_(state["values"])
