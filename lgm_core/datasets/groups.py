"""Groups of images that a person has chosen, and collections of them, whose groups are classes. Needs no torch.

A collection is a data set, `groups:NAME`. `groups:NAME@DIGEST` is one state of it, which a run keeps a copy of: later
changes of the collection change no run.

>>> collection = read_collection(places().groups, "groups:mine")
>>> collection.classes, collection.dataset
(('towers', 'rest'), 'groups:mine@5f0c2a91')
"""

import hashlib
import json
import random
from dataclasses import asdict, dataclass
from functools import cached_property
from typing import Any, NamedTuple

from lgm_core.base.errors import ConfigError

PREFIX, REST = "groups:", "rest"
LOOKING = "for looking, not for judging"
TEST_PERCENT, SPLIT_SEED = 20, 0  # of each group, kept for testing
FEWEST = 5  # images; a smaller group is not split
REST_LEAST = 100  # images of the rest, where the groups together have fewer
_KEPT_OUT = ("page", "query")  # of a group's digest: they change no image


class Split(NamedTuple):
    """A split of a data set, as it was opened: with at most `per_class` images of each class (0: all), by `seed`.

    `fingerprint`: the first 12 hexadecimal digits or more of that of the images; `count`: how many there are.
    """

    dataset: str
    split: str
    fingerprint: str
    count: int
    per_class: int = 0
    seed: int = 0


@dataclass(frozen=True, kw_only=True)
class Group:
    """Images of one split, by their numbers in it. `page`, `query`: the view of the dashboard they were chosen on."""

    name: str
    images: Split
    indices: tuple[int, ...]
    page: str = ""
    query: str = ""


class Member(NamedTuple):
    """One image of a collection."""

    images: Split
    index: int
    label: int


@dataclass(frozen=True)
class Collection:
    """Groups with a name; `rest`: as a further class, images of the same splits that are in none of the groups."""

    name: str
    groups: tuple[Group, ...] = ()
    rest: bool = False

    @cached_property
    def digest(self) -> str:
        """8 hexadecimal digits that change with what the data set is."""
        values = self.values()
        kept = [{name: one[name] for name in one if name not in _KEPT_OUT} for one in values["groups"]]
        return hashlib.sha256(json.dumps([kept, self.rest], sort_keys=True).encode()).hexdigest()[:8]

    @property
    def dataset(self) -> str:
        """The name of the data set in this very state."""
        return f"{PREFIX}{self.name}@{self.digest}"

    @property
    def datasets(self) -> tuple[str, ...]:
        """The data sets that the images are from."""
        return tuple(dict.fromkeys(group.images.dataset for group in self.groups))

    @property
    def classes(self) -> tuple[str, ...]:
        return (*(group.name for group in self.groups), *([REST] if self.rest else []))

    def values(self) -> dict[str, Any]:
        """As it is written to a file."""
        groups = [asdict(group) | {"images": group.images._asdict()} for group in self.groups]
        return {"groups": groups, "rest": self.rest}

    def members(self) -> list[list[Member]]:
        """The images of each class, in order. An image of several groups belongs to the first of them.

        Raises `ConfigError` where that leaves a class without an image, or there are fewer than two classes.
        """
        if len(self.classes) < 2:
            raise ConfigError(
                f"a data set needs two classes or more, and the collection {self.name!r} has {len(self.classes)}: add "
                "a further group, or the rest (`lgm groups add ... --rest`)"
            )
        taken: set[tuple[Split, int]] = set()
        found: list[list[Member]] = []
        for label, group in enumerate(self.groups):
            own = [index for index in group.indices if (group.images, index) not in taken]
            taken |= {(group.images, index) for index in own}
            found.append([Member(group.images, index, label) for index in own])
        if self.rest:
            found.append(self._rest(taken))
        for name, members in zip(self.classes, found, strict=True):
            if not members:
                raise ConfigError(
                    f"the class {name!r} of the collection {self.name!r} has no image that is in no group before it"
                )
        return found

    def parts(self) -> tuple[list[Member], list[Member]]:
        """The images for training and for testing, class by class: of each class `TEST_PERCENT` are for testing, chosen
        by `SPLIT_SEED`. A class with fewer than `FEWEST` images is not split: all are in both.
        """
        train: list[Member] = []
        test: list[Member] = []
        for members in self.members():
            tests = max(round(len(members) * TEST_PERCENT / 100), 1) if len(members) >= FEWEST else 0
            kept = set(sorted(members, key=_lot)[:tests])
            test += [one for one in members if not kept or one in kept]
            train += [one for one in members if one not in kept]
        return train, test

    def mark(self) -> str:
        """Why accuracies on this data set judge nothing; "" where they do."""
        small = [one[0].label for one in self.members() if len(one) < FEWEST]
        names = ", ".join(self.classes[label] for label in small)
        return f"{LOOKING}: {names} is tested on what it was made from" if small else ""

    def words(self) -> str:
        """What the images are and how they are split, in words."""
        members = self.members()
        said = [
            f"{group.name}: {len(own)} {group.images.split} images of {group.images.dataset}"
            for group, own in zip(self.groups, members, strict=False)
        ]
        said += [f"{REST}: {len(members[-1])} others"] if self.rest else []
        twice = sum(len(group.indices) for group in self.groups) - sum(map(len, members[: len(self.groups)]))
        split = f"of each, {TEST_PERCENT} % are kept for testing, chosen by seed {SPLIT_SEED}"
        also = f"{twice} images of several groups belong to the first of them" if twice else ""
        return "; ".join(filter(None, (", ".join(said), split, also, self.mark())))

    def _rest(self, taken: set[tuple[Split, int]]) -> list[Member]:
        """As many others as all groups have together, at least `REST_LEAST` of each split, drawn by `SPLIT_SEED`."""
        found, splits = [], dict.fromkeys(group.images for group in self.groups)
        wanted = max(len(taken) // max(len(splits), 1), REST_LEAST)
        for images in splits:
            own = {index for split, index in taken if split == images}
            drawn = random.Random(f"{SPLIT_SEED} {images}").sample(
                range(images.count), min(images.count, wanted + len(own))
            )
            others = sorted([index for index in drawn if index not in own][:wanted])
            found += [Member(images, index, len(self.groups)) for index in others]
        return found


def _lot(one: Member) -> str:
    images = one.images
    return hashlib.sha256(f"{SPLIT_SEED} {images.dataset} {images.split} {one.index}".encode()).hexdigest()
