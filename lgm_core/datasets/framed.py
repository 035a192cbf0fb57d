"""A data set with coloured frames that tell the class in training and tell nothing in the test: a spurious feature.

`framed:scenes`, or before any other name. Of the training images 95 % have the frame of their class, the others and all
test images a frame by chance, every class's as often. Whoever reads the frame instead of the image is right in training
and wrong here; the groups are the frames, so that worst group and group confusion show it.

>>> train, test = framed(*open_dataset("scenes", places().datasets), "framed:scenes")
>>> test.group_names[0]
'frame of arch'
"""

import colorsys
from typing import final

import torch
from PIL import Image, ImageDraw, ImageOps

from lgm_core.base.interfaces import ImageSet, generator
from lgm_core.datasets.image_set import digest

AGREES = 0.95  # share of the training images whose frame is that of their class
WIDTH = 0.14  # of a frame, as a share of the side: 0.08 of it are left by the usual crop of 224 from 256


@final
class FramedImages(ImageSet):
    """The middle squares of another set's images, each in a frame that says `frames`, one of the classes."""

    def __init__(self, images: ImageSet, frames: torch.Tensor, name: str) -> None:
        self.images, self.name, self.classes, self.labels = images, name, images.classes, images.labels
        self.groups, self.group_names = frames, tuple(f"frame of {one}" for one in images.classes)
        self.fingerprint = digest([images.fingerprint, "framed"], frames)

    def picture(self, index: int) -> Image.Image:
        return self.reduced(index, None)[0]

    def stored(self, index: int) -> bytes:
        return self.images.stored(index)

    def reduced(self, index: int, short: int | None) -> tuple[Image.Image, tuple[int, int]]:
        picture, stored = self.images.reduced(index, short)
        assert self.groups is not None
        hue = int(self.groups[index]) / len(self.classes)
        colour = tuple(round(255 * part) for part in colorsys.hsv_to_rgb(hue, 0.9, 0.9))
        side = min(picture.size)
        square = ImageOps.fit(picture, (side, side))
        ImageDraw.Draw(square).rectangle((0, 0, side - 1, side - 1), outline=colour, width=max(round(WIDTH * side), 1))
        return square, (min(stored), min(stored))

    def origin(self, index: int) -> str:
        return self.images.origin(index)


def framed(train: ImageSet, test: ImageSet, name: str) -> tuple[FramedImages, FramedImages]:
    """Both splits with their frames, which are the same each time."""
    classes, random = len(train.classes), generator("cpu", 0x6672616D)
    own = torch.rand(len(train), generator=random) < AGREES
    other = torch.randint(classes, (len(train),), generator=random)
    chance = torch.randint(classes, (len(test),), generator=random)
    frames = torch.where(own, train.labels, other)
    return FramedImages(train, frames, f"{name}/train"), FramedImages(test, chance, f"{name}/test")
