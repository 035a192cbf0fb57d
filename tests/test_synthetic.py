"""Colour map, pixels, pyramid: the paper's numbers, the growth schedule, what growth does to the image."""

from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from torch.nn.functional import interpolate

from lgm_core.base.files import write_json
from lgm_core.base.knobs import to_dict
from lgm_core.config import RunConfig
from lgm_core.methods.lgm.colour import Colour
from lgm_core.methods.lgm.config import PyramidConfig, SyntheticConfig
from lgm_core.methods.lgm.levels import level_strip
from lgm_core.methods.lgm.phases import PhaseSet, natural_spectrum
from lgm_core.methods.lgm.pixels import PixelSet
from lgm_core.methods.lgm.pyramid import PyramidSet
from lgm_core.runs.store import RunFolder

PAPER = PyramidConfig(rescale=True, keep_moments=False, cascade=False)


def _pyramid(pyramid: PyramidConfig | None = None, grow_every: int = 4, **synthetic: object) -> PyramidSet:
    config = SyntheticConfig(**{"resolution": 32, **synthetic})
    return PyramidSet(config, pyramid or PyramidConfig(), grow_every=grow_every, classes=3, images_per_class=2)


def test_colour_matrix_is_the_specifications():
    rows = torch.tensor([[0.563, 0.195, 0.043], [0.584, 0.0, -0.108], [0.584, -0.195, 0.065]])
    torch.testing.assert_close(Colour(True).matrix, rows, atol=6e-4, rtol=0)


@pytest.mark.parametrize("decorrelated", [True, False])
def test_colour_stays_in_range_and_inverts(decorrelated: bool):
    colour, images = Colour(decorrelated), torch.rand(2, 3, 6, 6) * 0.98 + 0.01
    torch.testing.assert_close(colour(colour.inverse(images)), images, atol=1e-5, rtol=0)
    far = colour(torch.randn(2, 3, 6, 6) * 50)
    assert far.min() >= 0 and far.max() <= 1


def test_level_sides_end_at_the_resolution():
    assert SyntheticConfig(resolution=256).level_sides() == [1, 2, 4, 8, 16, 32, 64, 128, 256]
    assert SyntheticConfig(resolution=224).level_sides() == [1, 2, 4, 8, 16, 32, 64, 128, 224]


def test_growth_follows_the_schedule():
    pyramid = _pyramid()
    grown = [step for step in range(40) if pyramid.grow(step)]
    assert grown == [4, 8, 12, 16, 20] and pyramid.sides == [1, 2, 4, 8, 16, 32]


def test_labels_are_class_major():
    assert _pyramid().labels.tolist() == [0, 0, 1, 1, 2, 2]


def test_the_papers_growth_rescales_the_old_levels_and_the_new_noise():
    pyramid = _pyramid(PAPER, noise_scale=1.0)
    first = pyramid.levels[0].detach().clone()
    for step in range(1, 9):
        pyramid.grow(step)
    torch.testing.assert_close(pyramid.levels[0].detach(), first / 3)  # an untouched level of three: 1 / 3
    assert 0.2 < pyramid.levels[2].std() < 0.5


def test_the_papers_decoding_sums_direct_upsamplings():
    pyramid = _pyramid(PAPER)
    for step in range(1, 13):
        pyramid.grow(step)
    total = sum(interpolate(level, size=(32, 32), mode="bilinear") for level in pyramid.levels)
    matrix = pyramid.colour.matrix
    oracle = torch.sigmoid(2 * (total.permute(0, 2, 3, 1) @ matrix.T).permute(0, 3, 1, 2))
    torch.testing.assert_close(pyramid.images(), oracle)


def test_zero_growth_leaves_the_image_as_it_is():
    pyramid = _pyramid(initial="zero")
    torch.nn.init.normal_(pyramid.levels[0])
    before = pyramid.images().detach()
    assert pyramid.grow(4)
    torch.testing.assert_close(pyramid.images(), before)


def test_the_papers_zero_growth_leaves_the_image_nearly_as_it_is():
    pyramid = _pyramid(PAPER, initial="zero")
    for step in range(1, 17):
        if pyramid.sides[-1] < 16:
            torch.nn.init.normal_(pyramid.levels[-1], std=0.1)
        before = pyramid.images().detach()
        if pyramid.grow(step):
            assert (pyramid.images() - before).abs().mean() < 0.02


def test_state_brings_back_levels_and_image():
    pyramid, other = _pyramid(), _pyramid()
    for step in range(1, 10):
        pyramid.grow(step)
    other.restore(pyramid.state())
    assert other.sides == pyramid.sides and torch.equal(other.images(), pyramid.images())
    assert all(level.requires_grad for level in other.levels)


def _phases(side: int = 32, **more: object) -> PhaseSet:
    photographs = interpolate(0.4 + 0.2 * torch.rand(8, 3, 6, 6), size=(side, side), mode="bicubic")
    config = SyntheticConfig(resolution=side, parameterisation="phase")
    spectrum = natural_spectrum(photographs, Colour(True))
    return PhaseSet(config, classes=3, images_per_class=2, spectrum=spectrum, **more)


@pytest.mark.parametrize("side", [32, 33])
def test_of_a_set_of_phases_the_spectrum_stays_whatever_is_learned(side: int):
    made = _phases(side, random=torch.Generator().manual_seed(1))
    before = made.images()
    (gradient,) = torch.autograd.grad(before.square().sum(), made.values)
    assert (gradient.abs().sum(dim=(1, 2, 3)) > 0).all()
    made.values.data.add_(0.3 * torch.randn_like(made.values))
    assert not torch.equal(made.images(), before) and made.images().shape == (6, 3, side, side)
    magnitudes = torch.fft.rfft2(made.colour.inverse(made.images())).abs()
    inner = (slice(None), slice(None), slice(1, side // 2), slice(1, side // 2))  # not those that have to be real
    torch.testing.assert_close(magnitudes[inner], made.spectrum.expand_as(magnitudes)[inner], atol=2e-2, rtol=2e-2)


def test_phases_start_from_a_picture_and_come_back_from_their_state():
    real = interpolate(torch.rand(6, 3, 4, 4), size=(32, 32), mode="bicubic").clamp(0, 1)
    made, other = _phases(initial=real), _phases()
    like = torch.nn.functional.cosine_similarity((made.images() - 0.5).flatten(1), (real - 0.5).flatten(1))
    assert like.min() > 0.5  # its edges, with the contrast of the others
    other.restore(made.state())
    assert torch.equal(other.images(), made.images()) and other.values.requires_grad


@pytest.mark.parametrize("parameterisation", ["pixels", "pyramid"])
def test_real_start_shows_the_real_images(parameterisation: str):
    real = interpolate(torch.rand(6, 3, 4, 4), size=(32, 32), mode="bilinear")
    config = SyntheticConfig(resolution=32, initial="real")
    if parameterisation == "pixels":
        made = PixelSet(config, classes=3, images_per_class=2, initial=real)
    else:
        made = PyramidSet(config, PyramidConfig(), grow_every=1, classes=3, images_per_class=2, initial=real)
        for step in range(1, 6):
            made.grow(step)
    torch.testing.assert_close(made.images(), real, atol=5e-3, rtol=0)


def test_gradient_reaches_every_level():
    pyramid = _pyramid(PyramidConfig(start=32))
    pyramid.images().square().sum().backward()
    assert all(level.grad.abs().sum() > 0 for level in pyramid.levels)


@pytest.mark.parametrize("grown", [13, 40], ids=["half grown", "whole"])
@pytest.mark.parametrize("pyramid", [PyramidConfig(), PAPER], ids=["cascade", "straight to full size"])
def test_the_levels_drawn_together_are_the_image_of_the_run(pyramid: PyramidConfig, grown: int, tmp_path: Path):
    made = _pyramid(pyramid, noise_scale=1.0, resolution=48)
    for step in range(1, grown):
        made.grow(step)
    config = RunConfig(synthetic=made.config, pyramid=pyramid)
    write_json(tmp_path / "config.json", {"config": to_dict(config), "environment": {}})
    state = {f"synthetic.{name}": level.contiguous() for name, level in made.state().items()}
    save_file(state, tmp_path / "checkpoint.safetensors")
    strip = np.asarray(level_strip(RunFolder(tmp_path), 3, side=48), dtype=np.float32)
    expected = (made.images()[3].detach() * 255).permute(1, 2, 0).numpy()
    assert np.abs(strip[50:98, -48:] - expected).mean() < 2 and expected.std() > 10
