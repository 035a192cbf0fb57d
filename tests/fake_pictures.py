"""The pictures of made-up runs: patches in the colour of their class, that come out of noise.

>>> picture(np.array([0, 1]), progress=0.5, side=48).shape
(2, 48, 48, 3)
"""

import json
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np

from lgm_core.runs.frames import add_frame

SIDE = 48  # pixels of a synthetic image


def picture(labels: np.ndarray, progress: float, side: int) -> np.ndarray:
    """N pictures [N, r, r, 3] that go from noise to a patch of their class's own colour."""
    return np.stack([_one_picture(int(label), i, round(progress, 3), side) for i, label in enumerate(labels)])


@cache
def drawn_frame(labels: tuple[int, ...], progress: float) -> tuple[dict[str, Any], bytes]:
    """The line and the picture of a frame, encoded once for all runs that look alike."""
    with TemporaryDirectory() as folder:
        index = Path(folder) / "index.jsonl"
        add_frame(picture(np.array(labels), progress, SIDE), 0, index)
        line = json.loads(index.read_text())
        return line, (index.parent / line["file"]).read_bytes()


@cache
def _one_picture(label: int, place: int, progress: float, side: int) -> np.ndarray:
    y, x = np.mgrid[0:side, 0:side] / side - 0.5
    angle = 2 * np.pi * label / 10
    disc = 1 / (1 + np.exp(40 * (np.hypot(x - 0.15 * np.cos(angle), y - 0.15 * np.sin(angle)) - 0.25)))
    hue = 0.5 + 0.45 * np.cos(angle + np.array([0, 2, 4]))
    stripes = 0.5 + 0.15 * np.sin(20 * (x * np.cos(angle) + y * np.sin(angle)))[..., None]
    clean = disc[..., None] * hue + (1 - disc[..., None]) * stripes
    noise = np.random.default_rng(place).uniform(size=(side, side, 3))
    return (255 * (progress * clean + (1 - progress) * noise)).astype(np.uint8)
