"""Views: against torchvision's crops and flips, inside the image, replayable in parts, right on average."""

import pytest
import torch
from torch.nn.functional import affine_grid, grid_sample
from torchvision.transforms.functional import adjust_brightness, adjust_contrast, adjust_saturation, hflip, resized_crop

from lgm_core.backbones.augment import Augment
from lgm_core.backbones.crop import Crop
from lgm_core.base.interfaces import generator
from lgm_core.base.settings import AugmentConfig

SIDE, FULL = 24, 64


def _augment(**changes: object) -> Augment:
    return Augment(AugmentConfig(**changes), side=SIDE, seed=0, device="cpu")


def _pictures(n: int = 3) -> torch.Tensor:
    smooth = torch.nn.functional.interpolate(torch.rand(n, 3, 5, 5), size=(FULL, FULL), mode="bicubic")
    return smooth.clamp(0, 1)


def test_crop_and_flip_equal_torchvision_on_whole_pixels():
    augment, images = _augment(noise_std=0.0), _pictures(1)
    choices = augment.draw(1, views=2, random=generator("cpu", 5))
    box = torch.tensor([[8, 4, 40, 48], [0, 16, 64, 32]])  # top, left, height, width in pixels
    choices.size[:] = box[:, 2:] / FULL
    choices.centre[:] = (box[:, :2] + box[:, 2:] / 2) / FULL * 2 - 1
    choices.flip[:] = torch.tensor([False, True])
    views = augment(images, choices)
    for view, (top, left, height, width), flip in zip(views, box.tolist(), (False, True), strict=True):
        oracle = resized_crop(images[0], top, left, height, width, [SIDE, SIDE], antialias=False)
        torch.testing.assert_close(view, hflip(oracle) if flip else oracle, atol=2e-3, rtol=0)


def test_crops_stay_inside_by_default_and_spill_with_the_references_switch():
    ones = torch.ones(40, 3, FULL, FULL)
    inside = _augment(noise_std=0.0)
    assert inside(ones, inside.draw(40, views=5, random=generator("cpu", 1))).min() > 0.999
    spilling = _augment(noise_std=0.0, crop_inside=False)
    views = spilling(ones, spilling.draw(40, views=5, random=generator("cpu", 1)))
    share = (views.amin(dim=(1, 2, 3)) < 0.5).float().mean()
    assert 0.05 < share < 0.3  # 14 % by the specification's count


def test_area_and_aspect_have_the_papers_ranges():
    choices = _augment().draw(4000, views=1, random=generator("cpu", 2))
    area = choices.size.prod(dim=1)
    assert 0.05 < area.min() < 0.12 and area.max() <= 1
    aspect = choices.size[:, 1] / choices.size[:, 0]
    assert aspect.min() >= 3 / 4 - 1e-3 and aspect.max() <= 4 / 3 + 1e-3
    assert 0.45 < choices.flip.float().mean() < 0.55 and 0.45 < choices.noisy.float().mean() < 0.55


@pytest.mark.parametrize("mean", [0.0, 0.5])
def test_noise_has_its_mean_and_deviation_on_half_of_the_views(mean: float):
    augment = _augment(noise_mean=mean)
    choices = augment.draw(50, views=4, random=generator("cpu", 3))
    noise = augment(torch.full((50, 3, FULL, FULL), 0.5), choices) - 0.5
    assert noise[~choices.noisy].abs().max() < 1e-5
    assert abs(noise[choices.noisy].mean() - mean) < 5e-3 and abs(noise[choices.noisy].std() - 0.2) < 5e-3
    first, second = noise[choices.noisy][:2]
    assert not torch.equal(first, second)


def test_parts_of_the_views_are_made_again_to_the_last_bit():
    augment, images = _augment(), _pictures(4)
    choices = augment.draw(4, views=3, random=generator("cpu", 4))
    whole = augment(images, choices)
    parts = torch.cat([augment(images, choices[start : start + 5]) for start in range(0, 12, 5)])
    assert torch.equal(whole, parts)
    assert torch.equal(augment.draw(4, views=3, random=generator("cpu", 4)).size, choices.size)


def test_gradient_reaches_every_image_and_matches_finite_differences():
    augment = _augment()
    images = _pictures(2).double().requires_grad_()
    choices = augment.draw(2, views=2, random=generator("cpu", 6))
    weights = torch.randn(4, 3, SIDE, SIDE)
    (augment(images.float(), choices) * weights).sum().backward()
    assert (images.grad.abs().sum(dim=(1, 2, 3)) > 0).all()
    y, x = divmod(int(images.grad[0, 1].abs().argmax()), FULL)
    nudge = torch.zeros_like(images)
    nudge[0, 1, y, x] = 0.05
    up = (augment((images + nudge).detach().float(), choices) * weights).sum()
    down = (augment((images - nudge).detach().float(), choices) * weights).sum()
    torch.testing.assert_close((up - down) / 0.1, images.grad[0, 1, y, x].float(), rtol=2e-2, atol=1e-2)


def test_without_crop_the_whole_image_is_resized():
    augment, images = _augment(crop=False, flip=False, noise_std=0.0), _pictures(2)
    views = augment(images, augment.draw(2, views=1, random=generator("cpu", 7)))
    oracle = torch.nn.functional.interpolate(images, size=(SIDE, SIDE), mode="bilinear")
    torch.testing.assert_close(views, oracle, atol=1e-3, rtol=0)


@pytest.mark.parametrize("dense", [False, True])
@pytest.mark.parametrize("inside", [True, False])
def test_crops_equal_grid_sample_forward_and_backward(inside: bool, dense: bool, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(Crop, "dense", dense)
    augment, images = _augment(noise_std=0.0, crop_inside=inside), _pictures(3).requires_grad_()
    choices = augment.draw(3, views=20, random=generator("cpu", 8))
    theta = torch.zeros(60, 2, 3)
    theta[:, 0, 0] = torch.where(choices.flip, -choices.size[:, 1], choices.size[:, 1])
    theta[:, 1, 1] = choices.size[:, 0]
    theta[:, :, 2] = choices.centre.flip(1)
    grid = affine_grid(theta, [60, 3, SIDE, SIDE], align_corners=False)
    padding = "border" if inside else "zeros"
    oracle = grid_sample(images[choices.image], grid, padding_mode=padding, align_corners=False)
    views = augment(images, choices)
    torch.testing.assert_close(views, oracle, atol=1e-4, rtol=0)
    upstream = torch.randn_like(oracle)
    ours, theirs = (torch.autograd.grad(made, images, upstream)[0] for made in (views, oracle))
    torch.testing.assert_close(ours, theirs, atol=1e-3, rtol=1e-3)


def test_colour_jitter_is_torchvisions_with_the_factors_of_each_view():
    plain, augment, images = _augment(noise_std=0.0), _augment(noise_std=0.0, colour_jitter=0.4), _pictures()
    choices = augment.draw(3, views=4, random=generator("cpu", 7))
    assert choices.colour.min() >= 0.6 and choices.colour.max() <= 1.4 and choices.colour.std() > 0.1
    for seen, view, factors in zip(plain(images, choices), augment(images, choices), choices.colour, strict=True):
        oracle = adjust_brightness(seen, float(factors[0]))
        oracle = adjust_saturation(adjust_contrast(oracle, float(factors[1])), float(factors[2]))
        torch.testing.assert_close(view, oracle, atol=2e-3, rtol=0)


def test_jittered_views_are_replayed_in_parts_and_carry_gradients_and_noise():
    augment, images = _augment(colour_jitter=0.4), _pictures().requires_grad_()
    choices = augment.draw(3, views=4, random=generator("cpu", 7))
    views = augment(images, choices)
    parts = torch.cat([augment(images, choices[start : start + 5]) for start in range(0, len(choices), 5)])
    assert torch.equal(views, parts) and views.max() > 1  # the noise comes after the clamp
    (gradient,) = torch.autograd.grad(views.square().sum(), images)
    assert (gradient.abs().sum(dim=(1, 2, 3)) > 0).all()


def test_without_jitter_the_other_choices_are_what_they_were():
    one, other = (_augment(colour_jitter=jitter).draw(3, views=4, random=generator("cpu", 7)) for jitter in (0.0, 0.4))
    assert torch.equal(one.size, other.size) and torch.equal(one.noise_start, other.noise_start)
    assert torch.equal(one.colour, torch.ones(12, 3))
