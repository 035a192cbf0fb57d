"""The player of a run: images, curves and map under one scrubber, all drawn in the browser from URLs.

Arrow keys move (shift: by ten), space plays, a click on a tile zooms into it; the view is in the URL (`step`, `image`).

>>> asked = player(run, run.status(), fork=True)  # the step at which "fork here" was pressed, or None
"""

from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

import streamlit as st
from streamlit.components import v2

from lgm_core.base.settings import taken_apart
from lgm_core.reports.live_curves import live_judge
from lgm_core.reports.summary import loss_words, pca_words
from lgm_core.runs.status import Status
from lgm_core.runs.store import RunFolder
from pages.parts.images import (
    SHAPES_SCRIPT,
    THUMBS_SCRIPT,
    base_path,
    thumb_index,
    thumb_keys,
    thumbs_for_script,
    version,
)
from pages.parts.pickers import settings
from pages.parts.theme import class_colour, class_colours

_WEB = Path(__file__).parent
_SCRIPTS = ("feed", "draw", "map", "zoom", "hands", "player")
_WORDS = {
    "queued": "The images appear here once the run has a device and has read the real images.",
    "running": "The worker reads the real images first; the synthetic ones appear with the first step.",
    "failed": "This run failed before its first image.",
}


def player(run: RunFolder, status: Status, key: str = "player", fork: bool = False) -> int | None:
    """Mount the player of a run in this state; returns the step at which a fork was asked for, or None."""
    key = key.replace("_", "~")  # Streamlit refuses two underscores, which the name of a run may have
    asked = _component()(key=key, data=player_data(run, status, fork), on_fork_change=lambda: None,
                          on_state_change=lambda: None)  # fmt: skip
    return int(asked.fork) if asked.fork is not None else None


def player_data(run: RunFolder, status: Status, fork: bool = False) -> dict[str, Any]:
    """All that the browser is told at once; the rest it asks for by URL."""
    config, found = settings(run), run_map(run)
    classes, owners = class_titles(run), run.own_labels()[0]
    per_class = int(config.get("images_per_class") or 1)
    thumbs = thumb_index(found.get("thumbs", ""))
    return {
        "run": run.id,
        "base": base_path(),
        "version": version(run),
        "active": status.active,
        "state": status.state,
        "words": _WORDS.get(status.state, "This run has no images yet."),
        "steps": int(config.get("steps") or 1),
        "classes": [str(name) for name in classes],
        "colours": class_colours(max(len(classes), 10)),
        "per_class": 1 if owners else per_class,
        "owners": owners,
        "images": len(owners) or len(classes) * per_class,
        "judges": judges_of(config),
        "losses": losses_of(config),
        "loss": loss_words(config.get("method", "lgm")),
        "map_words": map_words(found),
        "near_words": f"Nearest real images at this step{_inside(found)}",
        "thumbs": thumbs_for_script(thumbs),
        "step": _number("step"),
        "image": -1 if _number("image") is None else _number("image"),
        "fork": fork,
    }


def judges_of(config: Mapping[str, Any]) -> list[dict[str, str]]:
    """The live accuracies that a run may have: the metric's name, the judge in words, the colour of its curve."""
    names, colours = _networks(config), _colours(config)
    known = [("live_top1", names[0])] + [(f"live:{name}", name) for name in names]
    found = [{"name": key, "words": live_judge(key, name), "colour": colours[name]} for key, name in known]
    if len(taken_apart(config.get("backbone", ""))) != 2:
        return found
    return found + [  # the images may mean other classes to the second network
        {"name": f"live_other:{name}", "words": live_judge(f"live_other:{name}", name), "colour": class_colour(place)}
        for place, name in enumerate(names, start=len(names) + 1)
    ]


def losses_of(config: Mapping[str, Any]) -> list[dict[str, str]]:
    """The losses that a run may have: its own, and, of a set that is learned in several networks, that in each."""
    own, colours = taken_apart(config.get("backbone", "")), _colours(config)
    each = [{"name": f"loss:{name}", "words": f"in {name}", "colour": colours[name]} for name in own]
    return [{"name": "loss", "words": "all together", "colour": ""}, *(each if len(own) > 1 else [])]


def _networks(config: Mapping[str, Any]) -> list[str]:
    return list(dict.fromkeys([*taken_apart(config.get("backbone", "")), *config.get("evaluate_on", [])]))


def _colours(config: Mapping[str, Any]) -> dict[str, str]:
    """A colour for each network's curves, told apart on one chart; "" for the only one that a set is learned in."""
    names, alone = _networks(config), len(taken_apart(config.get("backbone", ""))) == 1
    return {name: "" if alone and not place else class_colour(place or len(names)) for place, name in enumerate(names)}


def class_titles(run: RunFolder) -> list[str]:
    """Names of the classes: from the map, an evaluation, or an earlier run's small pictures of the data set; or []."""
    own = settings(run).get("dataset", "")
    reports = [report["classes"] for report in run.eval_reports() if report.get("dataset", own) == own]
    known = run.own_labels()[1] or run_map(run).get("classes") or next(iter(reports), [])
    if known:
        return known
    keys = thumb_keys(settings(run).get("dataset", ""))
    return thumb_index(keys.get("train") or keys.get("test") or "").get("classes", [])


def run_map(run: RunFolder) -> dict[str, Any]:
    """The run's map without its points: names of the classes, key of the thumbnails; {} before there is one."""
    if not run.map_file.exists():
        return {}
    return _map_facts(str(run.path), run.map_file.stat().st_mtime_ns)


def map_words(found: Mapping[str, Any]) -> list[str]:
    """The caption of each of a run's maps; the network is named where there are several."""
    maps = [found, *found.get("others", [])]
    axes = [pca_words(one.get("explained", []), "their features") for one in maps]
    return [f"Images among the real ones{_inside(found, one)} ({words})" for one, words in zip(maps, axes, strict=True)]


def _inside(found: Mapping[str, Any], one: Mapping[str, Any] | None = None) -> str:
    return f" in {(one or found).get('backbone', '')}" if found.get("others") else ""


def script() -> str:
    """The component's JavaScript, one module."""
    parts = [
        THUMBS_SCRIPT.read_text(),
        SHAPES_SCRIPT.read_text(),
        *((_WEB / f"{name}.js").read_text() for name in _SCRIPTS),
    ]
    return "\n".join(parts).replace("export default", "Object.assign(Player.prototype, Hands);\nexport default", 1)


@cache
def _component() -> Any:
    return v2.component(
        "lgm_player", html=(_WEB / "player.html").read_text(), css=(_WEB / "player.css").read_text(), js=script()
    )


@st.cache_data(max_entries=64, show_spinner=False)
def _map_facts(path: str, stamp: int) -> dict[str, Any]:
    del stamp  # part of the cache's key
    found = RunFolder(Path(path)).map()
    others = [{name: one[name] for name in ("backbone", "explained")} for one in found.get("others", [])]
    kept = {name: found[name] for name in ("classes", "thumbs", "split", "backbone", "explained") if name in found}
    return kept | {"others": others}


def _number(name: str) -> int | None:
    text = st.query_params.get(name, "")
    return int(text) if text.isdigit() else None
