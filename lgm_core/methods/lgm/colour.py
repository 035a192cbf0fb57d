"""From unbounded values to RGB in [0, 1]: an optional decorrelated colour space, then a sigmoid.

>>> Colour(decorrelated=True)(torch.zeros(1, 3, 8, 8)).mean()
tensor(0.5000)
"""

import torch
from jaxtyping import Float
from torch import Tensor, nn

from lgm_core.methods.lgm.natural_colour import CORRELATION_ROOT

_ROOT = torch.tensor(CORRELATION_ROOT)


class Colour(nn.Module):
    """image = sigmoid(2 M s) per pixel; M is the identity without decorrelation. LGM specification, section 6."""

    matrix: Tensor

    def __init__(self, decorrelated: bool) -> None:
        super().__init__()
        largest_column = _ROOT.norm(dim=0).max()
        self.register_buffer("matrix", _ROOT / largest_column if decorrelated else torch.eye(3))

    def forward(self, values: Float[Tensor, "n 3 r r"]) -> Float[Tensor, "n 3 r r"]:
        """Unbounded values -> images in [0, 1]."""
        return torch.sigmoid(2 * torch.einsum("dc,ncyx->ndyx", self.matrix, values))

    def inverse(self, images: Float[Tensor, "n 3 r r"]) -> Float[Tensor, "n 3 r r"]:
        """Images in [0, 1] -> values that `forward` turns back into them, up to a clamp of 1/512 at the ends."""
        values = torch.logit(images.clamp(1 / 512, 1 - 1 / 512)) / 2
        return torch.einsum("cd,ndyx->ncyx", torch.linalg.inv(self.matrix), values)
