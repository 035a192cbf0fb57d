"""A collection of groups as a data set: images of other data sets, their groups the classes.

>>> train, test = open_groups(read_collection(places().groups, "groups:mine"), open_split)
>>> train.classes
('towers', 'rest')
"""

from collections.abc import Callable, Sequence
from typing import final

import torch
from PIL import Image

from lgm_core.base.errors import UserError
from lgm_core.base.interfaces import ImageSet
from lgm_core.datasets.groups import Collection, Member, Split
from lgm_core.datasets.image_set import digest


@final
class GroupedImages(ImageSet):
    """Images of several sets, in the order of `members`, with classes of their own."""

    def __init__(
        self, *, name: str, classes: Sequence[str], members: Sequence[Member], opened: dict[Split, ImageSet]
    ) -> None:
        self.name, self.classes = name, tuple(classes)
        self.labels = torch.tensor([one.label for one in members], dtype=torch.int64)
        self.groups, self.group_names = None, ()
        self._places = [(opened[one.images], one.index) for one in members]
        indices = torch.tensor([[one.label, one.index] for one in members], dtype=torch.int64)
        owners = [images.fingerprint for images, _ in self._places]
        self.fingerprint = digest([*self.classes, *owners], indices)

    def picture(self, index: int) -> Image.Image:
        images, place = self._places[index]
        return images.picture(place)

    def stored(self, index: int) -> bytes:
        images, place = self._places[index]
        return images.stored(place)

    def reduced(self, index: int, short: int | None) -> tuple[Image.Image, tuple[int, int]]:
        images, place = self._places[index]
        return images.reduced(place, short)

    def origin(self, index: int) -> str:
        images, place = self._places[index]
        return images.origin(place)


def open_groups(collection: Collection, open_split: Callable[[Split], ImageSet]) -> tuple[ImageSet, ImageSet]:
    """Train and test images of a collection. `open_split` opens a split of another data set.

    Raises `UserError` where the images of a data set are not those that the groups were made of.
    """
    parts = collection.parts()
    opened = {images: _same(images, open_split(images), collection.name) for images in _splits(collection)}
    train, test = (
        GroupedImages(name=f"{collection.dataset}/{split}", classes=collection.classes, members=members, opened=opened)
        for split, members in zip(("train", "test"), parts, strict=True)
    )
    return train, test


def _splits(collection: Collection) -> list[Split]:
    return list(dict.fromkeys(group.images for group in collection.groups))


def _same(known: Split, images: ImageSet, name: str) -> ImageSet:
    if len(images) == known.count and images.fingerprint.startswith(known.fingerprint):
        return images
    raise UserError(
        f"the {known.split} images of {known.dataset} are not those that the groups of {name!r} were made of "
        f"({len(images)} images, fingerprint {images.fingerprint[:12]}; expected {known.count}, "
        f"{known.fingerprint[:12]}): restore the data, or make the groups again"
    )
