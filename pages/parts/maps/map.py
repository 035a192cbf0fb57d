"""Maps of several backbones with one selection: what embed runs wrote, for a component on canvas.

>>> picked = embedding_maps(runs, method="umap", colour_by="class")
>>> picked.images  # numbers of the images in the lasso, of the split
array([  4,  17, ...])
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import streamlit as st
from streamlit.components.v2 import component

from lgm_core.backbones import catalog
from lgm_core.runs.store import RunFolder
from pages.parts.address import forget
from pages.parts.images import SHAPES_SCRIPT, THUMBS_SCRIPT, frame_sprite, thumb_index, thumbs_for_script
from pages.parts.maps.points import MEASURES, address_of, in_steps, load_map, points_within, ramp, unit_points
from pages.parts.pickers import facts
from pages.parts.theme import backbone_colour, class_colour

KEY = "embedding_maps"
_HERE = Path(__file__).parent
# What marks on a map are, by their shape; the sign stands for it in the legend.
_SHAPES = {
    "star": ("★", "distilled"), "triangle": ("▲", "random real images"), "diamond": ("◆", "chosen real images"),
}  # fmt: skip
_TITLES = {"wrong": "probe error", "distance": "distance"}
SCRIPTS = (
    THUMBS_SCRIPT,
    SHAPES_SCRIPT,
    *(_HERE / name for name in ("map.js", "map_keys.js", "map_points.js", "map_webgl.js", "map_chart.js")),
)
STYLE = (_HERE / "map.css").read_text()
_component = component(
    "lgm_embedding_maps", html='<div class="lgm-maps"></div>', css=STYLE,
    js="\n".join(path.read_text() for path in SCRIPTS),
)  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class Picked:
    """What the reader chose: images in the lasso; one real image; one synthetic image as (run, place)."""

    images: np.ndarray = field(default_factory=lambda: np.empty(0, int))
    real: int | None = None
    star: tuple[str, int] | None = None


def embedding_maps(runs: Sequence[RunFolder], *, method: str, colour_by: str, hidden: Sequence[str] = ()) -> Picked:
    """Draw the maps side by side and return what is chosen on them; the choice lives in the URL.

    `method`: "pca" or "umap". `hidden`: sources whose stars are left out.
    """
    maps = {run.id: load_map(run) for run in runs}
    first = next(iter(maps.values()))
    state = st.session_state.get(KEY) or {}
    lasso, picked = (state.get(name) or st.query_params.get(name, "") for name in ("lasso", "picked"))
    data = {
        "key": "|".join([method, *(f"{run.id}:{run.map_file.stat().st_mtime_ns}" for run in runs)]),
        "maps": [_drawn(run, maps[run.id], method, colour_by, hidden) for run in runs],
        "classes": list(first["classes"]), "thumbs": thumbs_for_script(thumb_index(first["thumbs"])), "lasso": lasso,
        "point": int(picked[5:]) if picked.startswith("real:") and picked[5:].isdigit() else None,
        "palette": _palette(first, colour_by), "legend": _legend(first, colour_by),
    }  # fmt: skip
    drawn = {star["shape"] for one in data["maps"] for star in one["stars"]}
    data["legend"]["shapes"] = [" ".join(words) for shape, words in _SHAPES.items() if shape in drawn]
    result = _component(
        key=KEY, data=data, default={"lasso": lasso, "picked": picked},
        on_lasso_change=lambda: None, on_picked_change=lambda: None,
    )  # fmt: skip
    return _read(maps, method, result.get("lasso") or "", result.get("picked") or "")


def _read(maps: Mapping[str, Mapping[str, Any]], method: str, lasso: str, picked: str) -> Picked:
    for name, value in (("lasso", lasso), ("picked", picked)):
        if value:
            st.query_params[name] = value
        else:
            forget(name)
    kind, _, rest = picked.partition(":")
    source, _, place = rest.rpartition(":")
    return Picked(
        images=_lassoed(maps, method, lasso),
        real=int(rest) if kind == "real" and rest.isdigit() else None,
        star=(source, int(place)) if kind == "star" and place.isdigit() else None,
    )


def _lassoed(maps: Mapping[str, Mapping[str, Any]], method: str, lasso: str) -> np.ndarray:
    name, *corners = lasso.split("~")
    try:
        polygon = [(float(x), float(y)) for x, _, y in (corner.partition(",") for corner in corners)]
    except ValueError:
        polygon = []
    if name not in maps or len(polygon) < 3:
        return np.empty(0, int)
    points, _ = unit_points(maps[name], method)
    return maps[name]["indices"][points_within(in_steps(points) / 65535, polygon)]


def _drawn(
    run: RunFolder, found: Mapping[str, Any], method: str, colour_by: str, hidden: Sequence[str]
) -> dict[str, Any]:
    row = catalog.known_row(found["backbone"])
    return {
        "id": run.id, "title": row.title if row else found["backbone"], "note": method.upper(),
        "colour": backbone_colour(found["backbone"]), "count": len(found["indices"]),
        "address": address_of(run, method, colour_by),
        "stars": [
            star for source, places in unit_points(found, method)[1].items() if source not in hidden
            for star in _stars(RunFolder(run.path.parent / source), found, places)
        ],
    }  # fmt: skip


def shape_of(source: RunFolder) -> str:
    """The shape of a run's images on a map: one of `_SHAPES`."""
    its = facts(source)
    return "star" if its.kind == "distill" else "triangle" if its.choice == "random" else "diamond"


def _stars(source: RunFolder, found: Mapping[str, Any], places: np.ndarray) -> list[dict[str, Any]]:
    frames, labels, shape = source.frame_list(), found["sources"][source.id]["labels"], shape_of(source)
    return [
        {
            "x": float(x), "y": float(y), "source": source.id, "place": place, "colour": class_colour(labels[place]),
            "shape": shape, "name": f"{_name(found['classes'], labels[place])}, {_SHAPES[shape][1]}",
            "sprite": vars(frame_sprite(source, frames[-1], place)) if frames else None,
        }
        for place, (x, y) in enumerate(places)
    ]  # fmt: skip


def _palette(found: Mapping[str, Any], colour_by: str) -> list[str]:
    if colour_by in MEASURES:
        return ramp()
    return [class_colour(i) for i in range(len(found["group_names" if colour_by == "group" else "classes"]) or 1)]


def _legend(found: Mapping[str, Any], colour_by: str) -> dict[str, Any]:
    if colour_by in MEASURES:
        ends = ["confident and right", "confident and wrong"] if colour_by == "wrong" else ["near", "far"]
        return {"title": _TITLES[colour_by], "ramp": ends, "names": []}
    return {"title": "", "ramp": None, "names": list(found["group_names" if colour_by == "group" else "classes"])}


def _name(classes: Sequence[str], label: int) -> str:
    return str(classes[label]) if label < len(classes) else f"class {label}"
