"""Fitted transforms: inverse of forward is the image, whitening whitens, the cache is used; images fitted to a side."""

import numpy as np
import pytest
import torch
from PIL import Image

from lgm_core.base.interfaces import generator
from lgm_core.datasets.fitted import fit_pixels, fitted_pixels
from lgm_core.datasets.image_set import ArrayImages
from lgm_core.datasets.transforms.fit import KINDS, fit, from_state, to_state
from lgm_core.datasets.transforms.zca import from_tiles, tiles, whitening
from lgm_core.datasets.whitened import open_whitened
from tests.one_thread import one_thread  # noqa: F401 (a fixture)


def _pixels(count: int, side: int = 8) -> torch.Tensor:
    """Smooth uint8 pictures: neighbouring pixels are alike."""
    rough = torch.rand(count, 3, 4, 4, generator=generator("cpu", 0))
    smooth = torch.nn.functional.interpolate(rough, size=(side, side), mode="bilinear")
    noise = 0.05 * torch.rand(count, 3, side, side, generator=generator("cpu", 1))
    return ((smooth + noise).clamp(0, 1) * 255).byte()


@pytest.mark.parametrize("count", [300, 20], ids=["many", "fewer images than values"])
@pytest.mark.parametrize("kind", KINDS)
def test_the_inverse_of_forward_is_the_image(kind: str, count: int):
    pixels = _pixels(count)
    transform = fit(kind, lambda: iter(pixels.split(64)))
    images = pixels.float() / 255
    values = transform(images)
    torch.testing.assert_close(transform.inverse(values), images, rtol=0, atol=2e-5)
    assert (kind == "identity") == torch.equal(values, images)
    rebuilt = from_state(kind, to_state(transform))
    assert torch.equal(rebuilt(images), values)


def test_standardised_channels_have_mean_0_and_deviation_1():
    pixels = _pixels(50)
    values = fit("standardise", lambda: iter(pixels.split(7)))(pixels.float() / 255)
    assert values.mean((0, 2, 3)).abs().max() < 1e-5
    torch.testing.assert_close(values.std((0, 2, 3), correction=0), torch.ones(3), rtol=1e-4, atol=0)


@pytest.mark.parametrize(("kind", "stride"), [("zca", 1), ("block_zca", 2)])
def test_whitening_is_that_of_the_regularised_covariance(kind: str, stride: int):
    pixels = _pixels(400)
    transform = fit(kind, lambda: iter(pixels.split(100)))
    images = pixels.double() / 255
    mean, std = images.mean((0, 2, 3)), images.std((0, 2, 3), correction=0)
    plain = (images - mean[:, None, None]) / std[:, None, None]
    rows = tiles(plain - plain.mean(0), stride)
    covariance = rows.T @ rows / len(rows)
    d = len(covariance)
    values, vectors = torch.linalg.eigh(covariance + 0.1 * covariance.trace() / d * torch.eye(d, dtype=torch.float64))
    wanted = rows @ (vectors * values.rsqrt()) @ vectors.T
    found = tiles(transform(images.float()), stride).double()
    torch.testing.assert_close(found, wanted, rtol=0, atol=1e-4)
    assert values.sum().item() == pytest.approx(1.1 * covariance.trace().item())


def test_directions_without_images_are_left_alone():
    forward, inverse = whitening(torch.diag(torch.tensor([4.0, 1.0, 0.0])), rows=2)
    torch.testing.assert_close(forward @ inverse, torch.eye(3))
    torch.testing.assert_close(forward[2, 2], torch.tensor(1.0))
    assert forward[0, 0].item() == pytest.approx((4 + 0.1 * 5 / 3) ** -0.5)


def test_tiles_are_the_interleaved_sub_grids():
    image = torch.arange(16.0).view(1, 1, 4, 4)
    assert tiles(image, 2).tolist() == [[0, 2, 8, 10], [1, 3, 9, 11], [4, 6, 12, 14], [5, 7, 13, 15]]
    several = torch.randn(3, 2, 6, 6)
    assert torch.equal(from_tiles(tiles(several, 2), several.shape, 2), several)


def _images(pixels: np.ndarray, name: str = "toy/train") -> ArrayImages:
    return ArrayImages(name=name, shards=[pixels], labels=[i % 2 for i in range(len(pixels))], classes=("a", "b"))


def test_images_are_cropped_to_squares_and_averaged():
    pixels = np.zeros((1, 4, 10, 3), dtype=np.uint8)
    pixels[0, :, 3:5], pixels[0, :, 5:7] = 100, 200
    pixels[0, 0, 3] = 20
    fitted = fit_pixels(_images(pixels), [0], 2, 3)
    assert fitted.shape == (1, 3, 2, 2)
    assert fitted[0, 0].tolist() == [[80, 200], [100, 200]]
    assert fit_pixels(_images(pixels), [0], 2, 1).shape == (1, 1, 2, 2)


def test_fitted_pixels_are_made_once(tmp_path, monkeypatch):
    images = _images(np.random.default_rng(0).integers(0, 255, (5, 8, 8, 3), dtype=np.uint8))
    first = fitted_pixels(images, 8, tmp_path)
    assert np.array_equal(first.numpy().transpose(0, 2, 3, 1), images.shards[0])
    monkeypatch.setattr(Image.Image, "crop", lambda *_: pytest.fail("decoded again"))
    assert torch.equal(fitted_pixels(images, 8, tmp_path), first)
    assert sorted(path.suffix for path in tmp_path.iterdir()) == [".json", ".npy"]


def test_whitened_images_come_back_as_they_were_and_the_fit_is_kept(tmp_path):
    pixels = _pixels(60).permute(0, 2, 3, 1).numpy()
    train, test = _images(pixels), _images(pixels[:10], "toy/test")
    told: list[str] = []

    def progress(what: str, done: int, total: int) -> None:
        told.append(what)

    known = {"side": 8, "channels": 3, "kind": "zca", "cache": tmp_path, "progress": progress}
    real = open_whitened(train, test, **known)
    rows = torch.tensor([5, 2, 2])
    decoded = real.transform.inverse(real.train.values(rows)) * 255
    assert (decoded.permute(0, 2, 3, 1) - torch.from_numpy(pixels)[rows]).abs().max() < 0.02
    assert torch.equal(torch.cat([values for values, _ in real.test.batches(3)]), real.test.values(torch.arange(10)))
    assert "fitting zca" in told
    told.clear()
    again = open_whitened(train, test, **known)
    assert not told and torch.equal(again.train.values(rows), real.train.values(rows))
    other = open_whitened(_images(255 - pixels), test, **known)
    assert "fitting zca" in told and not torch.equal(other.train.values(rows), real.train.values(rows))
