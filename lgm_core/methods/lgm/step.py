"""Linear Gradient Matching: images from which a linear head on a frozen backbone gets the gradient of the real data.

arXiv 2511.16674; LGM specification, section 1. Legend: N synthetic images, V views, D features, C classes.

>>> lgm = assemble(own_settings(config), config, bench)
>>> for step in range(500):
...     lgm.step(step).loss
"""

import math
from collections.abc import Mapping

import torch
from jaxtyping import Float
from torch import Tensor
from torch.optim import Adam

from lgm_core.backbones.augment import Augment, Choices
from lgm_core.base.device import Compute, is_out_of_memory
from lgm_core.base.interfaces import Backbone, Distiller, HardSet, State, StepResult, generator
from lgm_core.methods.lgm.config import LGMConfig
from lgm_core.methods.lgm.gradients import DISTANCES, LinearHead, head_gradient
from lgm_core.methods.lgm.learned_images import LearnedImages
from lgm_core.methods.lgm.targets import RealTarget
from lgm_core.methods.lgm.whitening import whitened


class LinearGradientMatching(Distiller):
    """Each step: views of the synthetic images -> features -> gradient of a head -> 1 - cos to the real one -> Adam."""

    def __init__(
        self,
        config: LGMConfig,
        *,
        steps: int,
        classes: int,
        synthetic: LearnedImages,
        backbone: Backbone,
        augment: Augment,
        target: RealTarget,
        compute: Compute,
        keep_moments: bool,
        seed: int,
        chunk: int = 0,
        root: Float[Tensor, "d d"] | None = None,
    ) -> None:
        """`chunk`: views per forward pass, of all images together; 0: all at once. `root`: see `whitening`."""
        self.config, self.steps, self.classes, self.seed = config, steps, classes, seed
        self.chunk = chunk
        self.synthetic, self.backbone, self.augment = synthetic, backbone, augment
        self.target, self.compute, self.keep_moments = target, compute, keep_moments
        self._root, self._distance = root, DISTANCES[config.distance]
        self._optimiser = self._new_optimiser()

    def step(self, step: int) -> StepResult:
        if self.synthetic.grow(step):
            self._take_up_new_parameters()
        rate = self._learning_rate(step)
        for group, relative in zip(self._optimiser.param_groups, self.synthetic.rates(), strict=True):
            group["lr"] = rate * relative
        head = self._head(step)
        real = whitened(self.target.gradient(head, step), self._root)
        random = generator("cpu", self.seed, step, 0x76696577)
        choices = self.augment.draw(len(self.synthetic.labels), views=self.config.views, random=random)
        loss, notes = self._backward_in_memory(choices, head, real)
        self._optimiser.step()
        return StepResult(loss=loss.item(), scalars={"learning_rate": rate}, notes=notes)

    def _backward_in_memory(
        self, choices: Choices, head: LinearHead, real: Float[Tensor, "c d1"]
    ) -> tuple[Float[Tensor, ""], tuple[str, ...]]:
        """`_backward`, tried again with half the chunk wherever memory runs out, down to a single view."""
        notes: list[str] = []
        while True:
            self._optimiser.zero_grad()
            try:
                return self._backward(self.synthetic.images(), choices, head, real), tuple(notes)
            except RuntimeError as error:  # torch.OutOfMemoryError is one
                if not is_out_of_memory(error) or self.chunk == 1:
                    raise
            # out of the handler, so that the failed pass's tensors are free
            self.chunk = max((self.chunk or len(choices)) // 2, 1)
            notes.append(f"The device ran out of memory; continuing with lgm.chunk {self.chunk}: the same gradient.")
            if self.compute.device.type == "cuda":
                torch.cuda.empty_cache()

    def _backward(
        self, images: Float[Tensor, "n 3 r r"], choices: Choices, head: LinearHead, real: Float[Tensor, "c d1"]
    ) -> Float[Tensor, ""]:
        """The loss, its gradient left in the synthetic set's parameters.

        With chunks: features without a graph, the loss's derivative with respect to them, then each chunk once more
        with a graph. The same gradient, while memory holds one chunk's activations.
        """
        labels = self.synthetic.labels[choices.image]
        chunk = self.chunk or len(choices)
        parts = [slice(start, start + chunk) for start in range(0, len(choices), chunk)]
        if len(parts) == 1:
            loss = self._loss(self._features(images, choices), labels, head, real)
            loss.backward()
            return loss.detach()
        with torch.no_grad():
            features = torch.cat([self._features(images, choices[part]) for part in parts])
        features.requires_grad_()
        loss = self._loss(features, labels, head, real)
        (wanted,) = torch.autograd.grad(loss, features)
        leaf = images.detach().requires_grad_()
        for part in parts:
            self._features(leaf, choices[part]).backward(wanted[part])
        images.backward(leaf.grad)
        return loss.detach()

    def _loss(self, features: Tensor, labels: Tensor, head: LinearHead, real: Tensor) -> Float[Tensor, ""]:
        return self._distance(whitened(head_gradient(features, labels, head), self._root), real)

    def _features(self, images: Float[Tensor, "n 3 r r"], choices: Choices) -> Float[Tensor, "m d"]:
        return self.compute.encode(self.backbone, self.augment.views_for(self.backbone, images, choices))

    def _head(self, step: int) -> LinearHead:
        device = self.compute.device
        if self.target.zero_head:
            return LinearHead(torch.zeros(self.classes, self.backbone.feature_size, device=device))
        random = generator("cpu", self.seed, step, 0x68656164)
        head = LinearHead.draw(
            classes=self.classes, features=self.backbone.feature_size, std=self.config.head_std, random=random
        )
        return LinearHead(head.weight.to(device))

    def _learning_rate(self, step: int) -> float:
        if self.config.schedule == "constant":
            return self.config.learning_rate
        return self.config.learning_rate * 0.5 * (1 + math.cos(math.pi * step / self.steps))

    def _new_optimiser(self) -> Adam:
        return Adam([{"params": [p]} for p in self.synthetic.parameters()], lr=self.config.learning_rate)

    def _take_up_new_parameters(self) -> None:
        if not self.keep_moments:
            self._optimiser = self._new_optimiser()
            return
        known = {id(p) for group in self._optimiser.param_groups for p in group["params"]}
        for parameter in self.synthetic.parameters():
            if id(parameter) not in known:
                self._optimiser.add_param_group({"params": [parameter]})

    @torch.no_grad()
    def export(self) -> HardSet:
        return HardSet(self.synthetic.images(), self.synthetic.labels)

    def state(self) -> State:
        state = {f"synthetic.{name}": tensor for name, tensor in self.synthetic.state().items()}
        state["chunk"] = torch.tensor(self.chunk)
        for index, parameter in enumerate(self.synthetic.parameters()):
            for name, tensor in self._optimiser.state.get(parameter, {}).items():
                state[f"adam.{index}.{name}"] = tensor
        return state

    def restore(self, state: Mapping[str, Tensor]) -> None:
        own = {name.removeprefix("synthetic."): t for name, t in state.items() if name.startswith("synthetic.")}
        self.synthetic.restore(own)
        if "chunk" in state:  # sums over other chunks are rounded differently
            self.chunk = int(state["chunk"])
        self._optimiser = self._new_optimiser()
        for index, parameter in enumerate(self.synthetic.parameters()):
            prefix = f"adam.{index}."
            saved = {name.removeprefix(prefix): t for name, t in state.items() if name.startswith(prefix)}
            if saved:
                moments = {name: t.clone().to(parameter.device) for name, t in saved.items() if name != "step"}
                self._optimiser.state[parameter] = {"step": saved["step"].clone(), **moments}
