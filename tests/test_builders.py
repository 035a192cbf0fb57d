"""open_clip's transformers, built so that their blocks work on the tokens first: the same values as the library's."""

from typing import Any

import open_clip
import pytest
import torch

from lgm_core.backbones.builders import build_open_clip
from lgm_core.backbones.catalog import find_row

SMALL = {"image_size": 32, "patch_size": 16, "layers": 2, "width": 32, "head_width": 16}


@pytest.mark.parametrize(
    ("more", "first"),
    [
        ({}, False),
        ({"attentional_pool": True, "attn_pooler_heads": 2}, False),
        ({"qk_norm": True}, True),  # its own blocks, which know one order
    ],
    ids=["ViT", "pooled by attention", "other blocks"],
)
def test_the_order_of_axes_does_not_change_the_values(
    more: dict[str, Any], first: bool, monkeypatch: pytest.MonkeyPatch
):
    config = {"embed_dim": 16, "vision_cfg": SMALL | more, "quick_gelu": True}
    monkeypatch.setattr(open_clip, "get_model_config", lambda name: config)
    torch.manual_seed(0)
    text = open_clip.CLIPTextCfg(context_length=1, vocab_size=1, width=64, heads=1, layers=1)
    theirs = open_clip.CLIP(16, config["vision_cfg"], text, quick_gelu=True).visual.eval()
    ours = build_open_clip(find_row("clip_vitb32"), theirs.state_dict()).eval()
    assert ours.transformer.batch_first == first and theirs.transformer.batch_first
    images = torch.rand(3, 3, 32, 32)
    torch.testing.assert_close(ours(images), theirs(images), rtol=1e-5, atol=1e-5)
    seen, wanted = (one.forward_intermediates(images)["image_intermediates"] for one in (ours, theirs))
    for mine, other in zip(seen, wanted, strict=True):
        torch.testing.assert_close(mine, other, rtol=1e-5, atol=1e-5)
