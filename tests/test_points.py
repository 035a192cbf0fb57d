"""Feature points: a backbone read at a layer by its name, with its library's own numbers, and no more work."""

import open_clip
import pytest
import timm
import torch
import torchvision
from safetensors.torch import save_file

from lgm_core.backbones.catalog import catalogue_name, find_row, known_row
from lgm_core.backbones.frozen import open_backbone
from lgm_core.backbones.layers import Layers, open_layers
from lgm_core.backbones.points import split_point
from lgm_core.base.errors import UnknownName, UserError
from lgm_core.base.files import read_json
from lgm_core.base.places import places
from lgm_core.engine import work
from lgm_core.presets import change
from lgm_core.runs.start import start
from tests.conftest import real_file


@pytest.fixture(scope="module")
def transformer(tmp_path_factory) -> str:
    """`file:` name of a small vision transformer with random weights, under a path with an @."""
    path = tmp_path_factory.mktemp("we@ights") / "vit.safetensors"
    with torch.random.fork_rng():
        torch.manual_seed(0)
        save_file(timm.create_model("test_vit", num_classes=0).state_dict(), path)
    return f"file:{path}?timm=test_vit"


def test_a_name_is_split_at_its_point():
    assert split_point("mobilenet_v2") == ("mobilenet_v2", "")
    assert split_point("clip_vitb16@before-projection") == ("clip_vitb16", "before-projection")
    assert split_point("file:a@b/c.pt@stage3.pool") == ("file:a@b/c.pt", "stage3.pool")
    assert split_point("python:me@home.py:build") == ("python:me@home.py:build", "")
    assert catalogue_name("dinov2_vits@block6.cls") == "dinov2_vits14@block6.cls"
    row = find_row("dinov2_vits@block6.cls")
    assert (row.name, row.feature) == ("dinov2_vits14@block6.cls", "class token after block 6")
    assert known_row("dinov2_vits14@nonsense") is None
    with pytest.raises(UnknownName, match=r"'block6.token' is not a point of a backbone; write BACKBONE@LAYER"):
        find_row("dinov2_vits14@block6.token")
    with pytest.raises(UnknownName, match="did you mean 'dinov2_vits14'"):
        find_row("dinov2_vits41@block6.cls")


def test_a_transformer_at_a_block_gives_timms_tokens_and_computes_no_more(transformer, here):
    plain = open_backbone(transformer, here)
    images = torch.rand(2, 3, 160, 160, requires_grad=True)
    normalised = plain.normalise(images)
    with torch.no_grad():
        grid, tokens = plain.network.forward_intermediates(  # type: ignore[operator]
            normalised, indices=[2], return_prefix_tokens=True, intermediates_only=True
        )[0]
    for readout, expected in (("cls", tokens[:, 0]), ("mean", grid.mean(dim=(2, 3)))):
        backbone = open_backbone(f"{transformer}@block2.{readout}", here)
        assert torch.equal(backbone(images), expected) and backbone.feature_size == 64
        assert torch.equal(backbone.map_of(normalised), grid)
    last = open_backbone(f"{transformer}@final.cls", here)
    torch.testing.assert_close(last(images), plain(images))
    assert torch.equal(
        plain.map_of(normalised)[0].mean(dim=(1, 2)), open_backbone(f"{transformer}@final.mean", here)(images)[0]
    )
    used = []
    for block in backbone.network.trunk.network.blocks:  # type: ignore[union-attr]
        block.register_forward_hook(lambda module, given, found: used.append(module))
    (gradient,) = torch.autograd.grad(backbone(images).sum(), images)
    assert gradient.abs().sum() > 0 and len(used) == 3
    with pytest.raises(UnknownName, match=r"no point @block6.cls; it has @block0.cls, @block0.mean, @block1.cls"):
        open_backbone(f"{transformer}@block6.cls", here)


def test_a_convolutional_network_at_a_stage(small_weights, here):
    images = torch.rand(2, 3, 160, 160)
    plain = open_backbone(small_weights, here)
    assert list(plain.points()) == [*(f"stage{i}.pool" for i in range(5)), "final.pool"]
    torch.testing.assert_close(open_backbone(f"{small_weights}@final.pool", here)(images), plain(images))
    early = open_backbone(f"{small_weights}@stage1.pool", here)
    assert early.feature_size == 24 and early.map_of(early.normalise(images)).shape == (2, 24, 40, 40)
    assert early.points() == {} and early.name == f"{small_weights}@stage1.pool"


def assert_every_layer_is_all_of_them(layers: Layers, images: torch.Tensor) -> None:
    with torch.no_grad():
        alone = [layers.at(point)(images) for point in layers.points]
        torch.testing.assert_close(layers.at("every-layer")(images), torch.cat(alone, dim=1))
    assert [one.shape[1] for one in alone] == list(layers.points.values())


@pytest.mark.parametrize("name", ["test_vit", "test_efficientnet", "test_convnext", "eva02_tiny_patch14_224"])
def test_every_layer_is_all_layers_one_after_another(name: str):
    small, side = ({"depth": 2, "img_size": 112}, 112) if name.startswith("eva") else ({}, 160)
    with torch.random.fork_rng():
        network = timm.create_model(name, num_classes=0, **small).eval()
    images = torch.rand(2, 3, side, side)
    assert_every_layer_is_all_of_them(open_layers(network, images), images)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "sizes"), [("resnet18", [64, 64, 128, 256, 512]), ("mobilenet_v2", [16, 24, 32, 96, 1280])]
)
def test_networks_without_timms_interface_are_cut_where_the_resolution_changes(name: str, sizes: list[int]):
    with torch.random.fork_rng():
        network = torchvision.models.get_model(name, weights=None).eval()
    images = torch.rand(2, 3, 64, 64)
    layers = open_layers(network, images)
    with torch.no_grad():
        assert [layers.at(point)(images).shape[1] for point in layers.points] == sizes
        last = layers.at(list(layers.points)[-1])(images)
        classifier = network.fc if name == "resnet18" else network.classifier
        torch.testing.assert_close(classifier(last), network(images))


def test_a_network_without_maps_has_no_points():
    flat = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(12, 3)).eval()
    layers = open_layers(flat, torch.rand(1, 3, 2, 2))
    assert layers.points == {}
    with pytest.raises(UserError, match="no layer with a map"):
        layers.last_map()
    with pytest.raises(UnknownName, match="it has none but its own features"):
        layers.at("stage0.pool")


def test_clip_before_its_projection():
    vision = open_clip.CLIPVisionCfg(layers=2, width=64, patch_size=16, image_size=32)
    text = open_clip.CLIPTextCfg(context_length=1, vocab_size=1, width=64, heads=1, layers=1)
    tower = open_clip.CLIP(16, vision, text).visual.eval()
    images = torch.rand(2, 3, 32, 32)
    layers = open_layers(tower, images)
    with torch.no_grad():
        before = layers.at("before-projection")(images)
        assert torch.equal(before @ tower.proj, tower(images)) and before.shape == (2, 64)
        assert torch.equal(before, layers.at("final.cls")(images))
    assert list(layers.points)[:2] == ["block0.cls", "block0.mean"]
    assert_every_layer_is_all_of_them(layers, images)


@pytest.mark.slow
def test_a_run_distils_judges_and_records_at_a_point(small_run, small_weights, here):
    name = f"{small_weights}@stage3.pool"
    config = change(
        small_run, {"backbone": name, "evaluate_on": [name, small_weights], "steps": 3, "protocol": ["1-nn"]}
    )
    run = start(config, here)
    assert work(run, here) == "finished"
    reports = {report["backbone"]: report for report in run.eval_reports()}
    assert reports[name]["weights"]["feature"] == "average-pooled map after stage 3"
    assert reports[small_weights]["weights"]["feature"].startswith("the model's own feature")
    assert read_json(run.weights_file)[name]["feature"] == "average-pooled map after stage 3"
    banks = [path.name for path in here.features.iterdir() if path.is_dir()]
    assert sum("@stage3.pool" in name for name in banks) >= 2  # training views and test images: banks of their own


@pytest.mark.slow
def test_real_backbones_at_points():
    real_file("LGM_WEIGHTS", "dinov2_vits14.safetensors")
    images = torch.rand(1, 3, 224, 224)
    with torch.no_grad():
        plain, final = (open_backbone(f"dinov2_vits14{point}", places()) for point in ("", "@final.cls"))
        torch.testing.assert_close(final(images), plain(images), rtol=1e-4, atol=1e-4)
        assert open_backbone("dinov2_vits14@block6.mean", places()).feature_size == 384
        mobile = open_backbone("mobilenet_v3_small", places())
        assert list(mobile.points()) == [f"stage{i}.pool" for i in range(5)]
        last = open_backbone("mobilenet_v3_small@stage4.pool", places())
        torch.testing.assert_close(last(images), mobile(images), rtol=1e-4, atol=1e-4)
