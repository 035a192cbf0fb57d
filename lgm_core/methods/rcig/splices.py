"""Products with the Jacobian of the synthetic images, all of them or a subset spliced with constants.

RCIG specification, section 3.2: where there are too many images to go back through at once, only some rows carry a
gradient, the others are constants. Legend: N images, b rows, D features, C classes, P parameters of the body.

>>> own = Spliced(frozen, images, chunk=0)
>>> own.transposed(outputs, rows=torch.tensor([3, 1]))  # J' of these two images alone
"""

from typing import final

import torch
from jaxtyping import Float
from torch import Tensor

from lgm_core.methods.rcig.inner_problem import Rows
from lgm_core.methods.rcig.linearised import Frozen, Jacobian


@final
class Spliced:
    """With `chunk` 0 the activations of all images are kept; else at most `chunk` images are in memory at once."""

    def __init__(self, frozen: Frozen, images: Float[Tensor, "n k r r"], chunk: int) -> None:
        self._frozen, self._images = frozen, images.detach()
        self._chunk = chunk if 0 < chunk < len(images) else 0
        self._whole: Jacobian | None = None
        if self._chunk:
            with torch.no_grad():
                self.features = torch.cat([frozen.features(part) for part in self._images.split(self._chunk)])
        else:
            self._whole = Jacobian(frozen, self._images)
            self.features = self._whole.features

    def times(self, displacement: Float[Tensor, "p"], rows: Rows = None) -> Float[Tensor, "n c"]:
        """J displacement; with rows, 0 for all others."""
        if rows is not None:
            some = self._some(rows, displacement)
            return some.new_zeros(len(self._images), some.shape[1]).index_copy_(0, rows, some)
        if self._whole is not None:
            return self._whole.times(displacement)
        return self._some(torch.arange(len(self._images), device=self._images.device), displacement)

    def transposed(self, outputs: Float[Tensor, "n c"], rows: Rows = None) -> Float[Tensor, "p"]:
        """J' outputs, the sum over the images of `rows`."""
        if self._whole is not None:
            if rows is not None:
                outputs = torch.zeros_like(outputs).index_copy_(0, rows, outputs[rows])
            return self._whole.transposed(outputs)
        if rows is None:
            rows = torch.arange(len(self._images), device=self._images.device)
        total = torch.zeros_like(self._frozen.body)
        for part in rows.split(self._chunk):
            total += Jacobian(self._frozen, self._images[part]).transposed(outputs[part])
        return total

    def differentiable(
        self, images: Float[Tensor, "n k r r"], displacement: Float[Tensor, "p"], rows: Rows = None
    ) -> tuple[Float[Tensor, "n d"], Float[Tensor, "n c"]]:
        """Features and J displacement with a graph to the images of `rows`; the others are constants."""
        some = images if rows is None else images[rows]
        features, moved = self._frozen.features(some), self._frozen.tangent(some, displacement)
        if rows is None:
            return features, moved
        return self.features.index_copy(0, rows, features), self.times(displacement).index_copy(0, rows, moved)

    def differentiable_times(
        self, images: Float[Tensor, "n k r r"], vector: Float[Tensor, "p"], rows: Rows = None
    ) -> Float[Tensor, "b c"]:
        """J vector of the images of `rows`, in their order, with a graph to them."""
        return self._frozen.tangent(images if rows is None else images[rows], vector)

    def _some(self, rows: Tensor, displacement: Tensor) -> Tensor:
        with torch.no_grad():
            parts = rows.split(self._chunk or len(self._images))
            return torch.cat([self._frozen.tangent(self._images[part], displacement) for part in parts])
