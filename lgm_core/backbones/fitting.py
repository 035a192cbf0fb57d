"""How many views fit into memory at once, estimated from what one view keeps for the backward pass.

>>> fitting_chunk(1000, bytes_per_view(backbone, compute), free_bytes(compute.device))  # 0: all at once
120
"""

import torch
from torch import Tensor

from lgm_core.base.device import Compute
from lgm_core.base.interfaces import Backbone

_SHARE = 0.7  # share of the free memory that activations may take
_BESIDE = 1.3  # factor for what a pass needs besides the kept activations: gradients and workspaces


def bytes_per_view(backbone: Backbone, compute: Compute) -> int:
    """Bytes that the forward pass of one more view keeps for the backward pass; the same on every device."""
    return max(_kept(backbone, compute, 2) - _kept(backbone, compute, 1), 1)


def fitting_chunk(views: int, per_view: int, free: int) -> int:
    """Views per forward pass; 0 where all fit at once, or where the free memory is not known (0)."""
    if not free or views * per_view * _BESIDE <= _SHARE * free:
        return 0
    return max(int(_SHARE * free / (per_view * _BESIDE)), 1)


def _kept(backbone: Backbone, compute: Compute, images: int) -> int:
    side, storages = backbone.input_size, {}
    own = {tensor.untyped_storage().data_ptr() for tensor in (*backbone.parameters(), *backbone.buffers())}

    def keep(tensor: Tensor) -> Tensor:
        storage = tensor.untyped_storage()
        if storage.data_ptr() not in own:
            storages[storage.data_ptr()] = storage.nbytes()
        return tensor

    views = torch.zeros(images, 3, side, side, device=compute.device, requires_grad=True)
    with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
        features = compute.features(backbone, views)
    found = sum(storages.values())
    del features
    return found
