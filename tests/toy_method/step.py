"""One step of the toy method: a share of the way to the mean picture. Legend: N images, C classes, R side.

>>> Toy(ToyConfig(), images=images, labels=labels, means=means).step(0).loss
0.083
"""

from collections.abc import Mapping

from jaxtyping import Float, Int
from torch import Tensor

from lgm_core.base.interfaces import Distiller, HardSet, State, StepResult
from lgm_core.methods.toy.config import ToyConfig


class Toy(Distiller):
    """Depends on its images alone: they are all that a checkpoint holds."""

    def __init__(
        self, config: ToyConfig, *, images: Float[Tensor, "n 3 r r"], labels: Int[Tensor, "n"],
        means: Float[Tensor, "c 3 r r"],
    ) -> None:  # fmt: skip
        self._rate, self._images, self._labels, self._targets = config.rate, images, labels, means[labels]

    def step(self, step: int) -> StepResult:
        way = self._targets - self._images
        self._images = self._images + self._rate * way
        return StepResult(loss=float(way.square().mean()))

    def export(self) -> HardSet:
        return HardSet(self._images.clamp(0, 1), self._labels)

    def state(self) -> State:
        return {"images": self._images}

    def restore(self, state: Mapping[str, Tensor]) -> None:
        self._images = state["images"].to(self._images)
