"""The real points of a map of an embed run: where they lie and in which colours, as the browser gets them.

Legend: N points.

>>> points, stars = unit_points(load_map(run), "umap")
>>> len(packed(load_map(run), "umap", "class")) / len(points)
12.0
"""

import base64
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import quote

import numpy as np
import streamlit as st

from lgm_core.runs.store import RunFolder
from pages.parts.images import base_path

METHODS, MEASURES = ("pca", "umap"), ("wrong", "distance")
COLOURINGS = {"class": "Class", "group": "Group", "wrong": "Probe error", "distance": "Distance"}
_RAMP = ("#3b4cc0", "#6f92f3", "#aac7fd", "#dddcdc", "#f7b89c", "#e7745b", "#b40426")  # blue to red, by Moreland
_LISTS = ("indices", "labels", "groups", "pca", "umap", "wrong", "distance")
_SHADES, _MIX = 32, 7919  # colours of a ramp; a prime


def load_map(run: RunFolder) -> Mapping[str, Any]:
    """The map of an embed run, long lists as arrays; {} while there is none. Kept in memory, so do not change it."""
    try:
        return _load(str(run.map_file), run.map_file.stat().st_mtime_ns)
    except OSError:
        return {}


def has(found: Mapping[str, Any], name: str) -> bool:
    """Does a map say this of its images?"""
    return found.get(name) is not None and len(found[name]) > 0


def colourings(maps: Sequence[Mapping[str, Any]]) -> dict[str, str]:
    """What the points can be coloured by, of `COLOURINGS`: key -> words."""
    names = {"class": "labels", "group": "groups"}
    return {key: words for key, words in COLOURINGS.items() if any(has(one, names.get(key, key)) for one in maps)}


def points_within(points: np.ndarray, polygon: Sequence[tuple[float, float]]) -> np.ndarray:
    """Which points [N, 2] lie inside a polygon: the even-odd rule, as in the browser."""
    x, y = points[:, 0], points[:, 1]
    inside = np.zeros(len(points), bool)
    for (a, b), (c, d) in zip(polygon, [polygon[-1], *polygon[:-1]], strict=True):
        if b != d:
            inside ^= ((b > y) != (d > y)) & (x < (c - a) * (y - b) / (d - b) + a)
    return inside


def unit_points(found: Mapping[str, Any], method: str) -> tuple[np.ndarray, dict[str, np.ndarray]]:
    """Real points [N, 2] and the synthetic points of each source, on one square [0, 1], y downwards."""
    real = np.asarray(found[method], float).reshape(-1, 2)
    stars = {run: np.asarray(source[method], float).reshape(-1, 2) for run, source in (found["sources"] or {}).items()}
    everything = np.concatenate([real, *stars.values()]) if stars else real
    low, high = everything.min(axis=0), everything.max(axis=0)
    size = max(float((high - low).max()), 1e-9)
    start = (low + high - size) / 2

    def unit(points: np.ndarray) -> np.ndarray:
        return (points - start) / size * [1, -1] + [0, 1]

    return unit(real), {run: unit(points) for run, points in stars.items()}


def in_steps(points: np.ndarray) -> np.ndarray:
    """Points as the browser gets them: in 65,535 steps a side, so that both count the same images in a lasso."""
    return (points.clip(0, 1) * 65535).round()


def address_of(run: RunFolder, method: str, colour_by: str) -> str:
    """Where the browser finds the `packed` points; another map has another address."""
    stamp = run.map_file.stat().st_mtime_ns
    return f"{base_path()}/app/static/runs/{quote(run.id, safe='')}/map/{method}/{colour_by}?v={stamp}"


def packed(found: Mapping[str, Any], method: str, colour_by: str) -> bytes:
    """The points as map.js reads them, little-endian, in the order of `mixed`.

    N indices (uint32), N places (two uint16 each), N labels, N numbers of colours (uint16); where the colours are those
    of a measure, its N values (float32).
    """
    order = mixed(len(found["indices"]))
    colours, values = _colours(found, colour_by)
    parts = [(found["indices"], "<u4"), (in_steps(unit_points(found, method)[0]), "<u2")]
    parts += [(found["labels"], "<u2"), (colours, "<u2")] + ([] if values is None else [(values, "<f4")])
    return b"".join(np.asarray(each)[order].astype(kind).tobytes() for each, kind in parts)


def mixed(count: int) -> np.ndarray:
    """An order in which to draw points that come class by class, so that no class covers another."""
    places = np.arange(count)
    return places * _MIX % count if count % _MIX else places


def _colours(found: Mapping[str, Any], colour_by: str) -> tuple[np.ndarray, np.ndarray | None]:
    if colour_by in MEASURES and has(found, colour_by):
        values = np.asarray(found[colour_by], float)
        high = 1.0 if colour_by == "wrong" else max(float(np.quantile(values, 0.99)), 1e-9)
        return (values / high).clip(0, 1) * (_SHADES - 1), values
    return np.asarray(found["groups" if colour_by == "group" and has(found, "groups") else "labels"]), None


def ramp(steps: int = _SHADES) -> list[str]:
    """Colours from blue over grey to red."""
    place = np.linspace(0, len(_RAMP) - 1, steps)
    anchors = np.array([[int(colour[i : i + 2], 16) for i in (1, 3, 5)] for colour in _RAMP])
    mixed = np.stack([np.interp(place, range(len(_RAMP)), anchors[:, i]) for i in range(3)], axis=1)
    return [f"#{r:02x}{g:02x}{b:02x}" for r, g, b in mixed.round().astype(int)]


def as_text(values: Any, kind: Any) -> str:
    """Numbers as the browser gets them: base64 of their bytes."""
    return base64.b64encode(np.asarray(values).astype(kind).tobytes()).decode()


@st.cache_resource(max_entries=12, show_spinner=False)
def _load(path: str, stamp: int) -> Mapping[str, Any]:
    del stamp  # part of the cache's key
    found = RunFolder(Path(path).parent).map()
    return found | {name: _array(found[name]) for name in _LISTS if found.get(name)}


def _array(values: list[Any]) -> np.ndarray | list[Any]:
    try:
        return np.asarray(values)
    except ValueError:
        return values  # of uneven rows: the panel that draws them says so
