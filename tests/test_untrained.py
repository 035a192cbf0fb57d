"""Networks with random weights, as a control: `random:NAME`."""

import pytest
import torch

from lgm_core.backbones.catalog import find_row, status
from lgm_core.backbones.frozen import open_backbone
from lgm_core.base.errors import UnknownName


@pytest.mark.parametrize("name", ["random:mobilenet_v3_small", "random:timm:test_efficientnet"])
def test_an_untrained_network_is_its_architecture_and_the_same_each_time(name, here):
    row = find_row(name)
    assert status(row, here) == "ready" and row.title.endswith(", untrained")
    with torch.random.fork_rng():
        torch.manual_seed(1)
        before = torch.random.get_rng_state()
        first, again = (open_backbone(name, here) for _ in range(2))
        assert torch.equal(torch.random.get_rng_state(), before)
    images = torch.rand(2, 3, 224, 224)
    assert torch.equal(first(images), again(images)) and first(images).std() > 0
    assert first.weights_hash == again.weights_hash and len(first.weights_hash) == 64
    assert first.record.file == "" and first.record.source == "random initialisation, seed 0"
    assert first.feature_size == (row.feature_size or first.feature_size) and first.name == name


def test_an_untrained_network_can_be_read_at_a_layer(here):
    whole, early = (open_backbone(f"random:mobilenet_v3_small{at}", here) for at in ("", "@stage1.pool"))
    assert early.name == "random:mobilenet_v3_small@stage1.pool" and early.feature_size < whole.feature_size
    assert early.weights_hash == whole.weights_hash


def test_wrong_names_are_answered_as_without_the_prefix(here):
    with pytest.raises(UnknownName, match="did you mean 'mobilenet_v2'"):
        find_row("random:mobilnet_v2")
    with pytest.raises(UnknownName, match="a function of your own"):
        find_row("random:python:x.py:build")
