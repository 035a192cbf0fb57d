"""The small trainable networks: shapes, start, names; and training them from scratch."""

import math

import pytest
import torch

from lgm_core.backbones.students.augment_one import ALL, augment_one
from lgm_core.backbones.students.networks import Activation, StudentShape, build_student
from lgm_core.backbones.students.student_names import ARCHITECTURES, NORMS, StudentName, is_student, student_name
from lgm_core.backbones.students.training import ScratchRecipe, predicted, train_networks
from lgm_core.base.errors import ConfigError
from lgm_core.base.interfaces import generator
from tests.one_thread import one_thread  # noqa: F401 (a fixture)


@pytest.mark.parametrize("name", ARCHITECTURES)
def test_every_architecture_takes_its_images_and_ends_in_a_flat_vector(name: str):
    student = build_student(
        StudentShape(architecture=name, side=32, channels=3, classes=7, width=4), random=generator("cpu", 0)
    )
    images = torch.randn(2, 3, 32, 32)
    features = student.eval().features(images)
    assert features.shape == (2, student.head.in_features) and student(images).shape == (2, 7)
    torch.testing.assert_close(student(images), student.head(features))
    sizes = {"conv": 16 * 16, "resnet": 512 * 16, "resnet10": 512 * 16, "vgg": 512, "alexnet": 192 * 16}
    assert student.head.in_features == sizes[name]


@pytest.mark.parametrize("norm", NORMS)
def test_every_normalisation_is_built(norm: str):
    shape = StudentShape(norm=norm, side=16, channels=3, classes=3, width=4)
    student = build_student(shape, random=generator("cpu", 0)).train()
    out = student(torch.randn(5, 3, 16, 16))
    out.sum().backward()
    assert out.isfinite().all()
    assert any("running" in name for name, _ in student.named_buffers()) == (norm == "batch")


@pytest.mark.parametrize(("side", "blocks", "left"), [(8, 2, 2), (28, 3, 4), (32, 3, 4), (64, 4, 4), (128, 5, 4)])
def test_the_depth_follows_the_side(side: int, blocks: int, left: int):
    channels = 1 if side == 28 else 3
    student = build_student(StudentShape(side=side, channels=channels, classes=2, width=2), random=generator("cpu", 0))
    assert student.shape.blocks == blocks
    assert student.head.in_features == 2 * 2 ** (blocks - 1) * left**2  # 28 px grow a margin of 2 first: 32


def test_widths_double_or_stay():
    widths = {}
    for doubling in (True, False):
        shape = StudentShape(side=32, channels=3, classes=2, width=3, doubling=doubling)
        body = build_student(shape, random=generator("cpu", 0)).body
        widths[doubling] = [layer.out_channels for layer in body if isinstance(layer, torch.nn.Conv2d)]
    assert widths == {True: [3, 6, 12], False: [3, 3, 3]}


def test_the_start_is_lecun_normal_and_a_function_of_the_generator():
    shape = StudentShape(side=32, channels=3, classes=10, width=32)
    one, same, other = (build_student(shape, random=generator("cpu", seed)) for seed in (0, 0, 1))
    for layer in (one.body[3], one.head):
        weight = layer.weight
        assert weight.var().item() == pytest.approx(1 / weight[0].numel(), rel=0.05)
        assert weight.abs().max() <= 2 / (0.8796 * math.sqrt(weight[0].numel())) and layer.bias.abs().sum() == 0
    assert torch.equal(one.head.weight, same.head.weight) and not torch.equal(one.head.weight, other.head.weight)


def test_the_start_as_torch_has_it_fills_weights_and_biases_alike():
    shape = StudentShape(side=32, channels=3, classes=64, width=16, norm="instance", doubling=False)
    one, same = (build_student(shape, random=generator("cpu", 3), start="torch") for _ in range(2))
    for layer in (one.body[4], one.head):
        bound = 1 / math.sqrt(layer.weight[0].numel())
        for value in (layer.weight, layer.bias):
            assert 0.8 * bound < value.abs().max() <= bound
        assert layer.weight.var().item() == pytest.approx(bound**2 / 3, rel=0.1)
    assert torch.equal(one.head.bias, same.head.bias) and one.body[1].weight.eq(1).all()


def test_mkdts_networks_have_as_many_parameters_as_published():
    for side, count in ((32, 1_348_608), (64, 1_496_448)):
        shape = StudentShape(norm="instance", side=side, channels=3, classes=512, width=128, doubling=False)
        network = build_student(shape, random=generator("cpu", 0), start="torch")
        assert sum(value.numel() for value in network.parameters()) == count


@pytest.mark.parametrize("beta", [0.0, 60.0])
def test_the_activations_slope_is_its_derivative(beta: float):
    activation, x = Activation(beta), torch.linspace(-0.2, 0.2, 9, dtype=torch.float64).add(1e-3).requires_grad_()
    torch.testing.assert_close(torch.autograd.grad(activation(x).sum(), x)[0], activation.slope(x.detach()))
    assert (activation(x) - x.relu()).abs().max() < 0.02


def test_names_are_taken_apart_and_mistakes_named():
    assert student_name("conv:batch:augmented") == StudentName("conv", "batch", True)
    assert is_student("vgg:instance") and not is_student("mobilenet_v2")
    with pytest.raises(ConfigError, match="batch"):
        student_name("conv:bach")


def test_images_that_are_too_small_are_an_error_that_says_what_to_do():
    with pytest.raises(ConfigError, match="larger resolution"):
        build_student(StudentShape(architecture="vgg", side=8, channels=3, classes=2), random=generator("cpu", 0))


@pytest.mark.parametrize("name", ALL)
def test_each_operation_changes_some_images_and_keeps_the_shape(name: str):
    values = torch.randn(12, 3, 16, 16, generator=generator("cpu", 0))
    seen = augment_one(values, (name,), random=generator("cpu", 1))
    changed = (seen != values).flatten(1).any(1)
    assert seen.shape == values.shape and seen.isfinite().all() and changed.sum() >= 3
    assert torch.equal(seen, augment_one(values, (name,), random=generator("cpu", 1)))
    if name == "cutout":
        assert ((seen == 0).sum((1, 2, 3)) == 3 * 4 * 4).all()
    if name in ("crop", "rotate", "translate"):
        flat = torch.full((4, 3, 16, 16), 0.7)
        torch.testing.assert_close(augment_one(flat, (name,), random=generator("cpu", 1)), flat)  # the edge is repeated


def test_a_translation_goes_as_far_as_an_eighth_of_the_side():
    values = torch.zeros(200, 1, 16, 16)
    values[:, :, 8, 8] = 1
    seen = augment_one(values, ("translate",), random=generator("cpu", 1))
    axis = torch.arange(16.0)
    shift = (seen[:, 0].sum(1) * axis).sum(1) / seen[:, 0].sum((1, 2)) - 8
    assert 1.5 < shift.abs().max() <= 2.001


def test_zooms_and_rotations_go_as_far_as_the_specification_says():
    """Seen on a ramp: a zoom by z about any place divides its slope by z, a rotation turns its gradient."""
    ramp = torch.arange(32.0).expand(400, 1, 32, 32)

    def slopes(name: str) -> tuple[torch.Tensor, torch.Tensor]:
        seen = augment_one(ramp, (name,), random=generator("cpu", 1))[:, 0]
        return seen[:, 16, 17] - seen[:, 16, 16], seen[:, 17, 16] - seen[:, 16, 16]

    across, down = slopes("crop")
    factors = 1 / across
    assert factors.min() == pytest.approx(0.8, abs=0.01) and factors.max() == pytest.approx(1.25, abs=0.01)
    assert factors.log().median().abs() < 0.03 and down.abs().max() < 1e-4
    across, down = slopes("rotate")
    torch.testing.assert_close(across.square() + down.square(), torch.ones(400))
    angles = torch.rad2deg(torch.atan2(down, across))
    assert angles.min() == pytest.approx(-15, abs=0.3) and angles.max() == pytest.approx(15, abs=0.3)


def test_colours_move_as_far_as_the_specification_says():
    """Brightness is what the mean gains, contrast what the grey part is stretched by, the rest is saturation."""
    values = torch.randn(400, 3, 8, 8, generator=generator("cpu", 0))
    seen = augment_one(values, ("color",), random=generator("cpu", 1))
    gained = seen.mean((1, 2, 3)) - values.mean((1, 2, 3))
    assert gained.min() == pytest.approx(-0.25, abs=0.01) and gained.max() == pytest.approx(0.25, abs=0.01)

    def spreads(images: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        grey = images.mean(1, keepdim=True)
        return grey.std((1, 2, 3)), (images - grey).std((1, 2, 3))

    (grey, colour), (seen_grey, seen_colour) = spreads(values), spreads(seen)
    contrast = (seen_grey / grey).log()
    saturation = (seen_colour / colour).log() - contrast
    for factor in (contrast, saturation):
        assert factor.min() == pytest.approx(-0.25, abs=0.01) and factor.max() == pytest.approx(0.25, abs=0.01)


def test_each_image_gets_exactly_one_operation():
    values = torch.randn(400, 1, 8, 8, generator=generator("cpu", 0))
    seen = augment_one(values, ("flip", "cutout"), random=generator("cpu", 2))
    cut = (seen == 0).flatten(1).any(1)
    mirrored = (seen == values.flip(-1)).flatten(1).all(1)
    assert not (cut & mirrored).any() and 150 < cut.sum() < 250 and 60 < mirrored.sum() < 140


def test_the_rate_rises_falls_to_a_hundredth_and_stays():
    recipe = ScratchRecipe(steps=1000, learning_rate=1e-3, warmup=500, tail=100)
    rates = [recipe.rate(step) for step in (0, 250, 500, 750, 1000, 1099)]
    assert rates == pytest.approx([0, 5e-4, 1e-3, 5.05e-4, 1e-5, 1e-5])


def test_networks_learn_a_set_that_can_be_learned():
    labels = torch.arange(40) % 4
    images = torch.randn(4, 1, 8, 8, generator=generator("cpu", 0))[labels] + 0.1 * torch.randn(40, 1, 8, 8)
    targets = torch.nn.functional.one_hot(labels, 4).float() - 0.25
    recipe = ScratchRecipe(steps=60, learning_rate=5e-3, seeds=2, batch=16, augment=("translate",))
    shape = StudentShape(side=8, channels=1, classes=4, width=8)
    networks = train_networks(lambda rows: images[rows], targets, shape, recipe=recipe)
    best, true = predicted(networks, [(images[:20], labels[:20]), (images[20:], labels[20:])])
    assert best.shape == (2, 40, 4) and torch.equal(true, labels)
    assert (best[:, :, 0] == true).double().mean() > 0.9
