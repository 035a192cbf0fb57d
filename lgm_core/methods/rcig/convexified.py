"""The convexified inner problem in closed form: a linear model in the body, a ridge head on frozen features.

RCIG specification, sections 1 and 2; Loo et al., arXiv 2302.06755. With K the kernel of the features, A = K + lambda,
alpha = A^-1 (Y - J delta) and c = lambda / (N C), all that is needed are products with J:

    gradient   c (delta - J' alpha)            curvature  c (v + J' A^-1 J v)
    outer      the real side is three sums, J_T' G, Phi_T' G and <G, P>, where G is the gradient in the predictions P

Legend: N synthetic images with flips, B real images, D features, C classes, P parameters of the body.

>>> problem = Convexified(frozen, setting, chunk=128)
>>> loss, gradient = problem.loss_and_gradient(problem.start())
"""

from dataclasses import dataclass, fields
from typing import final

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn.functional import cross_entropy

from lgm_core.base.errors import UserError
from lgm_core.base.rank_sums import sum_
from lgm_core.base.ranks import share
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
from lgm_core.methods.rcig.linearised import Frozen, Jacobian
from lgm_core.methods.rcig.splices import Spliced


@dataclass
class _RealSums:
    """The real side of the outer loss, summed chunk by chunk; several processes share the real images."""

    loss: Tensor
    hits: Tensor
    body: Float[Tensor, "p"]  # J_T' G
    head: Float[Tensor, "d c"]  # Phi_T' G
    temperature: Tensor  # <G, P>: the derivative in the log temperature


@final
class Convexified(InnerProblem):
    """Factors the kernel once; every product after that is one pass forward or back through the synthetic images."""

    def __init__(self, frozen: Frozen, setting: Setting, *, chunk: int, forward_chunk: int = 0) -> None:
        """`chunk`: real images per pass; `forward_chunk`: synthetic ones, 0: all at once."""
        self._frozen, self._setting, self._chunk = frozen, setting, chunk
        self._own = Spliced(frozen, setting.images, forward_chunk)
        self._targets = setting.targets.detach()
        n, classes = self._targets.shape
        self._scale = setting.penalty / (n * classes)
        features = self._own.features.double()  # only the kernel is in float64: its matrix may be ill-conditioned
        kernel = features @ features.T
        kernel.diagonal().add_(setting.penalty)
        self._factor, wrong = torch.linalg.cholesky_ex(kernel)
        if wrong:
            raise UserError(
                "the kernel of the features has no Cholesky factor: images or networks are no longer finite. "
                "Lower rcig.image_rate or rcig.pool_rate, raise rcig.l2_rate, or fork from an earlier frame"
            )

    def start(self) -> Float[Tensor, "p"]:
        return torch.zeros_like(self._frozen.body)

    def loss_and_gradient(
        self, displacement: Float[Tensor, "p"], rows: Rows = None
    ) -> tuple[Float[Tensor, ""], Float[Tensor, "p"]]:
        residual = self._targets - self._own.times(displacement)
        alpha = self._solve(residual)
        loss = self._scale / 2 * ((residual * alpha).sum() + displacement.square().sum())
        gradient = self._scale * (displacement - self._own.transposed(alpha, rows))
        return loss, gradient

    def curvature(
        self, vector: Float[Tensor, "p"], displacement: Float[Tensor, "p"], rows: Rows = None
    ) -> Float[Tensor, "p"]:
        moved = self._solve(self._own.times(vector, rows))
        return self._scale * (vector + self._own.transposed(moved, rows))

    def outer(self, displacement: Float[Tensor, "p"], real: RealBatch, rows: Rows = None) -> Outer:
        alpha = self._solve(self._targets - self._own.times(displacement))
        sums = self._real_sums(displacement, self._own.features.T @ alpha, real)
        back = self._own.transposed(self._solve(self._own.features @ sums.head), rows)
        loss, direct = sums.loss, {}
        with torch.enable_grad():
            features, alpha = self._differentiable(displacement, rows)
            value = (features.T @ alpha * sums.head).sum()
            if self._setting.margin:
                margin = label_margin(self._setting.targets)
                value, loss = value - margin, loss - margin.detach()
            direct = gradients_of(value, self._setting.learned)
        direct["log_temperature"] = direct["log_temperature"] + sums.temperature
        return Outer(
            loss=loss.item(), top1=(sums.hits / len(real.labels)).item(), gradient=sums.body - back, direct=direct
        )

    def implicit(self, vector: Float[Tensor, "p"], displacement: Float[Tensor, "p"], rows: Rows = None) -> Gradients:
        with torch.enable_grad():
            _, alpha = self._differentiable(displacement, rows)
            moved = self._own.differentiable_times(self._setting.images, vector, rows)
            own = alpha if rows is None else alpha[rows]
            return gradients_of(self._scale * (moved * own).sum(), self._setting.learned)

    def _solve(self, right: Float[Tensor, "n c"]) -> Float[Tensor, "n c"]:
        return torch.cholesky_solve(right.double(), self._factor).to(right.dtype)

    def _differentiable(self, displacement: Tensor, rows: Rows) -> tuple[Tensor, Tensor]:
        """Features and alpha with a graph back to what is learned, through the images of `rows`."""
        features, outputs = self._own.differentiable(self._setting.images, displacement, rows)
        wide = features.double()
        kernel = wide @ wide.T + self._setting.penalty * torch.eye(len(wide), dtype=wide.dtype, device=wide.device)
        residual = self._setting.targets - outputs
        alpha = torch.linalg.solve(kernel, residual.double()).to(features.dtype)
        return features, alpha

    def _real_sums(self, displacement: Tensor, head: Float[Tensor, "d c"], real: RealBatch) -> _RealSums:
        zero = displacement.new_zeros(())
        sums = _RealSums(zero, zero, torch.zeros_like(displacement), torch.zeros_like(head), zero)
        with_gradient = torch.ones(len(real.labels), dtype=torch.bool, device=real.labels.device)
        if real.rows is not None:
            with_gradient = torch.zeros_like(with_gradient).index_fill_(0, real.rows, True)
        for back, chosen in ((True, with_gradient), (False, ~with_gradient)):
            numbers = chosen.nonzero().flatten()
            for part in numbers[share(len(numbers))].split(self._chunk):
                if len(part):
                    self._add(sums, displacement, head, real, part, back)
        return _RealSums(*(sum_(getattr(sums, one.name).clone()) for one in fields(sums)))

    def _add(
        self, sums: _RealSums, displacement: Tensor, head: Tensor, real: RealBatch, part: Tensor, back: bool
    ) -> None:
        """Add a chunk of real images to the sums; what its two products share is computed once."""
        own = Jacobian(self._frozen, real.images[part])
        predictions = own.times(displacement) + own.features @ head
        labels, factor = real.labels[part], self._setting.learned["log_temperature"].detach().exp()
        logits = factor * predictions
        sums.loss = sums.loss + cross_entropy(logits, labels, reduction="sum") / len(real.labels)
        sums.hits = sums.hits + (predictions.argmax(1) == labels).sum()
        error = logits.softmax(1)
        error[torch.arange(len(part), device=error.device), labels] -= 1
        error = error * (factor / len(real.labels))
        sums.head += own.features.T @ error
        sums.temperature = sums.temperature + (error * predictions).sum()
        if back:
            sums.body += own.transposed(error)
