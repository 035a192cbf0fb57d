"""What images look like, apart from what they show: spectrum, colours, how near they are to a copy or to each other.

Legend: N images in [0, 1], R side, B bins, M real images, D features.

>>> radial_power(images)  # [R // 2]: mean log10 power of the luminance per spatial frequency, in cycles per image
>>> lab_histograms(images).shape  # lightness, green to red, blue to yellow
torch.Size([3, 32])
"""

from collections.abc import Callable

import kornia
import torch
from jaxtyping import Float, Int
from torch import Tensor
from torch.nn.functional import interpolate, normalize

BINS = 32
_RANGES = ((0.0, 100.0), (-80.0, 80.0), (-80.0, 80.0))  # of L, a, b

# kind of damage -> its strengths, the first of which is none
STRENGTHS: dict[str, tuple[float, ...]] = {
    "JPEG quality": (100.0, 75.0, 50.0, 25.0, 10.0, 5.0),
    "blur, px": (0.0, 1.0, 2.0, 4.0, 8.0),
    "noise": (0.0, 0.02, 0.05, 0.1, 0.2),
    "side, px": (256.0, 128.0, 64.0, 32.0, 16.0),
}


def radial_power(images: Float[Tensor, "n 3 r r"]) -> Float[Tensor, "f"]:
    """Mean log10 power of the luminance at each whole frequency 1 .. R/2 - 1, in cycles per image; Hann window."""
    grey = kornia.color.rgb_to_grayscale(images)[:, 0]
    side = grey.shape[-1]
    window = torch.hann_window(side, periodic=False)
    centred = (grey - grey.mean(dim=(1, 2), keepdim=True)) * window[:, None] * window
    power = torch.fft.fft2(centred).abs().square().mean(dim=0)
    frequency = torch.fft.fftfreq(side, 1 / side)
    radius = (frequency[:, None].square() + frequency.square()).sqrt().round().long()
    sums = torch.zeros(side).index_add_(0, radius.flatten(), power.flatten())
    counts = torch.zeros(side).index_add_(0, radius.flatten(), torch.ones(side * side))
    return (sums / counts.clamp_min(1))[1 : side // 2].clamp_min(1e-12).log10()


def lab_histograms(images: Float[Tensor, "n 3 r r"]) -> Float[Tensor, "3 b"]:
    """Shares of the pixels per bin of lightness (0 to 100), green-red and blue-yellow (-80 to 80), by kornia."""
    lab = kornia.color.rgb_to_lab(images.clamp(0, 1))
    found = [
        torch.histc(lab[:, channel].clamp(low, high), BINS, low, high) for channel, (low, high) in enumerate(_RANGES)
    ]
    return torch.stack([counts / counts.sum() for counts in found])


def bin_centres() -> list[list[float]]:
    """The middle of each bin of the three histograms."""
    steps = torch.arange(BINS) + 0.5
    return [(low + (high - low) / BINS * steps).tolist() for low, high in _RANGES]


def damaged(images: Float[Tensor, "n 3 r r"], kind: str, strength: float, random: torch.Generator) -> Tensor:
    """The images in [0, 1] after JPEG, a Gaussian blur (sigma), noise (deviation), or a smaller side; same shape."""
    return images if strength == STRENGTHS[kind][0] else _DAMAGES[kind](images, strength, random).clamp(0, 1)


def most_alike(images: Float[Tensor, "n 3 r r"], real: Float[Tensor, "n 3 r r"]) -> Float[Tensor, "n"]:
    """Structural similarity of each image to the one beside it, 1 for a copy; window of 11 px, by kornia."""
    return kornia.metrics.ssim(images, real, window_size=11).mean(dim=(1, 2, 3))


def nearest_of_own(features: Float[Tensor, "n d"], labels: Int[Tensor, "n"]) -> float:
    """Mean cosine of each image to the nearest other one of its class: 1 where a class has copies of one image.

    Raises `ValueError` where a class has a single image.
    """
    found = []
    for label in labels.unique().tolist():
        own = normalize(features[labels == label].float())
        if len(own) < 2:
            raise ValueError(f"class {label} has {len(own)} image, and so none that is nearest to it")
        found.append((own @ own.T).fill_diagonal_(-2).amax(dim=1))
    return float(torch.cat(found).mean())


def coverage(
    features: Float[Tensor, "n d"], labels: Int[Tensor, "n"], real: Float[Tensor, "m d"], real_labels: Int[Tensor, "m"]
) -> float:
    """How evenly the images of a class share its real images, each of which goes to the nearest by cosine.

    The effective number of images, exp of the entropy of their shares, over their number; mean over classes. From 1 / K
    where one of a class's K images is nearest to all real ones, to 1 where each is nearest to as many.
    """
    found = []
    for label in labels.unique().tolist():
        own, members = (normalize(rows[at == label].float()) for rows, at in ((features, labels), (real, real_labels)))
        if len(members):
            counts = torch.bincount((members @ own.T).argmax(dim=1), minlength=len(own))
            found.append(torch.special.entr(counts / counts.sum()).sum().exp() / len(own))
    return float(torch.stack(found).mean())


def _jpeg(images: Tensor, quality: float, random: torch.Generator) -> Tensor:
    return kornia.enhance.jpeg_codec_differentiable(images, torch.tensor([quality]).expand(len(images)))


def _blur(images: Tensor, sigma: float, random: torch.Generator) -> Tensor:
    size = 2 * int(3 * sigma) + 1
    return kornia.filters.gaussian_blur2d(images, (size, size), (sigma, sigma))


def _noise(images: Tensor, deviation: float, random: torch.Generator) -> Tensor:
    return images + deviation * torch.randn(images.shape, generator=random)


def _smaller(images: Tensor, side: float, random: torch.Generator) -> Tensor:
    if side >= images.shape[-1]:
        return images
    small = interpolate(images, size=(int(side), int(side)), mode="bilinear", antialias=True)
    return interpolate(small, size=images.shape[-2:], mode="bilinear")


_DAMAGES: dict[str, Callable[[Tensor, float, torch.Generator], Tensor]] = {
    "JPEG quality": _jpeg, "blur, px": _blur, "noise": _noise, "side, px": _smaller
}  # fmt: skip
