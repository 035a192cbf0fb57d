"""What backbones see in a set's images and in real ones, place by place: colours of patches, and evidence for a class.

>>> show_places(run, backbones)  # a patches run with findings
"""

from collections.abc import Mapping, Sequence
from html import escape
from typing import Any

import streamlit as st

from lgm_core.runs.store import RunFolder
from pages.parts.images import frame_sprite, sprite_html, tiles_html
from pages.parts.maps.neighbourhood import heading
from pages.parts.pickers import listed_runs
from pages.parts.ways import pick_way

_WAYS = {"colours": "Patches as colours", "evidence": "Evidence for the class", "other": "For the other meaning"}
_WORDS = {
    "colours": "Patches on three principal axes, shown as red, green and blue: within a backbone, the same colour is "
    "the same kind of patch in all images, distilled and real. The axes of the other backbones are rotated onto the "
    "first one's (Procrustes, on the same images); a fit of 1 means that they differ by this rotation alone.",
    "evidence": "What each patch adds to the score of the image's class, compared with the mean over the classes, in a "
    "linear head on the mean of the patches, trained on the real training images: orange speaks for the class, blue "
    "against it. The patches add up to the margin below the image, which names the predicted class where it is wrong.",
    "other": "The same evidence, for the class that the image means to the second backbone of the contrast set.",
}
_SIZE = 86


def set_run(kind: str, source: RunFolder, backbones: Sequence[str]) -> RunFolder | None:
    """The newest run of an instrument that looks at a set's images in all of these backbones."""
    return next(
        (run for run, its in listed_runs()
         if (its.kind, its.source) == (kind, source.id) and set(backbones) <= set(its.evaluate_on)), None
    )  # fmt: skip


def show_places(run: RunFolder, backbones: Sequence[str]) -> None:
    """Rows of pictures: the images themselves, then a row for each backbone; distilled images, then real ones."""
    found = run.findings()
    ways = {way: words for way, words in _WAYS.items() if way != "other" or "other_labels" in found}
    way = pick_way("Show", ways, key="what", hide_label=True)
    st.caption(_WORDS[way])
    atlases = {(one["backbone"], one["what"]): one for one in found["atlases"]}
    images = next((one for one in found["atlases"] if one["what"] == "images"), None)
    facts = {one["backbone"]: one for one in found["backbones"]}
    made, count = found["set_images"], len(found["labels"])
    for title, places in (("Distilled", range(made)), ("Real", range(made, count))):
        st.subheader(title, anchor=False)
        if images:
            _row(run, images, places, [found["classes"][label] for label in found["labels"]])
        for name in backbones:
            if (name, way) in atlases:
                st.html(heading(name) + f"<small>{escape(_facts(facts[name], way))}</small>")
                _row(run, atlases[name, way], places, _under(found, facts[name], way))
    if not images:
        st.caption("No pictures have been drawn yet.")


def _row(run: RunFolder, atlas: Mapping[str, Any], places: Sequence[int], captions: Sequence[str]) -> None:
    st.html(tiles_html([sprite_html(frame_sprite(run, atlas, i), _SIZE, str(captions[i])) for i in places]))


def _facts(one: Mapping[str, Any], way: str) -> str:
    if way == "colours":
        shares = ", ".join(f"{100 * share:.0f}" for share in one["explained"])
        return f"read at {one['point']}; {shares} % of the variance on the three axes; fit {one['fit']:.2f}"
    return f"read at {one['point']}"


def _under(found: Mapping[str, Any], one: Mapping[str, Any], way: str) -> list[str]:
    """Below each picture: the margin, and the class that the head sees where it is wrong."""
    if way == "colours":
        return [""] * len(found["labels"])
    margins, meant = ("margins", "labels") if way == "evidence" else ("other_margins", "other_labels")
    seen = zip(one[margins], one["predicted"], found[meant], strict=True)
    return [f"{margin:+.1f}" + ("" if a == b else f" {found['classes'][a]}") for margin, a, b in seen]
