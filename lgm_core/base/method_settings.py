"""The groups of a run's config that one method reads, and what others may ask of them.

>>> own_settings(config).side
128
"""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any

from lgm_core.base.settings import SharedConfig


class MethodSettings(ABC):
    """The groups of a run's config that one method reads; each implementation is a frozen dataclass of these groups."""

    @abstractmethod
    def check(self, shared: SharedConfig) -> None:
        """Raise `ConfigError` for values that are valid one by one, but not together."""

    @property
    @abstractmethod
    def side(self) -> int:
        """Side of the learned images, in pixels."""

    @property
    def is_contrast(self) -> bool:
        """Do the images mean different classes to the two networks that they are learned in?"""
        return False

    def other_meaning(self, classes: Sequence[str]) -> tuple[int, ...]:
        """For each class, by number, the class that its images mean to the second of two networks; () where the same,
        or where that is chosen from the real images. `classes`: their names.

        Raises `ConfigError` where the settings do not fit these classes.
        """
        return ()

    def views_of_a_step(self, images: int, networks: int) -> float:
        """Views of so many learned images that a step looks at, on average, in all networks; 0: it has no views."""
        return 0.0

    def of_one_network(self) -> dict[str, Any]:
        """Changes of settings, groups as dicts, that leave out what says how several networks are joined."""
        return {}

    def from_picture(self) -> dict[str, Any]:
        """Changes of settings, groups as dicts, with which a run goes on from finished images."""
        return {}

    @property
    def balanced(self) -> bool:
        """Are equally many of the learned images of each class?"""
        return True

    def labels_used(self, *, chosen: bool = False) -> str:
        """Whose class labels the learned images come from, in words; `chosen`: the real ones that are hardest here."""
        return "all training labels"
