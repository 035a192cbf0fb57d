"""The inner problem as it is written, differentiated by autograd: slow and obvious.

The oracle of `convexified`, and what the ablations run: `linearise` off, the network itself in place of its tangent;
`naive`, the plain network with its own last layer and no ridge head. RCIG specification, sections 1.3, 1.4 and 7.
Legend: N synthetic images with flips, B real images, D features, C classes, P parameters that are moved.

>>> problem = Literal(frozen, setting, linearise=False)
"""

from typing import final

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn.functional import cross_entropy, linear, one_hot

from lgm_core.methods.rcig.inner_problem import (
    Gradients,
    InnerProblem,
    Outer,
    RealBatch,
    Rows,
    Setting,
    gradients_of,
    label_margin,
)
from lgm_core.methods.rcig.linearised import Frozen


@final
class Literal(InnerProblem):
    """Inner and outer loss as functions of the displacement and of what is learned."""

    def __init__(self, frozen: Frozen, setting: Setting, *, linearise: bool = True, naive: bool = False) -> None:
        self._frozen, self._setting = frozen, setting
        self._linearise, self._naive = linearise and not naive, naive

    def start(self) -> Float[Tensor, "p"]:
        return torch.zeros_like(self._frozen.parameters if self._naive else self._frozen.body)

    def inner_loss(self, displacement: Tensor, images: Tensor, targets: Tensor) -> Tensor:
        """Section 1.3, literally; of the naive problem: squared error and weight decay of the whole network."""
        outputs = self._outputs(displacement, images)
        if self._naive:
            decay = (self._frozen.parameters + displacement).square().sum()
            return ((targets - outputs).square().sum() + self._setting.penalty * decay) / (2 * targets.numel())
        features = self._frozen.features(images)
        kernel = features @ features.T
        alpha = self._alpha(kernel, targets - outputs)
        fit = (targets - outputs - kernel @ alpha).square().sum()
        decay = (alpha * (kernel @ alpha)).sum() + displacement.square().sum()
        return (fit + self._setting.penalty * decay) / (2 * targets.numel())

    def outer_loss(self, displacement: Tensor, real: RealBatch) -> tuple[Tensor, Tensor]:
        """Section 1.4, literally, and the predictions; of the naive problem: squared error on the real images."""
        setting, outputs = self._setting, self._outputs(displacement, real.images)
        if self._naive:
            wanted = one_hot(real.labels, outputs.shape[1]) - 1 / outputs.shape[1]
            return (outputs - wanted).square().mean() / 2, outputs
        features = self._frozen.features(setting.images)
        alpha = self._alpha(features @ features.T, setting.targets - self._outputs(displacement, setting.images))
        predictions = outputs + self._frozen.features(real.images) @ features.T @ alpha
        loss = cross_entropy(setting.learned["log_temperature"].exp() * predictions, real.labels)
        return (loss - label_margin(setting.targets) if setting.margin else loss), predictions

    def loss_and_gradient(
        self, displacement: Float[Tensor, "p"], rows: Rows = None
    ) -> tuple[Float[Tensor, ""], Float[Tensor, "p"]]:
        with torch.enable_grad():
            at = displacement.detach().requires_grad_()
            loss = self.inner_loss(at, self._setting.images.detach(), self._setting.targets.detach())
            return loss.detach(), torch.autograd.grad(loss, at)[0]

    def curvature(
        self, vector: Float[Tensor, "p"], displacement: Float[Tensor, "p"], rows: Rows = None
    ) -> Float[Tensor, "p"]:
        with torch.enable_grad():
            at = displacement.detach().requires_grad_()
            loss = self.inner_loss(at, self._setting.images.detach(), self._setting.targets.detach())
            gradient = torch.autograd.grad(loss, at, create_graph=True)[0]
            return torch.autograd.grad(gradient, at, vector)[0]

    def outer(self, displacement: Float[Tensor, "p"], real: RealBatch, rows: Rows = None) -> Outer:
        with torch.enable_grad():
            at = displacement.detach().requires_grad_()
            loss, predictions = self.outer_loss(at, real)
            gradient = torch.autograd.grad(loss, at, retain_graph=True)[0]
            direct = gradients_of(loss, self._setting.learned)
        top1 = (predictions.argmax(1) == real.labels).double().mean().item()
        return Outer(loss=loss.item(), top1=top1, gradient=gradient, direct=direct)

    def implicit(self, vector: Float[Tensor, "p"], displacement: Float[Tensor, "p"], rows: Rows = None) -> Gradients:
        with torch.enable_grad():
            at = displacement.detach().requires_grad_()
            loss = self.inner_loss(at, self._setting.images, self._setting.targets)
            gradient = torch.autograd.grad(loss, at, create_graph=True)[0]
            return gradients_of(-(vector * gradient).sum(), self._setting.learned)

    def _alpha(self, kernel: Tensor, residual: Tensor) -> Tensor:
        eye = torch.eye(len(kernel), dtype=kernel.dtype, device=kernel.device)
        return torch.linalg.solve(kernel + self._setting.penalty * eye, residual)

    def _outputs(self, displacement: Tensor, images: Tensor) -> Float[Tensor, "n c"]:
        frozen = self._frozen
        if self._linearise:
            return frozen.tangent(images, displacement)
        if not self._naive:
            return frozen(frozen.body + displacement, images)[0] - frozen(frozen.body, images)[0]
        moved = frozen.parameters + displacement
        outputs, features = frozen(moved[: frozen.size], images)
        weight = moved[frozen.size :].view_as(frozen.head_weight)
        return outputs + linear(features, weight - frozen.head_weight)
