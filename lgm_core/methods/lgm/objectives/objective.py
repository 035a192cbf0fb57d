"""What the images of a step are measured by: features in, loss out."""

from abc import ABC, abstractmethod
from collections.abc import Callable

from jaxtyping import Float, Int
from torch import Tensor

LossOf = Callable[[Float[Tensor, "m d"], Int[Tensor, "m"]], Float[Tensor, ""]]


class Objective(ABC):
    """One backbone's side of an objective; depends on nothing but the number of the step."""

    @abstractmethod
    def at(self, step: int) -> LossOf:
        """The loss of this step as a function of M views' features and of the row that each belongs to.

        Differentiable in the features, float32. May be called several times, with the same result.
        """
