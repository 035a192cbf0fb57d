"""Networks with random weights, as a control: what an architecture sees before it has learned anything.

>>> network, digest = untrained_network(find_row("random:mobilenet_v2"))
"""

import hashlib

import torch
from torch import nn

from lgm_core.backbones.builders import BUILDERS
from lgm_core.backbones.row import BackboneRow, Untrained


def untrained_network(row: BackboneRow) -> tuple[nn.Module, str]:
    """The row's architecture as its library initialises it, from the row's seed; and the SHA-256 of its weights."""
    assert isinstance(row.source, Untrained)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(row.source.seed)
        network = BUILDERS[row.builder](row, None)
    digest = hashlib.sha256()
    for name, tensor in network.state_dict().items():
        digest.update(name.encode() + tensor.contiguous().numpy().tobytes())
    return network, digest.hexdigest()
