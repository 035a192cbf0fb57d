"""A frozen network made cheaper, with the same features: batch norms folded into convolutions, no in-place copies.

A frozen batch norm is a multiply-add per channel: in the convolution's weights it costs nothing, forward and backward.
An in-place hard tanh, hard swish or SiLU makes autograd copy its input first, which the plain form does not.
On two CPU cores, forward + backward takes a third less (docs/log.md, 2026-11-20).

>>> folded(network, torch.rand(1, 3, 224, 224))  # the network, changed, or as it was where the features would move
"""

import copy

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

_TOLERANCE = 1e-4  # relative to the features' norm; rounding alone moves them by about 1e-6
_COPYING = (nn.Hardtanh, nn.Hardswish, nn.SiLU)  # nn.ReLU6 is a Hardtanh; a ReLU's backward needs its output only


def folded(network: nn.Module, images: Float[Tensor, "n 3 s s"]) -> nn.Module:
    """The network in eval mode with its batch norms folded. Where the features of `images` change, it is left alone.

    A batch norm is assumed to follow the convolution right before it among its parent's children; where a network
    calls them in another order, its features change, and it is left alone.
    """
    changed = copy.deepcopy(network).eval()  # the copy of a traced network forgets that it is in eval mode
    if not _fold_children(changed):
        return _without_copies(network)
    with torch.no_grad():
        before, after = network(images), changed(images)
    same = (after - before).norm() <= _TOLERANCE * before.norm()
    return _without_copies(changed if same else network)


def _fold_children(parent: nn.Module) -> int:
    """Fold below `parent`; returns how many batch norms were folded."""
    count, children = 0, list(parent.named_children())
    for (name, before), (norm_name, norm) in zip(children, children[1:], strict=False):
        holder, last, convolution = _end(parent, name, before)
        if isinstance(convolution, nn.Conv2d) and isinstance(norm, nn.BatchNorm2d) and _fits(norm, convolution):
            setattr(holder, last, fuse_conv_bn_eval(convolution, norm))
            setattr(parent, norm_name, _rest_of(norm))
            count += 1
    return count + sum(_fold_children(child) for _, child in children)


def _end(parent: nn.Module, name: str, child: nn.Module) -> tuple[nn.Module, str, nn.Module]:
    """The last module to compute within a child, its name, and its parent."""
    while isinstance(child, nn.Sequential) and len(child):
        parent, (name, child) = child, list(child.named_children())[-1]
    return parent, name, child


def _fits(norm: nn.BatchNorm2d, convolution: nn.Conv2d) -> bool:
    return norm.track_running_stats and norm.num_features == convolution.out_channels


def _rest_of(norm: nn.Module) -> nn.Module:
    """What is left of a folded batch norm: timm's contain a dropout and an activation."""
    rest = [part for name, part in norm.named_children() if name in ("drop", "act")]
    return nn.Sequential(*rest) if rest else nn.Identity()


def _without_copies(network: nn.Module) -> nn.Module:
    for module in network.modules():
        if isinstance(module, _COPYING) and getattr(module, "inplace", False):
            module.inplace = False
    return network
