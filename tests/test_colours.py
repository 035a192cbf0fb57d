"""Colours that the colour-blind can tell apart, written in one place."""

import itertools
import re
import tomllib

import numpy as np
import pytest

from pages.parts.theme import CLASS_PALETTE, STATE_COLOURS
from tests.app import ROOT

# Machado, Oliveira and Fernandes (2009), severity 1, on linear RGB
SEEN_BY = {
    "protanopia": [[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216], [-0.003882, -0.048116, 1.051998]],
    "deuteranopia": [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413], [-0.01182, 0.04294, 0.968881]],
    "everybody else": np.eye(3),
}
XYZ = np.array([[0.4124, 0.3576, 0.1805], [0.2126, 0.7152, 0.0722], [0.0193, 0.1192, 0.9505]])
APART = 15  # CIE 1976 units; the palette before had 2


def lab(colour: str, seen: np.ndarray) -> np.ndarray:
    value = np.array([int(colour[place : place + 2], 16) / 255 for place in (1, 3, 5)])
    linear = np.where(value <= 0.04045, value / 12.92, ((value + 0.055) / 1.055) ** 2.4)
    xyz = XYZ @ (seen @ linear).clip(0, 1) / [0.9505, 1, 1.089]
    x, y, z = np.where(xyz > 0.008856, np.cbrt(xyz), 7.787 * xyz + 16 / 116)
    return np.array([116 * y - 16, 500 * (x - y), 200 * (y - z)])


@pytest.mark.parametrize("kind", list(SEEN_BY))
def test_ten_classes_are_told_apart(kind: str):
    seen = {colour: lab(colour, np.array(SEEN_BY[kind])) for colour in CLASS_PALETTE}
    for one, other in itertools.combinations(CLASS_PALETTE, 2):
        assert np.linalg.norm(seen[one] - seen[other]) > APART, (one, other)


def test_colours_are_written_in_one_place():
    shipped = tomllib.loads((ROOT / ".streamlit/config.toml").read_text())
    assert tuple(shipped["theme"]["chartCategoricalColors"]) == CLASS_PALETTE
    assert set(STATE_COLOURS.values()) <= {*CLASS_PALETTE, "#8a8f98"}
    ramp = ROOT / "pages/parts/maps/points.py"  # a published one
    for file in (ROOT / "pages").rglob("*"):
        if file.suffix in (".py", ".js", ".css", ".html") and file.name != "theme.py" and file != ramp:
            assert not re.findall(r"#[0-9a-fA-F]{6}\b", file.read_text()), file
