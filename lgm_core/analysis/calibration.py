"""Measures against chance: threshold, p, calibrated score, interval. Gröger, Wen and Brbić, arXiv 2602.14486.

Raw similarities have another zero for each measure, width and number of images; where the images of one side are
permuted, one sees which. Legend: P permutations, B resamples.

>>> calibrated(value=0.62, chance=null, resampled=found)
Calibrated(value=0.62, mean_by_chance=0.31, threshold=0.33, p=0.005, score=0.43, interval=(0.6, 0.64), ...)
"""

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import fmean

import torch
from jaxtyping import Float, Int
from torch import Tensor

from lgm_core.base.interfaces import generator

LEVEL = 0.05  # of the threshold; intervals are of 1 - LEVEL
_PERMUTING, _DRAWING = 1, 2  # streams of random numbers


@dataclass(frozen=True, kw_only=True)
class Calibrated:
    """One measure of one pair. `score`: 0 at or below the threshold, 1 at the measure's highest value, linear between.

    `p`: share of permutations, the data themselves counted in, that reach the value. Intervals hold 95 % of the
    resamples; `score_samples`, of the score in each of them, [B].
    """

    value: float
    mean_by_chance: float
    threshold: float
    p: float
    score: float
    interval: tuple[float, float]
    score_interval: tuple[float, float]
    score_samples: Float[Tensor, "b"]


def calibrated(
    *, value: float, chance: Float[Tensor, "p"], resampled: Float[Tensor, "b"], highest: float = 1.0
) -> Calibrated:
    """A value with its null distribution and its resamples, each at least one.

    The threshold is the 95 % quantile of the null distribution and the value (algorithm 1 of the paper). Resamples
    hold images more than once, which shifts some measures: they are centred on the value.
    """
    chance, samples = chance.double().cpu(), resampled.double().cpu()
    centred = value + samples - samples.mean()
    threshold = float(torch.cat((chance, torch.tensor([value], dtype=torch.float64))).quantile(1 - LEVEL))
    scores = _scores(centred, threshold, highest)
    return Calibrated(
        value=value, mean_by_chance=float(chance.mean()), threshold=threshold,
        p=(1 + int((chance >= value).sum())) / (1 + len(chance)),
        score=float(_scores(torch.tensor(value, dtype=torch.float64), threshold, highest)),
        interval=interval(centred), score_interval=interval(scores), score_samples=scores,
    )  # fmt: skip


def consensus(found: Sequence[Calibrated]) -> dict[str, float | tuple[float, float]]:
    """The mean of several measures' scores, its interval over the same resamples, and the largest of their p.

    That p is small only where each measure tells the pair from chance (an intersection-union test).
    """
    samples = torch.stack([one.score_samples for one in found]).mean(dim=0)
    return {
        "score": fmean(one.score for one in found), "score_interval": interval(samples),
        "p": max(one.p for one in found),
    }  # fmt: skip


def interval(samples: Float[Tensor, "b"]) -> tuple[float, float]:
    """The middle 95 % of samples."""
    low, high = samples.quantile(torch.tensor([LEVEL / 2, 1 - LEVEL / 2], dtype=samples.dtype)).tolist()
    return low, high


def permutations(images: int, count: int, seed: int) -> Int[Tensor, "p n"]:
    """Random orders of the images; P may be 0."""
    source = generator("cpu", seed, _PERMUTING)
    found = [torch.randperm(images, generator=source) for _ in range(count)]
    return torch.stack(found) if found else torch.zeros(0, images, dtype=torch.int64)


def resamples(images: int, count: int, seed: int) -> Float[Tensor, "n b"]:
    """How often each image is drawn when as many as there are, are drawn with replacement."""
    drawn = torch.randint(images, (count, images), generator=generator("cpu", seed, _DRAWING))
    return torch.stack([torch.bincount(row, minlength=images) for row in drawn], dim=1).float()


def _scores(values: Tensor, threshold: float, highest: float) -> Tensor:
    return ((values - threshold) / max(highest - threshold, 1e-12)).clamp(0, 1)
