"""Differentiable views of images: flip, crop, colour jitter, noise. LGM specification, section 4.

The random choices of all views are drawn first, as small tensors, and applied after: a part of the views can be made
again later, alone, to the last bit (which is what exact chunking needs).
Legend: N images, V views of each, M = V * N views in all (view-major), S side of a view, R side of an image.

>>> augment = Augment(AugmentConfig(), side=224, seed=0, device="cpu")
>>> views = augment(images, augment.draw(len(images), views=3, random=generator("cpu", 0)))  # [3 * N, 3, 224, 224]
"""

import math
from dataclasses import dataclass, fields, replace
from functools import partial

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from lgm_core.backbones.crop import Crop, taps
from lgm_core.base.interfaces import Backbone, generator
from lgm_core.base.settings import AugmentConfig

_NOISE_POOL = 2**23  # normal numbers; every noisy view reads a stretch of it that starts at a random place


@dataclass(frozen=True)
class Choices:
    """The random choices of M views. Lengths are shares of the image's side."""

    image: Int[Tensor, "m"]
    size: Float[Tensor, "m 2"]  # height, width
    centre: Float[Tensor, "m 2"]  # y, x in [-1, 1]
    flip: Bool[Tensor, "m"]
    noisy: Bool[Tensor, "m"]
    noise_start: Int[Tensor, "m"]
    colour: Float[Tensor, "m 3"]  # factors of brightness, contrast, saturation

    def __getitem__(self, part: slice) -> "Choices":
        return Choices(*(getattr(self, f.name)[part] for f in fields(self)))

    def __len__(self) -> int:
        return len(self.image)

    def to(self, device: torch.device) -> "Choices":
        """A copy on `device`. Which views are noisy and where their noise starts stay on the CPU, which reads them."""
        names = ("image", "size", "centre", "flip", "colour")
        moved = {name: getattr(self, name).to(device, non_blocking=True) for name in names}
        return replace(self, **moved)


class Augment:
    """Draws and applies views. The noise comes from a pool of normal numbers made once from `seed`."""

    def __init__(self, config: AugmentConfig, *, side: int, seed: int, device: torch.device | str) -> None:
        self.config, self.side, self.device = config, side, torch.device(device)
        self._noise_numbers = 3 * side * side
        noise = config.noise_std * torch.randn(_NOISE_POOL, generator=generator("cpu", seed, 0x6E6F6973))
        self._pool = (noise + config.noise_mean).to(self.device) if config.noise_std or config.noise_mean else None

    def draw(self, images: int, *, views: int, random: torch.Generator) -> Choices:
        """Choices for `views` views of each image. `random` lives on the CPU, so that every device gets the same."""
        m, c = images * views, self.config
        uniform = torch.rand(7, m, generator=random)
        area = c.area_low + (1 - c.area_low) * uniform[0]
        root_aspect = ((uniform[1] * 2 - 1) * math.log(4 / 3) / 2).exp()
        size = torch.stack((area.sqrt() / root_aspect, area.sqrt() * root_aspect), dim=1)
        if c.crop_inside:
            size = size.clamp(max=1)
        if not c.crop:
            size = torch.ones_like(size)
        centre = (uniform[2:4].T * 2 - 1) * (1 - size)
        start = (uniform[6] * (_NOISE_POOL - self._noise_numbers)).long()
        choices = Choices(
            image=torch.arange(images).repeat(views),
            size=size,
            centre=centre,
            flip=(uniform[4] < 0.5) & c.flip,
            noisy=uniform[5] < c.noise_probability,
            noise_start=start,
            colour=1 + c.colour_jitter * (2 * torch.rand(m, 3, generator=random) - 1)
            if c.colour_jitter
            else torch.ones(m, 3),
        )
        return choices.to(self.device)

    def __call__(
        self, images: Float[Tensor, "n 3 r r"], choices: Choices, noise_scale: Float[Tensor, "1 3 1 1"] | None = None
    ) -> Float[Tensor, "m 3 s s"]:
        """Views of images in [0, 1]; the noise may leave [0, 1], as in the paper. Differentiable in the images.

        `noise_scale` multiplies the noise of each channel, for images that were normalised before.
        """
        side, spill = images.shape[-1], not self.config.crop_inside
        mirrored = torch.where(choices.flip, -choices.size[:, 1], choices.size[:, 1])
        rows = taps(choices.centre[:, 0], choices.size[:, 0], side, self.side, spill=spill)
        columns = taps(choices.centre[:, 1], mirrored, side, self.side, spill=spill)
        if self.config.colour_jitter:
            crops = Crop.apply(images, choices.image, rows, columns, lambda crops: None)
            noise = torch.zeros(len(choices), self._noise_numbers, device=crops.device)
            self._add_noise(noise, choices, noise_scale)
            return jittered(crops, choices.colour) + noise.view(-1, self.side, self.side, 3).permute(0, 3, 1, 2)
        finish = partial(self._add_noise, choices=choices, scale=noise_scale)
        return Crop.apply(images, choices.image, rows, columns, finish)

    def views_for(
        self, backbone: Backbone, images: Float[Tensor, "n 3 r r"], choices: Choices
    ) -> Float[Tensor, "m 3 s s"]:
        """Normalised views, for `backbone.encode`: `backbone.normalise(self(images, choices))`, but cheaper.

        A crop inside the image mixes pixels with weights that sum to 1, so that it may as well come after the
        normalisation, which then touches N images instead of M views. This holds neither with a black border nor with
        colours that are changed in [0, 1].
        """
        if self.config.crop_inside and not self.config.colour_jitter:
            return self(backbone.normalise(images), choices, backbone.scale)
        return backbone.normalise(self(images, choices))

    def _add_noise(self, rows: Float[Tensor, "m numbers"], choices: Choices, scale: Tensor | None) -> None:
        """`rows` are views, a row each, channels last."""
        if self._pool is None:
            return
        for row in choices.noisy.nonzero().flatten().tolist():
            start = int(choices.noise_start[row])
            noise = self._pool[start : start + self._noise_numbers]
            if scale is None:
                rows[row] += noise
            else:
                rows[row].view(-1, 3).addcmul_(noise.view(-1, 3), scale.view(1, 3))


def jittered(views: Float[Tensor, "m 3 s s"], factors: Float[Tensor, "m 3"]) -> Float[Tensor, "m 3 s s"]:
    """Views in [0, 1] with brightness, contrast and saturation times their factors, one after another, clamped."""
    from kornia import enhance  # takes seconds to import; most runs need none of it

    brightness, contrast, saturation = factors.unbind(dim=1)
    views = enhance.adjust_brightness_accumulative(views, brightness)
    views = enhance.adjust_contrast_with_mean_subtraction(views, contrast)
    return enhance.adjust_saturation_with_gray_subtraction(views, saturation)
