"""What Linear Gradient Matching needs of the images that it learns: they may grow, and their parts have rates.

`pyramid`, `pixels` and `phases` implement it.
"""

from lgm_core.base.interfaces import SyntheticSet


class LearnedImages(SyntheticSet):
    """A synthetic set whose parameters may become more from step to step."""

    def grow(self, step: int) -> bool:
        """Do what is due at the start of `step` (such as adding a level); True if the set of parameters changed."""
        return False

    def rates(self) -> list[float]:
        """Learning rate of each of `parameters()`, in their order, relative to the distiller's."""
        return [1.0 for _ in self.parameters()]
