"""One map of the same images in several backbones, laid over each other, with a slider from one to the next.

>>> picked = morphing_map(found, ["mobilenet_v2", "dinov2_vits14"], method="umap", share=share, index=index)
>>> picked.images  # numbers of the images in the lasso, of the split
array([  4,  17, ...])
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import streamlit as st
from streamlit.components.v2 import component

from lgm_core.reports.disagreement import Disagreement
from pages.parts.address import forget
from pages.parts.images import thumbs_for_script
from pages.parts.maps.map import SCRIPTS, STYLE, Picked
from pages.parts.maps.neighbourhood import title_of
from pages.parts.maps.points import as_text, in_steps, mixed, points_within, ramp
from pages.parts.theme import backbone_colour, class_colours

KEY = "morphing_map"
_component = component(
    "lgm_morphing_map", html='<div class="lgm-maps"></div>', css=STYLE,
    js="\n".join(path.read_text() for path in (*SCRIPTS, Path(__file__).parent / "morph.js")),
)  # fmt: skip


def morphing_map(
    found: Disagreement, names: Sequence[str], *, method: str, index: Mapping[str, Any],
    share: np.ndarray | None = None, chosen: np.ndarray | Sequence[int] = (),
) -> Picked:  # fmt: skip
    """Draw the map and return what is chosen on it; the slider and the choice live in the URL.

    `share`: of common neighbours, by which points are coloured; None: by class. `chosen`: numbers of images that stand
    out until another choice is made.
    """
    points = found.maps(method)
    if points is None:
        return Picked()
    frames = _on_one_square(points[[found.names.index(name) for name in names]])
    state = st.session_state.get(KEY) or {}
    lasso, picked, at = (state.get(name) or st.query_params.get(name, "") for name in ("lasso", "picked", "at"))
    at = min(max(_number(at), 0.0), len(names) - 1.0)
    palette = ramp()[::-1] if share is not None else class_colours(len(found.classes))
    colours = found.labels if share is None else share * (len(palette) - 1)
    title, order = " → ".join(map(title_of, names)), mixed(len(found.indices))
    data = {
        "key": "|".join([found.run.id, method, *names, str(found.run.images_file.stat().st_mtime_ns)]),
        "maps": [{
            "id": f"at-{at:.2f}", "title": title, "note": method.upper(), "colour": backbone_colour(names[0]),
            "values": None if share is None else share[order].round(2).tolist(),
            "points": as_text(frames[0][order], np.uint16), "indices": as_text(found.indices[order], np.uint32),
            "labels": as_text(found.labels[order], np.uint16), "colours": as_text(np.round(colours)[order], np.uint16),
            "stars": [],
        }],
        "frames": [
            {"title": title_of(name), "points": as_text(frame[order], np.uint16)}
            for name, frame in zip(names, frames, strict=True)
        ],
        "at": at, "lasso": lasso, "chosen": [int(image) for image in chosen],
        "point": int(picked[5:]) if picked.startswith("real:") and picked[5:].isdigit() else None,
        "classes": found.classes, "thumbs": thumbs_for_script(index), "palette": palette,
        "legend": {
            "title": "common", "ramp": None if share is None else ["no common neighbours", "all common"],
            "names": [] if share is not None else found.classes, "shapes": [],
        },
    }  # fmt: skip
    result = _component(
        key=KEY, data=data, default={"lasso": lasso, "picked": picked, "at": f"{at:.2f}"},
        on_lasso_change=lambda: None, on_picked_change=lambda: None, on_at_change=lambda: None,
    )  # fmt: skip
    return _read(found, frames, {name: result.get(name) or "" for name in ("lasso", "picked", "at")})


def _read(found: Disagreement, frames: np.ndarray, state: Mapping[str, str]) -> Picked:
    for name, value in state.items():
        if value and value != "0.00":
            st.query_params[name] = value
        else:
            forget(name)
    kind, _, rest = state["picked"].partition(":")
    return Picked(
        images=found.indices[_lassoed(frames, state["lasso"])],
        real=int(rest) if kind == "real" and rest.isdigit() else None,
    )


def _lassoed(frames: np.ndarray, lasso: str) -> np.ndarray:
    name, *corners = lasso.split("~")
    try:
        polygon = [(float(x), float(y)) for x, _, y in (corner.partition(",") for corner in corners)]
    except ValueError:
        polygon = []
    if not name.startswith("at-") or len(polygon) < 3:
        return np.zeros(frames.shape[1], bool)
    return points_within(_between(frames, _number(name[3:])) / 65535, polygon)


def _between(frames: np.ndarray, at: float) -> np.ndarray:
    """Places of the points at a place of the slider, in whole steps, as in the browser."""
    last = len(frames) - 1
    at = min(max(round(at, 2), 0.0), last)
    place = min(int(at), max(last - 1, 0))
    return np.floor(frames[place] + (frames[min(place + 1, last)] - frames[place]) * (at - place) + 0.5)


def _on_one_square(points: np.ndarray) -> np.ndarray:
    """All backbones' points on one square, y downwards, in the steps that the browser gets."""
    every = points.reshape(-1, 2).astype(float)
    low, high = every.min(axis=0), every.max(axis=0)
    size = max(float((high - low).max()), 1e-9)
    unit = (every - (low + high - size) / 2) / size * [1, -1] + [0, 1]
    return in_steps(unit).reshape(points.shape)


def _number(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        return 0.0
    return value if np.isfinite(value) else 0.0
