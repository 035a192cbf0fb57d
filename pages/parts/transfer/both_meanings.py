"""The images of one pair: what each backbone calls them, and which patches speak for either meaning.

>>> show_pair(run)  # a contrast run
"""

from collections.abc import Mapping, Sequence
from html import escape
from typing import Any

import streamlit as st

from lgm_core.backbones.students.student_names import is_student
from lgm_core.reports.matrix import config_of
from lgm_core.reports.pictures import class_names, labels
from lgm_core.runs.store import RunFolder
from pages.parts import needed
from pages.parts.images import frame_sprite, sprite_html, tiles_html
from pages.parts.looks.found import set_config
from pages.parts.looks.places import set_run
from pages.parts.maps.neighbourhood import heading, title_of
from pages.parts.theme import plain

_SIZE, _MOST = 86, 20
_WORDS = (
    "Below each image: the class that a linear head on the mean of its patches, trained on real images, predicts; with "
    "A or B in front where it is A's or B's meaning. Upper picture: evidence for A's meaning, patch by patch; lower: "
    "for B's. Orange speaks for it, blue against it, on the same scale."
)


def show_pair(run: RunFolder) -> None:
    """The images with both meanings; then, from a patches run that a button starts, what each backbone sees in them."""
    first, second = config_of(run).networks()
    names = [name for name in dict.fromkeys([first, second, *config_of(run).evaluate_on]) if not is_student(name)]
    left, right = st.columns([5, 1], vertical_alignment="bottom")
    left.subheader(f"{plain(title_of(first))} against {plain(title_of(second))}", anchor=False)
    if right.button("Watch the run", key="watch_pair", icon=":material/visibility:", type="tertiary"):
        st.switch_page("pages/watch.py", query_params={"run": run.id})
    if not (seen := needed.look(run)).finished:
        needed.wait_for([seen], key="pair")
        return
    look = set_run("patches", run, names)
    seen = needed.look(look) if look else None
    found = look.findings() if look else {}
    told = next((one["contrast"]["classes"] for one in run.eval_reports() if "contrast" in one), [])
    _images(run, found.get("labels", labels(run))[: found.get("set_images", _MOST)], told)
    if look is None or seen is None:
        st.info("What each backbone sees in these images has not been computed yet.", icon=":material/psychology:")
        needed.launch("Compute what they see", [set_config("patches", run, names)], key="pair")
        return
    if not seen.finished:
        needed.wait_for([seen], key="pair")
    if found.get("other_labels"):
        st.caption(_WORDS)
        for one in found["backbones"]:
            _seen(look, found, one, {first: "A", second: "B"}.get(one["backbone"], ""))


def _images(run: RunFolder, shown: Sequence[int], told: Sequence[int]) -> None:
    """The images themselves, newest frame, with what they mean to A and to B; `told`: B's class for each of A's."""
    frames, names, own = run.frame_list(), class_names(run), labels(run)
    if not frames or not names:
        return
    tiles = []
    for label in shown:
        sprite = frame_sprite(run, frames[-1], own.index(label))
        other = f"B: {names[told[label]]}" if label < len(told) else ""
        tiles.append(_with_line(sprite_html(sprite, _SIZE, f"A: {names[label]}"), other))
    st.html(tiles_html(tiles))


def _seen(look: RunFolder, found: Mapping[str, Any], one: Mapping[str, Any], role: str) -> None:
    """One backbone: both pictures of evidence for each image of the set, and what the image is called."""
    atlases = {atlas["what"]: atlas for atlas in found["atlases"] if atlas["backbone"] == one["backbone"]}
    if not {"evidence", "other"} <= set(atlases):
        return
    called = list(zip(one["predicted"], found["labels"], found["other_labels"], strict=True))[: found["set_images"]]
    by_a, by_b = (sum(row[0] == row[place] for row in called) for place in (1, 2))
    tiles = []
    for place, (predicted, label, other) in enumerate(called):
        side = "A: " if predicted == label else "B: " if predicted == other else ""
        pictures = [sprite_html(frame_sprite(look, atlases[what], place), _SIZE) for what in ("evidence", "other")]
        tiles.append(_with_line("<div class='lgm-tile'>" + "".join(pictures) + "</div>",
                                f"{side}{found['classes'][predicted]}"))  # fmt: skip
    words = f"{f'{role} · ' if role else ''}calls {by_a} of {len(called)} by A's meaning, {by_b} by B's"
    st.html(f"{heading(one['backbone'])}<small>{escape(words)}; read at {escape(one['point'])}</small>"
            + tiles_html(tiles))  # fmt: skip


def _with_line(tile: str, words: str) -> str:
    """A tile with a further line below it."""
    line = f"<span style='width:{_SIZE}px' title='{escape(words, quote=True)}'>{escape(words)}</span>"
    return tile.removesuffix("</div>") + line + "</div>"
