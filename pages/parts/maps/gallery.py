"""Real images as a gallery: what a lasso holds, page by page, with how many there are of each class.

>>> gallery(index, images, order={"probe error": {7: 0.9, 12: 0.4}}, key="lasso")
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from html import escape
from typing import Any

import streamlit as st

from pages.parts.images import real_image_html, tiles_html
from pages.parts.theme import class_colour
from pages.parts.ways import pick_page, pick_way

_PER_PAGE = 96


def gallery(
    index: Mapping[str, Any], images: Sequence[int], *, key: str, order: Mapping[str, Mapping[int, float]] | None = None
) -> None:
    """Thumbnails of these images of the split. `order`: ways to sort them, name -> value per image, highest first."""
    if not len(images):
        return
    labels = index["labels"]
    st.html(class_bar(Counter(labels[image] for image in images), index["classes"]))
    ways = {"Data set order": {}, "Class": {image: -labels[image] for image in images}} | dict(order or {})
    left, right = st.columns([3, 1], vertical_alignment="bottom")
    named = {words.lower().replace(" ", "-"): words for words in ways}
    way = ways[named[pick_way("Sorted by", named, key=f"{key}_sort", place=left)]]
    ranked = sorted(images, key=lambda image: -way.get(image, 0.0))
    page = pick_page(-(-len(ranked) // _PER_PAGE), key=f"{key}_page", place=right)
    shown = ranked[(page - 1) * _PER_PAGE : page * _PER_PAGE]
    st.html(tiles_html([real_image_html(index, image, 88, colour=class_colour(labels[image])) for image in shown]))


def class_bar(counts: Mapping[int, int], classes: Sequence[Any], most: int = 12) -> str:
    """How many there are of each class, as a bar with the largest named; HTML."""
    total = sum(counts.values()) or 1
    ranked = sorted(counts.items(), key=lambda pair: -pair[1])
    parts = "".join(
        f"<i style='width:{100 * count / total:.2f}%;background:{class_colour(label)}'></i>" for label, count in ranked
    )
    named = " ".join(
        f"<span style='white-space:nowrap'><b style='color:{class_colour(label)}'>●</b> "
        f"{escape(str(classes[label]))} <b>{count}</b></span>"
        for label, count in ranked[:most]
    )
    more = f"<span>and {len(ranked) - most} more classes</span>" if len(ranked) > most else ""
    return (
        "<style>.lgm-bar{display:flex;height:.6rem;border-radius:.3rem;overflow:hidden}.lgm-bar i{display:block}"
        ".lgm-said{display:flex;flex-wrap:wrap;gap:.2rem 1rem;margin-top:.35rem;font-size:.85rem}</style>"
        f"<div class='lgm-bar'>{parts}</div><div class='lgm-said'>{named}{more}</div>"
    )
