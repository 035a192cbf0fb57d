"""The real images nearest to a synthetic or a real one, as an embed run wrote them down: rows of thumbnails.

>>> st.html(neighbour_row(source, 3, found, index, k=8))
"""

from collections.abc import Mapping
from html import escape
from statistics import fmean
from typing import Any

import numpy as np
import streamlit as st
from safetensors import SafetensorError, safe_open

from lgm_core.backbones import catalog
from lgm_core.base.places import places
from lgm_core.base.settings import taken_apart
from lgm_core.evaluation.protocol import network_of
from lgm_core.runs.store import RunFolder
from pages.parts.distil_this import distil_this
from pages.parts.images import frame_sprite, real_image_html, sprite_html
from pages.parts.maps.points import has
from pages.parts.theme import backbone_colour, class_colour, plain

STYLE = (
    "<style>.lgm-near{display:flex;gap:.9rem;align-items:flex-start;overflow-x:auto;padding:.25rem 3px .5rem}"
    ".lgm-near small{display:block;font-size:.72rem;opacity:.6;margin-bottom:.15rem;white-space:nowrap}"
    ".lgm-near section{flex:none}.lgm-near .lgm-tiles{flex-wrap:nowrap}"
    ".lgm-near hr{width:1px;height:88px;margin:1.1rem 0 0;border:0;background:currentColor;opacity:.2;flex:none}"
    "</style>"
)


def title_of(name: str) -> str:
    """A backbone's name for people, from the catalogue; a column keeps what it says besides: "MobileNetV2, paper"."""
    network = network_of(name)
    titles = {one: row.title for one in taken_apart(network) if (row := catalog.known_row(one))}
    together = " + ".join(titles.get(one, one) for one in taken_apart(network))
    return together + name.removeprefix(network) if titles else name


def heading(backbone: str) -> str:
    """A backbone's name with its colour, as HTML."""
    dot = f"<b style='color:{backbone_colour(backbone)}'>●</b>"
    return f"<div style='font-weight:600;margin-top:.4rem'>{dot} {escape(title_of(backbone))}</div>"


def synthetic_tile(source: RunFolder, place: int, name: str, label: int, size: int = 88) -> str:
    """A synthetic image, from the newest frame of its run."""
    frames = source.frame_list()
    if not frames:
        return ""
    return sprite_html(
        frame_sprite(source, frames[-1], place), size, name, f"{name} · {source.id}", class_colour(label)
    )


def neighbour_row(
    source: RunFolder, place: int, found: Mapping[str, Any], index: Mapping[str, Any], *, k: int = 12, size: int = 80
) -> str:
    """A synthetic image, its class's centroid, a random image of it, and the k nearest with similarity and class."""
    near, labels = found["sources"][source.id], index["labels"]
    label = near["labels"][place]
    rows = list(zip(near["nearest"][place][:k], near["similarity"][place][:k], strict=False))
    tiles = "".join(
        real_image_html(
            index, image, size, f"{similarity:.2f} {index['classes'][labels[image]]}", class_colour(labels[image])
        )
        for image, similarity in rows
    )
    rank = near["own_rank"][place]
    said = "the nearest is of the same class" if rank == 1 else f"first image of the same class at rank {rank}"
    parts = [
        _group("Synthetic", synthetic_tile(source, place, str(index["classes"][label]), label, size)),
        _group("Class centroid", _real(index, near["centroid"][place], size)),
        _group("Random", _real(index, near["random"][place], size)),
        "<hr>",
        _group(f"Nearest, by cosine similarity · {said}", tiles),
    ]
    return f"{STYLE}<div class='lgm-near'>{''.join(parts)}</div>"


def nearest_of_synthetic(source: RunFolder, place: int, found: Mapping[str, Any], index: Mapping[str, Any]) -> None:
    """The neighbours of a star that was clicked."""
    if source.id not in (found["sources"] or {}):
        st.caption(f"{plain(source.id)} is not on the map of {plain(title_of(found['backbone']))}.")
        return
    st.html(heading(found["backbone"]) + neighbour_row(source, place, found, index))


def nearest_of_real(
    run: RunFolder, image: int, found: Mapping[str, Any], index: Mapping[str, Any], k: int = 12
) -> None:
    """A real point that was clicked: what the probe says of it, the images nearest to it, synthetic ones near it."""
    indices = np.asarray(found["indices"])
    where = np.flatnonzero(indices == image)
    if not len(where):
        st.caption(f"This image is not on the map of {plain(title_of(found['backbone']))}.")
        return
    place = int(where[0])
    facts = [
        f"{words} {found[name][place]:.2f}"
        for name, words in (("wrong", "probe error"), ("distance", "distance"))
        if has(found, name)
    ]
    near = _nearest_rows(run, place, k)
    said = "Nearest real images, by cosine similarity" if near else "Nearest on the map (UMAP)"
    tiles = [_labelled(index, other, cosine) for other, cosine in near or _beside(found, place, k)]
    parts = [
        _group(" · ".join(facts) or "Chosen", real_image_html(index, image, 80, colour="currentColor")),
        "<hr>",
        _group(said, "".join(tiles)),
    ]
    for name, source in (found["sources"] or {}).items():
        listed = [row for row, nearest in enumerate(source["nearest"]) if image in nearest]
        maker = RunFolder(places().runs / name)
        shown = "".join(
            synthetic_tile(maker, row, str(index["classes"][source["labels"][row]]), source["labels"][row], 80)
            for row in listed[:4]
        )
        if shown:
            parts += ["<hr>", _group(f"Synthetic images of {name} that it is near to", shown)]
    st.html(f"{heading(found['backbone'])}{STYLE}<div class='lgm-near'>{''.join(parts)}</div>")
    group = [image, *(other for other, _ in near or _beside(found, place, k))]
    distil_this(group, run, index, key=f"near_{run.id}", name=f"near image {image}", page="embeddings", ranked=True)


def summary(found: Mapping[str, Any], source: str) -> dict[str, float]:
    """Averages over the synthetic images of a source: how often the nearest is of their class, rank, similarity."""
    near = found["sources"][source]
    ranks = near["own_rank"]
    return {
        "first": fmean(rank == 1 for rank in ranks),
        "rank": fmean(ranks),
        "similarity": fmean(row[0] for row in near["similarity"]),
    }


def _real(index: Mapping[str, Any], image: int, size: int) -> str:
    return real_image_html(index, image, size) if image >= 0 else ""  # -1: the map holds none of that class


def _nearest_rows(run: RunFolder, place: int, k: int) -> list[tuple[int, float | None]]:
    """Neighbours of a real image, as the run wrote them down, one row of a large file; [] in older runs."""
    try:
        with safe_open(run.near_file, framework="numpy") as file:
            rows = [file.get_slice(name)[place : place + 1][0, :k].tolist() for name in ("indices", "similarity")]
    except (OSError, SafetensorError, TypeError, IndexError):  # problems() names what holds other things
        return []
    return list(zip(*rows, strict=True))


def _beside(found: Mapping[str, Any], place: int, k: int) -> list[tuple[int, float | None]]:
    points = np.asarray(found["umap"])
    distance = np.linalg.norm(points - points[place], axis=1)
    return [(int(found["indices"][i]), None) for i in distance.argsort()[1 : k + 1]]


def _labelled(index: Mapping[str, Any], image: int, cosine: float | None) -> str:
    label = index["labels"][image]
    words = None if cosine is None else f"{cosine:.2f} {index['classes'][label]}"
    return real_image_html(index, image, 80, words, class_colour(label))


def _group(words: str, tiles: str) -> str:
    return f"<section><small>{escape(words)}</small><div class='lgm-tiles'>{tiles}</div></section>" if tiles else ""
