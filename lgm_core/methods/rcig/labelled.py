"""Synthetic images with learned labels and a learned temperature; a running mean of all three is what is published.

RCIG specification, sections 1, 3 and 4.2. Legend: M images, K channels, R side, C classes, N = 2 M with flips, else M.

>>> learned = LabelledSet(pixels, targets, labels, decode=transform.inverse, flip=True, learn_labels=True, decay=0.99)
>>> images, targets = learned.materialise()  # with the mirrored halves
>>> learned.images().shape  # what is published, decoded to [0, 1]
torch.Size([10, 3, 32, 32])
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import final

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from lgm_core.backbones.students.training import with_flips
from lgm_core.base.interfaces import State, SyntheticSet


@dataclass(frozen=True)
class Published:
    """What is learned, as it is published: values as a network sees them, labels, log temperature."""

    pixels: Float[Tensor, "m k r r"]
    targets: Float[Tensor, "m c"]
    log_temperature: Float[Tensor, ""]


@final
class LabelledSet(SyntheticSet):
    """Unbounded pixels, real-valued labels, one log temperature."""

    labels: Tensor
    mean_weight: Tensor

    def __init__(
        self,
        pixels: Float[Tensor, "m k r r"],
        targets: Float[Tensor, "m c"],
        labels: Int[Tensor, "m"],
        *,
        decode: Callable[[Tensor], Tensor],
        flip: bool,
        learn_labels: bool,
        decay: float,
    ) -> None:
        """`decode`: values to images in [0, 1]; `decay`: of the running mean, 0.99 in the paper."""
        super().__init__()
        self.pixels = nn.Parameter(pixels.clone())
        self.targets = nn.Parameter(targets.clone())
        self.log_temperature = nn.Parameter(torch.zeros((), dtype=pixels.dtype))
        self.register_buffer("labels", labels.clone())
        self.register_buffer("mean_weight", torch.zeros((), dtype=torch.float64))
        for name, leaf in self.leaves().items():
            self.register_buffer(f"mean_{name}", torch.zeros_like(leaf))
        self.flip, self.learn_labels, self.decay = flip, learn_labels, decay
        self._decode = decode

    def leaves(self) -> dict[str, Tensor]:
        """What is learned, by name."""
        return {"pixels": self.pixels, "targets": self.targets, "log_temperature": self.log_temperature}

    def materialise(self) -> tuple[Float[Tensor, "n k r r"], Float[Tensor, "n c"]]:
        """Images and labels as the networks are trained on them; gradients flow back through both halves."""
        targets = self.targets if self.learn_labels else self.targets.detach()
        return with_flips(self.pixels, targets) if self.flip else (self.pixels, targets)

    @torch.no_grad()
    def update_mean(self) -> None:
        """Take the present values into the running mean."""
        self.mean_weight.mul_(self.decay).add_(1 - self.decay)
        for name, leaf in self.leaves().items():
            self.get_buffer(f"mean_{name}").mul_(self.decay).add_(leaf, alpha=1 - self.decay)

    @torch.no_grad()
    def published(self) -> Published:
        """The running mean, corrected for its start at 0; the values themselves before the first update. float32."""
        if not self.mean_weight:
            return Published(*(leaf.detach().float().clone() for leaf in self.leaves().values()))
        means = {name: self.get_buffer(f"mean_{name}") for name in self.leaves()}
        return Published(*((mean / self.mean_weight.to(mean)).float() for mean in means.values()))

    def images(self) -> Float[Tensor, "m 3 r r"]:
        return as_pictures(self._decode(self.published().pixels))

    def state(self) -> State:
        return {name: tensor.detach() for name, tensor in self.state_dict().items() if name != "labels"}

    def restore(self, state: Mapping[str, Tensor]) -> None:
        self.load_state_dict({**state, "labels": self.labels})


def as_pictures(images: Float[Tensor, "m k r r"]) -> Float[Tensor, "m 3 r r"]:
    """Decoded images clamped to [0, 1], grey ones as RGB."""
    images = images.clamp(0, 1)
    return images.expand(-1, 3, -1, -1) if images.shape[1] == 1 else images
