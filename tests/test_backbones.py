"""Backbones: every row is true to its library, and real weights see in real photographs what is there."""

from collections import Counter
from dataclasses import replace

import open_clip
import pytest
import timm
import torch
from safetensors.torch import save_file
from timm.layers import resample_abs_pos_embed
from torch import nn
from torchvision.models import get_model_weights

from lgm_core.backbones.builders import BUILDERS
from lgm_core.backbones.catalog import ALIASES, CATALOG, find_row
from lgm_core.backbones.frozen import _memory_format, open_backbone
from lgm_core.backbones.open_names import complete
from lgm_core.backbones.row import HALF, IMAGENET, ByHand, Hub, Wheel
from lgm_core.backbones.stored import read_tensors
from lgm_core.backbones.weights import LAYOUTS
from lgm_core.base.errors import UnknownName, UserError
from lgm_core.base.places import Places

ROWS = pytest.mark.parametrize("row", CATALOG.values(), ids=list(CATALOG))
REQUIRED = {
    *("clip_vitb16", "clip_vitb32", "clip_vitl14", "clip_resnet50", "clip_resnet101"),
    *("dino_vits8", "dino_vits16", "dino_vitb8", "dino_vitb16", "dinov2_vits14", "dinov2_vitb14", "dinov2_vitl14"),
    *("dinov3_vitb16", "eva02_vitt", "eva02_vits", "eva02_vitb", "eva02_vitl", "mocov3_vitb", "mocov3_vitl"),
    *("mobilenet_v3_small", "mobilenet_v2", "tf_efficientnet_lite0"),
    *("barlow_twins_resnet18_cifar10", "barlow_twins_resnet18_cifar100", "barlow_twins_resnet18_tinyimagenet"),
    *("simclr_resnet18_cifar10", "simclr_resnet18_cifar100"),
}


# ---- the catalogue ---------------------------------------------------------------------------------------------------


def test_the_catalogue_holds_what_was_asked_for():
    assert set(CATALOG) >= REQUIRED
    assert max(Counter(row.file for row in CATALOG.values()).values()) == 1  # two rows never share a file


@ROWS
def test_a_row_says_where_it_comes_from_and_whom_to_thank(row):
    assert row.licence and row.citation and row.title and row.family and row.feature
    assert row.megabytes > 0 and row.file.endswith(".safetensors")
    assert row.layout in LAYOUTS and row.builder in BUILDERS
    digest = row.source.sha256
    assert digest == "" or len(digest) == 64
    assert not isinstance(row.source, Hub) or row.source.revision == "main" or len(row.source.revision) == 40
    assert not isinstance(row.source, Wheel) or "==" in row.source.requirement


@ROWS
def test_a_row_is_true_to_its_network(row):
    """Shapes on the meta device: no memory, no arithmetic."""
    with torch.device("meta"), torch.no_grad():
        network = BUILDERS[row.builder](row, None).eval()
        features = network(torch.zeros(2, 3, row.input_size, row.input_size))
    assert features.shape == (2, row.feature_size)
    millions = sum(parameter.numel() for parameter in network.parameters()) / 1e6
    assert row.parameters == pytest.approx(millions, abs=0.06)


@ROWS
def test_a_row_has_the_mean_and_std_that_its_library_states(row):
    if isinstance(row.source, ByHand):
        pytest.skip("no library knows it: the mean and std are its data set's")
    if row.builder == "open_clip":
        stated = open_clip.get_pretrained_cfg(row.architecture, "openai")
        mean, std = stated["mean"], stated["std"]
        assert stated["hf_hub"].rstrip("/") == row.source.repo
    elif row.builder == "torchvision":
        stated = get_model_weights(row.architecture)["IMAGENET1K_V1"].transforms()
        mean, std = stated.mean, stated.std
    else:
        tagged = row.source.repo.split("/") if isinstance(row.source, Hub) else ["timm", row.architecture]
        stated = timm.get_pretrained_cfg(tagged[1] if tagged[0] == "timm" else "vit_small_patch16_224.dino")
        mean, std = stated.mean, stated.std
        assert tagged[0] != "timm" or tagged[1].startswith(row.architecture)
    assert (tuple(mean), tuple(std)) == (row.mean, row.std)


def test_aliases_are_not_ambiguous():
    assert not set(ALIASES) & set(CATALOG)
    assert set(ALIASES.values()) <= set(CATALOG)
    assert find_row("clip_vitb").architecture == "ViT-B-16-quickgelu"  # the reference once meant B/32 by it
    for name in ("clip_vitb", "dinov2_vitb", "eva02_vitb", "mocov3_vitb"):  # the paper's command line
        assert find_row(name).feature_size in (512, 768)


def test_an_unknown_name_is_answered_with_the_nearest():
    with pytest.raises(UnknownName, match=r"did you mean 'dinov2_vits14'.*timm:NAME"):
        find_row("dinov2_vits41")
    with pytest.raises(UnknownName, match="unknown backbone 'nonsense:thing'"):
        find_row("nonsense:thing")
    with pytest.raises(UnknownName, match="has no tag"):
        find_row("open_clip:ViT-B-32")
    with pytest.raises(UnknownName, match=r"only \?timm=NAME"):
        find_row("file:weights.pth?tim=resnet18")
    with pytest.raises(UnknownName, match="timm model .*did you mean 'resnet18'"):
        complete(find_row("timm:resnet81"))
    with pytest.raises(UnknownName, match=r"timm model 'resnet18\.nope'; did you mean 'resnet18"):
        complete(find_row("timm:resnet18.nope"))
    with pytest.raises(UnknownName, match="tag of ViT-B-32 .*did you mean 'openai'"):
        complete(find_row("open_clip:ViT-B-32/opena"))


def test_open_names_take_their_facts_from_the_library():
    row = complete(find_row("timm:tf_efficientnet_lite0.in1k"))
    assert (row.mean, row.std, row.input_size) == (*HALF, 224)
    assert row.source == Hub("timm/tf_efficientnet_lite0.in1k") and row.licence == "apache-2.0"
    row = complete(find_row("open_clip:ViT-B-32/openai"))
    assert row.source == find_row("clip_vitb32").source.__class__(find_row("clip_vitb32").source.repo, row.source.file)
    assert row.model_args == {"quick_gelu": True} and row.mean == find_row("clip_vitb32").mean
    assert complete(find_row("dinov2_vits14")) is find_row("dinov2_vits14")


# ---- the frozen network, on random weights ---------------------------------------------------------------------------


@pytest.fixture(scope="module")
def toys(tmp_path_factory):
    """Random weights of small networks, in the files that the rows look for."""
    folder = tmp_path_factory.mktemp("toys")
    torch.manual_seed(0)
    transformer = timm.create_model("vit_small_patch14_dinov2", depth=2, num_classes=0)
    save_file(transformer.state_dict(), folder / "dinov2.safetensors")
    save_file(timm.create_model("test_resnet").state_dict(), folder / "resnet.safetensors")
    return folder


def toy(toys, **options):
    nowhere = Places(cache=toys, weights=(toys,), datasets=())
    return open_backbone(f"file:{toys / 'resnet.safetensors'}?timm=test_resnet", nowhere, **options)


def test_a_backbone_is_frozen_for_good(toys):
    backbone = toy(toys)
    nn.Sequential(backbone).train()
    assert not any(module.training for module in backbone.modules())
    assert not any(parameter.requires_grad for parameter in backbone.parameters())
    images = torch.rand(2, 3, 160, 160, requires_grad=True)
    backbone(images).sum().backward()
    assert images.grad is not None and images.grad.abs().sum() > 0
    assert all(parameter.grad is None for parameter in backbone.parameters())


def test_a_backbone_normalises_and_gives_float32(toys):
    images = torch.rand(2, 3, 160, 160)
    native, paper = toy(toys), toy(toys, normalisation="imagenet")
    network = timm.create_model("test_resnet", num_classes=0).eval()
    state = read_tensors(toys / "resnet.safetensors")
    network.load_state_dict({name: tensor for name, tensor in state.items() if not name.startswith("fc.")})
    config = timm.get_pretrained_cfg("test_resnet")
    with torch.no_grad():
        for backbone, (mean, std) in ((native, (config.mean, config.std)), (paper, IMAGENET)):
            expected = network((images - torch.tensor(mean).view(3, 1, 1)) / torch.tensor(std).view(3, 1, 1))
            torch.testing.assert_close(backbone(images), expected, rtol=1e-4, atol=1e-5)
        assert not torch.allclose(native(images), paper(images))
        with torch.autocast("cpu", torch.bfloat16):
            assert native(images).dtype == torch.float32
    assert native.feature_size == expected.shape[1]
    with pytest.raises(UserError, match="unknown normalisation 'clip'"):
        toy(toys, normalisation="clip")


def test_dinov2_at_224_px_has_timms_resampled_positions_and_the_normalised_class_token(toys, monkeypatch):
    row = replace(find_row("dinov2_vits14"), file="dinov2.safetensors", model_args={"img_size": 224, "depth": 2})
    monkeypatch.setitem(CATALOG, "dinov2_vits14", row)
    backbone = open_backbone("dinov2_vits", Places(cache=toys, weights=(toys,), datasets=()))
    reference = timm.create_model("vit_small_patch14_dinov2", img_size=224, depth=2, num_classes=0).eval()
    state = read_tensors(toys / row.file)
    assert state["pos_embed"].shape[1] == 37 * 37 + 1
    state["pos_embed"] = resample_abs_pos_embed(state["pos_embed"], new_size=(16, 16), num_prefix_tokens=1)
    reference.load_state_dict(state)
    images = torch.rand(2, 3, 224, 224)
    mean, std = (torch.tensor(triple).view(3, 1, 1) for triple in IMAGENET)
    with torch.no_grad():
        tokens = reference.forward_features((images - mean) / std)
        torch.testing.assert_close(backbone(images), tokens[:, 0], rtol=1e-4, atol=1e-4)
    assert backbone.name == "dinov2_vits14" and backbone.feature_size == 384
    assert tokens[:, 0].mean(dim=1).abs().max() < 1e-4  # what the final norm leaves, at its initial weight and bias


def test_a_network_with_convolutions_runs_channels_last(toys):
    assert toy(toys).memory_format == torch.channels_last
    with torch.device("meta"):  # a transformer's single convolution does not count
        transformer = BUILDERS["timm"](find_row("dinov2_vits14"), None)
    assert _memory_format(transformer) == torch.contiguous_format
