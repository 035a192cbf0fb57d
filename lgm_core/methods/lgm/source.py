"""One backbone that the images are learned in: its views, its objective, and the chunk that fits into memory.

Legend: N synthetic images, M views of them in all, D features.

Several processes share the views of a step. Each encodes its own, the features of all are gathered, the loss and its
derivative in them are computed by each, every one goes back through its own views, and the gradients in the images are
summed: the step of one process, for any objective, but for the order of the sums.

>>> source = Source(backbone, augment=augment, objective=objective, compute=compute, views=5, seed=0)
>>> loss, gradient, notes = source.gradient(synthetic.images(), rows, step=3)
"""

import torch
from jaxtyping import Float, Int
from torch import Tensor

from lgm_core.backbones.augment import Augment, Choices
from lgm_core.base.device import Compute, is_out_of_memory
from lgm_core.base.interfaces import Backbone, generator
from lgm_core.base.rank_sums import gather, sum_
from lgm_core.base.ranks import share
from lgm_core.methods.lgm.objectives.objective import LossOf, Objective


class Source:
    """Views of the images -> features -> loss -> gradient in the images. A source is told apart by its `name`."""

    def __init__(
        self,
        backbone: Backbone,
        *,
        augment: Augment,
        objective: Objective,
        compute: Compute,
        views: int,
        seed: int,
        weight: int = 1,
        chunk: int = 0,
        place: int = 0,
        meaning: Int[Tensor, "k"] | None = None,
    ) -> None:
        """`chunk`: views per forward pass, of all images together; 0: all at once. `weight`: how much this backbone
        counts beside others; `place`: its number among them, so that each has views of its own. `meaning`: by row of
        the head, the row that its images are matched to here; None: that row itself.
        """
        self.backbone, self.augment, self.objective, self.compute = backbone, augment, objective, compute
        self.views, self.weight, self.chunk = views, weight, chunk
        self.meaning = meaning
        self._seeds = (seed,) if place == 0 else (seed, place)

    def gradient(
        self, images: Float[Tensor, "n 3 r r"], rows: Int[Tensor, "n"], step: int
    ) -> tuple[Float[Tensor, ""], Float[Tensor, "n 3 r r"], tuple[str, ...]]:
        """The loss, its gradient in the images, and what the user should be told.

        `rows`: the row of the head, such as the class, that each image belongs to. Where memory runs out it is tried
        again with half the chunk, down to a single view; what other processes have sent by then is kept.
        """
        rows = rows if self.meaning is None else self.meaning.to(rows.device)[rows]
        loss_of, notes = self.objective.at(step), list[str]()
        seed, *place = self._seeds
        random = generator("cpu", seed, step, 0x76696577, *place)
        choices, sent = self.augment.draw(len(rows), views=self.views, random=random), list[Tensor]()
        while True:
            leaf = images.detach().requires_grad_()
            try:
                loss = self._backward(leaf, choices, loss_of, rows, sent)
                assert leaf.grad is not None
                break
            except RuntimeError as error:  # torch.OutOfMemoryError is one
                if not is_out_of_memory(error) or self.chunk == 1:
                    raise
            # out of the handler, so that the failed pass's tensors are free
            self.chunk = max((self.chunk or len(choices[share(len(choices))])) // 2, 1)
            notes.append(f"The device ran out of memory; continuing with lgm.chunk {self.chunk}: the same gradient.")
            if self.compute.device.type == "cuda":
                torch.cuda.empty_cache()
        return loss, sum_(leaf.grad), tuple(notes)

    def _backward(
        self,
        leaf: Float[Tensor, "n 3 r r"],
        choices: Choices,
        loss_of: LossOf,
        rows: Int[Tensor, "n"],
        sent: list[Tensor],
    ) -> Float[Tensor, ""]:
        """The loss, its gradient left in `leaf`: the part of it that goes through this process's views.

        With chunks: features without a graph, the loss's derivative with respect to them, then each chunk once more
        with a graph. The same gradient, while memory holds one chunk's activations.
        `sent`: the features of all views, once they are gathered, so that a second try does not ask for them again.
        """
        of_views, mine, m = rows[choices.image], share(len(choices)), len(choices)
        own = choices[mine]
        chunk = self.chunk or len(own)
        parts = [slice(start, start + chunk) for start in range(0, len(own), chunk)]
        if len(parts) == 1 and not sent:
            features = gather(self._features(leaf, own), m)
            sent.append(features.detach())
            loss = loss_of(features, of_views)
            loss.backward()
            return loss.detach()
        if not sent:
            with torch.no_grad():
                sent.append(gather(torch.cat([self._features(leaf, own[part]) for part in parts]), m))
        features = sent[0].requires_grad_()
        loss = loss_of(features, of_views)
        (wanted,) = torch.autograd.grad(loss, features)
        for part in parts:
            self._features(leaf, own[part]).backward(wanted[mine][part])
        return loss.detach()

    def _features(self, images: Float[Tensor, "n 3 r r"], choices: Choices) -> Float[Tensor, "m d"]:
        return self.compute.encode(self.backbone, self.augment.views_for(self.backbone, images, choices))
