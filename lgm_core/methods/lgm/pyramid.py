"""Synthetic images as a sum of levels, 1 px, 2 px, 4 px ... up to full size: coarse structure first, detail later.

LGM specification, section 6. Legend: N images, R side of a full image, r side of a level.

>>> pyramid = PyramidSet(SyntheticConfig(), PyramidConfig(), grow_every=20, classes=10, images_per_class=1)
>>> pyramid.sides, pyramid.grow(20), pyramid.sides
([1], True, [1, 2])
"""

from collections.abc import Mapping

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn.functional import interpolate

from lgm_core.base.interfaces import State, generator
from lgm_core.methods.lgm.colour import Colour
from lgm_core.methods.lgm.config import PyramidConfig, SyntheticConfig
from lgm_core.methods.lgm.learned_images import LearnedImages


class PyramidSet(LearnedImages):
    """N = classes * images_per_class images, each the sum of its up-sampled levels, through the colour map."""

    def __init__(
        self,
        config: SyntheticConfig,
        pyramid: PyramidConfig,
        *,
        grow_every: int,
        classes: int,
        images_per_class: int,
        seed: int = 0,
        initial: Float[Tensor, "n 3 r r"] | None = None,
    ) -> None:
        """`initial`: images in [0, 1] to start from, for config.initial = "real"; each level takes what it can hold."""
        super().__init__()
        self.config, self.pyramid, self.grow_every, self.seed = config, pyramid, grow_every, seed
        self.colour = Colour(config.decorrelate_colour)
        self.register_buffer("labels", torch.arange(classes).repeat_interleave(images_per_class))
        self._detail = None if initial is None else laplacian(self.colour.inverse(initial), config.level_sides())
        self.levels = nn.ParameterList()
        first = [side for side in config.level_sides() if side <= pyramid.start]
        for side in first:
            self.levels.append(nn.Parameter(self._first_values(side) / (1 if self._detail else len(first))))

    @property
    def sides(self) -> list[int]:
        """Sides of the present levels, in pixels, coarse to fine."""
        return [level.shape[-1] for level in self.levels]

    def images(self) -> Float[Tensor, "n 3 r r"]:
        return self.colour(self._sum())

    def grow(self, step: int) -> bool:
        missing = self.config.level_sides()[len(self.levels) :]
        if not missing or step == 0 or step % self.grow_every:
            return False
        self._add(missing[0])
        return True

    def rates(self) -> list[float]:
        return [self.pyramid.fine_rate**finer for finer in range(len(self.levels))]

    def state(self) -> State:
        return {f"level_{side:04d}": level.detach() for side, level in zip(self.sides, self.levels, strict=True)}

    def restore(self, state: Mapping[str, Tensor]) -> None:
        device = self.levels[0].device
        self.levels = nn.ParameterList(nn.Parameter(state[name].to(device)) for name in sorted(state))

    def _sum(self) -> Float[Tensor, "n 3 r r"]:
        side = self.config.resolution
        if not self.pyramid.cascade:
            return sum(resize(level, side) for level in self.levels)  # type: ignore[return-value]
        total = self.levels[0]
        for level in list(self.levels)[1:]:
            total = resize(total, level.shape[-1]) + level
        for finer in self.config.level_sides()[len(self.levels) :]:
            total = resize(total, finer)
        return total

    @torch.no_grad()
    def _add(self, side: int) -> None:
        """A new level beside m old ones. In the paper: the old are scaled by m / (m + 1), the new by 1 / (m + 1)."""
        m, device = len(self.levels), self.levels[0].device
        values = self._first_values(side).to(device)
        if self._detail is None and self.pyramid.rescale:
            for level in self.levels:
                level.mul_(m / (m + 1))
            values = values / (m + 1) if self.config.initial == "noise" else resize(self._sum(), side) / m
        elif self._detail is None:
            values = values / (m + 1)
        self.levels.append(nn.Parameter(values))

    def _first_values(self, side: int) -> Float[Tensor, "n 3 s s"]:
        if self._detail is not None:
            return self._detail[self.config.level_sides().index(side)]
        shape = (len(self.labels), 3, side, side)
        if self.config.initial == "zero":
            return torch.zeros(shape)
        return self.config.noise_scale * torch.randn(shape, generator=generator("cpu", self.seed, side))


def laplacian(values: Float[Tensor, "n 3 r r"], sides: list[int]) -> list[Tensor]:
    """Levels whose cascade up to each side is `values` averaged down to that side."""
    smaller = [interpolate(values, size=(side, side), mode="area") for side in sides]
    return [smaller[0]] + [
        fine - resize(coarse, fine.shape[-1]) for coarse, fine in zip(smaller, smaller[1:], strict=False)
    ]


def resize(values: Float[Tensor, "n 3 r r"], side: int) -> Float[Tensor, "n 3 s s"]:
    """Bilinear, no antialias, as in the paper; unchanged at equal size."""
    return values if values.shape[-1] == side else interpolate(values, size=(side, side), mode="bilinear")
