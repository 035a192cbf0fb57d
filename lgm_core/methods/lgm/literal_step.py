"""The paper's step as its public code does it: the oracle for parity, and the yardstick for speed.

Nothing here is clever. The backbone is as published, its parameters ask for gradients; nine full-size levels are added;
crops come from `grid_sample` and spill into black; the head's gradient of both sides comes from autograd, the synthetic
one with `create_graph`; the real side is the forward, with a graph, of a fresh batch of as many images as there are
views. LGM specification, sections 1, 4, 6 and 12. Decoding the real images is left out.

>>> LiteralStep("mobilenet_v3_small", views=10, classes=10, compute=compute).step()
"""

import math
from dataclasses import replace

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn.functional import affine_grid, cross_entropy, grid_sample

from lgm_core.backbones.frozen import open_backbone
from lgm_core.base.device import Compute
from lgm_core.base.interfaces import generator
from lgm_core.base.places import places
from lgm_core.methods.lgm.config import PyramidConfig, SyntheticConfig
from lgm_core.methods.lgm.gradients import LinearHead
from lgm_core.methods.lgm.pyramid import PyramidSet


class LiteralStep:
    """One synthetic image per class, at the paper's 256 px for an input of 224 px, all levels present."""

    def __init__(self, name: str, *, views: int, classes: int, compute: Compute) -> None:
        if compute.device.type == "cpu":  # the public code has autocast on a GPU only
            compute = replace(compute, precision="float32", chosen={})
        self.compute, self.classes, self.views = compute, classes, views
        self.backbone = open_backbone(name, places(), device=compute.device, plain=True).requires_grad_(True)
        self.size = self.backbone.input_size
        side = round(self.size * 256 / 224)
        self.synthetic = _full_pyramid(side, classes).to(compute.device)
        self.real = torch.rand(views * classes, 3, side, side, device=compute.device)
        self.optimiser = torch.optim.Adam(self.synthetic.parameters(), lr=2e-3)

    def step(self) -> None:
        width, device = self.backbone.feature_size, self.compute.device
        weight = LinearHead.draw(classes=self.classes, features=width, std=0.01, random=generator("cpu", 0)).weight
        weight, bias = weight.to(device).requires_grad_(), torch.zeros(self.classes, device=device, requires_grad=True)
        labels = self.synthetic.labels.repeat(self.views)
        self.optimiser.zero_grad()
        real = _gradient(self._features(self.real), labels, weight, bias, graph=False).detach()
        views = self.synthetic.images().repeat(self.views, 1, 1, 1)
        ours = _gradient(self._features(views), labels, weight, bias, graph=True)
        (1 - torch.cosine_similarity(real, ours, dim=0)).backward()
        self.optimiser.step()

    def _features(self, images: Float[Tensor, "m 3 r r"]) -> Float[Tensor, "m d"]:
        return self.compute.features(self.backbone, literal_views(images, self.size))


def literal_views(images: Float[Tensor, "m 3 r r"], side: int) -> Float[Tensor, "m 3 s s"]:
    """One flipped, cropped, noisy view of each image."""
    m, device = len(images), images.device
    images = torch.where(torch.rand(m, 1, 1, 1, device=device) < 0.5, images.flip(-1), images)
    area = torch.empty(m, device=device).uniform_(0.08, 1)
    root_aspect = (torch.empty(m, device=device).uniform_(-1, 1) * math.log(4 / 3) / 2).exp()
    width, height = area.sqrt() * root_aspect, area.sqrt() / root_aspect
    x, y = ((torch.rand(m, device=device) * 2 - 1) * (1 - size) for size in (width, height))
    zero = torch.zeros_like(width)
    boxes = torch.stack((width, zero, x, zero, height, y), dim=1).view(m, 2, 3)
    views = grid_sample(images, affine_grid(boxes, [m, 3, side, side], align_corners=False), align_corners=False)
    noisy = torch.rand(m, 1, 1, 1, device=device) < 0.5
    return torch.where(noisy, views + 0.2 * torch.randn_like(views), views)


def _gradient(features: Tensor, labels: Tensor, weight: Tensor, bias: Tensor, graph: bool) -> Tensor:
    loss = cross_entropy(features @ weight.T + bias, labels)
    gradients = torch.autograd.grad(loss, (weight, bias), create_graph=graph)
    return torch.cat([gradient.flatten() for gradient in gradients])


def _full_pyramid(side: int, classes: int) -> PyramidSet:
    return PyramidSet(
        SyntheticConfig(resolution=side, noise_scale=1.0),
        PyramidConfig(start=side, cascade=False),
        grow_every=1,
        classes=classes,
        images_per_class=1,
    )
