"""A network at fixed parameters: its outputs, features, and the products with its Jacobian in the body's parameters.

RCIG specification, sections 1.1 and 2. The body's parameters are all but the head's weight; they and their
displacements are flat vectors. Legend: N images, D features, C classes, P parameters of the body.

>>> frozen = Frozen(student, flatten(student), buffers={})
>>> jacobian = Jacobian(frozen, images)
>>> jacobian.times(displacement).shape, jacobian.transposed(outputs).shape
(torch.Size([20, 10]), torch.Size([93258]))
"""

import warnings
from collections.abc import Mapping
from typing import final

import torch
from jaxtyping import Float
from torch import Tensor
from torch.autograd import forward_ad
from torch.func import functional_call, jvp
from torch.nn.functional import linear

from lgm_core.backbones.students.networks import Student
from lgm_core.backbones.students.parameters import named
from lgm_core.methods.rcig.tangents import Chain, compiled, is_chain

# with the first dual number, torch loads rules that call a torch function which is deprecated
with warnings.catch_warnings(), forward_ad.dual_level():
    warnings.simplefilter("ignore", FutureWarning)
    warnings.simplefilter("ignore", DeprecationWarning)  # what torch 2.11 calls it
    forward_ad.make_dual(torch.zeros(()), torch.zeros(()))


@final
class Frozen:
    """A student at given parameters, one flat vector with the head's weight last; its buffers never change."""

    def __init__(
        self, student: Student, parameters: Float[Tensor, "q"], buffers: Mapping[str, Tensor], *, compiled: bool = False
    ) -> None:
        """`compiled`: products with the Jacobian go through torch.compile, on a GPU with CUDA graphs."""
        self.student, self.compiled = student.eval(), compiled
        self.parameters, self.buffers = parameters.detach(), dict(buffers)
        self.size = parameters.numel() - student.head.weight.numel()
        self.head_weight = self.parameters[self.size :].view_as(student.head.weight)

    @property
    def body(self) -> Float[Tensor, "p"]:
        """The parameters of the body, with the head's bias."""
        return self.parameters[: self.size]

    def __call__(
        self, body: Float[Tensor, "p"], images: Float[Tensor, "n k r r"]
    ) -> tuple[Float[Tensor, "n c"], Float[Tensor, "n d"]]:
        """Outputs and features at parameters `body`."""
        values = named(self.student, body)
        bias = values.pop("head.bias")
        inner = {name.removeprefix("body."): value for name, value in (values | self.buffers).items()}
        features = functional_call(self.student.body, inner, (images,))
        return linear(features, self.head_weight, bias), features

    def features(self, images: Float[Tensor, "n k r r"]) -> Float[Tensor, "n d"]:
        """Features at the fixed parameters."""
        return self(self.body, images)[1]

    def tangent(self, images: Float[Tensor, "n k r r"], displacement: Float[Tensor, "p"]) -> Float[Tensor, "n c"]:
        """J(images) displacement; differentiable in the images."""
        return jvp(lambda body: self(body, images)[0], (self.body,), (displacement,))[1]


@final
class Jacobian:
    """Many products with J at one set of images: what depends on the images alone is computed once."""

    def __init__(self, frozen: Frozen, images: Float[Tensor, "n k r r"]) -> None:
        self._frozen, self._images, self._chain = frozen, images.detach(), None
        if is_chain(frozen.student.body):
            own = (frozen.student, frozen.body, frozen.buffers, frozen.head_weight)
            self._chain = Chain(*own, self._images)
            self.features = self._chain.features
            self._times, self._transposed = Chain.times, Chain.transposed
            if frozen.compiled:
                on_gpu = self._images.is_cuda
                self._times, self._transposed = compiled(Chain.times, on_gpu), compiled(Chain.transposed, on_gpu)
            return
        self._body = frozen.body.clone().requires_grad_()
        with torch.enable_grad():
            self._outputs, features = frozen(self._body, self._images)
        self.features = features.detach()

    def times(self, displacement: Float[Tensor, "p"]) -> Float[Tensor, "n c"]:
        """J displacement."""
        if self._chain is not None:
            return self._times(self._chain, displacement)
        with torch.no_grad():
            return self._frozen.tangent(self._images, displacement)

    def transposed(self, outputs: Float[Tensor, "n c"]) -> Float[Tensor, "p"]:
        """J' outputs."""
        if self._chain is not None:
            return self._transposed(self._chain, outputs.to(self.features))
        return torch.autograd.grad(self._outputs, self._body, outputs.to(self._outputs), retain_graph=True)[0]
