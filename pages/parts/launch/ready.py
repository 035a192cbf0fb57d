"""What is here of a data set or a backbone: a card with pictures and counts, and a button that fetches what is not.

>>> show_dataset("imagenette")
True
>>> show_backbones(["mobilenet_v2", "dinov3_vitb16"], "imagenette")  # a person must accept the second one's licence
False
"""

from collections.abc import Sequence
from functools import partial

import streamlit as st

from lgm_core.backbones import catalog as backbones
from lgm_core.backbones.students.student_names import ARCHITECTURES, AUGMENTED, is_student
from lgm_core.base.errors import result_or_why
from lgm_core.base.places import places
from lgm_core.datasets import catalog as datasets
from lgm_core.runs.used_groups import find_collection
from pages.parts.images import frame_sprite, real_image_html, sprite_html, thumb_index, thumb_keys, tiles_html
from pages.parts.pickers import all_runs, backbone_status, dataset_status, settings
from pages.parts.server import background
from pages.parts.server.access import may_launch
from pages.parts.theme import backbone_colour, class_colour, plain

_BADGES = {"ready": ":green-badge[:material/check: ready]", "gated": ":orange-badge[:material/lock: gated]"}
_GATED = "Access is gated: accept the licence on the hub, log in with `hf auth login`, then fetch."


def show_dataset(name: str) -> bool:
    """Draw the card of a data set, with a button that fetches it; returns whether it is here."""
    row, why = result_or_why(lambda: datasets.find_row(name))
    if row is None:
        st.error(plain(why), icon=":material/error:")
        return False
    if row.collection:
        return _show_groups(row.name)
    status = dataset_status(name)
    counts = [
        f"{row.classes} classes" if row.classes else "",
        f"{row.train:,} training images" if row.train else "",
        f"{row.test:,} test images" if row.test else "",
        "with groups" if row.grouped else "",
    ]
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        st.markdown(f"{_badge(status)} {plain(' · '.join(filter(None, counts)))}", width="content")
        if status.startswith("can be fetched"):
            size = f" ({datasets.size(row)})" if row.megabytes else ""
            _fetch_button(row.name, f"Fetch{size}")
    if split := datasets.split_words(row):
        st.caption(f"{plain(split[0].upper() + split[1:])}.")
    _fetch_progress(row.name)
    _thumbnails(row.name)
    st.caption(f"Licence: {plain(row.licence)}")
    if status == "manual":
        st.warning(plain(datasets.how_to_get(row, places().datasets[-1])), icon=":material/back_hand:")
    return status == "ready"


def _show_groups(name: str) -> bool:
    """The groups of a collection, or why it is no data set; returns whether all their images are here."""
    found, why = result_or_why(lambda: find_collection(name, places()))
    words, why = result_or_why(found.words) if found else (None, why)
    if found is None or words is None:
        st.error(plain(why), icon=":material/error:")
        return False
    lacking = [one for one in found.datasets if dataset_status(one) != "ready"]
    st.markdown(f"{_badge('missing' if lacking else 'ready')} {len(found.classes)} classes")
    st.caption(plain(words))
    for one in lacking:
        row, why = result_or_why(partial(datasets.find_row, one))
        st.warning(plain(why if row is None else datasets.not_here(row, places().datasets)))
    _thumbnails(found.dataset)
    return not lacking


def show_backbones(names: Sequence[str], dataset: str) -> bool:
    """Draw a line per backbone, with an image of the data set that was distilled with it; returns whether all are here
    or can be fetched.
    """
    newest = _newest_images(names, dataset)
    fine = True
    for name in names:
        status = backbone_status(name)
        fine = fine and status in ("ready", "can be fetched")
        with st.container(horizontal=True, wrap=False, vertical_alignment="center", gap="small"):
            if name in newest:
                st.html(f"<div style='padding:2px'>{newest[name]}</div>", width="content")
            st.markdown(f"{_badge(status)} {plain(_facts(name))}")
            row = result_or_why(partial(backbones.find_row, name))[0]
            stands_in = row is not None and backbones.title_here(row, places()) != row.title
            if row is not None and (stands_in or status in ("can be fetched", "gated")):
                _fetch_button(row.name, f"Fetch ({row.megabytes} MB)" if row.megabytes else "Fetch")
        if status == "gated":
            st.caption(_GATED)
        if status == "manual":
            st.caption(plain(backbones.how_to_get(backbones.find_row(name), places())))
        if status == "unknown" and (why := result_or_why(partial(backbones.find_row, name))[1]):
            st.error(plain(why), icon=":material/error:")
        _fetch_progress(name)
    return fine


def _facts(name: str) -> str:
    if is_student(name):
        augmented = ", on augmented images" if AUGMENTED in name.split(":") else ""
        return f"{name}: {ARCHITECTURES[name.split(':')[0]]}{augmented}"
    row = backbones.known_row(name)
    if row is None:
        return name
    features = f"{row.feature_size} features" if row.feature_size else row.feature
    facts = f"{features}, {row.parameters:.1f} million parameters, {row.licence}"
    title = backbones.title_here(row, places())
    stand_in = (
        "The weights on this machine stand in for the published ones; Fetch downloads the published ones."
        if title != row.title
        else ""
    )
    return ". ".join(filter(None, [f"{title}: {facts}", row.note.rstrip("."), stand_in]))


def _badge(status: str) -> str:
    if status in _BADGES:
        return _BADGES[status]
    if status.startswith("can be fetched"):
        return ":blue-badge[:material/download: not fetched]"
    return f":gray-badge[{status.replace('manual', 'by hand')}]"


def _fetch_button(name: str, label: str) -> None:
    running = background.look(places(), f"fetch-{name}").running
    if st.button(label, key=f"fetch_{name}", icon=":material/download:", disabled=running or not may_launch()):
        background.start(places(), f"fetch-{name}", ["fetch", name])
        st.rerun()


def _fetch_progress(name: str) -> None:
    work = background.look(places(), f"fetch-{name}")
    if work.running:
        _watch_fetch(name)
    elif work.error:
        st.error(f"{plain(name)} could not be fetched: {plain(work.error)}", icon=":material/cloud_off:")


@st.fragment(run_every=1.0)
def _watch_fetch(name: str) -> None:
    work = background.look(places(), f"fetch-{name}")
    if not work.running:
        st.rerun()
    st.progress(work.share or 0.0, text=plain(work.words) or f"Fetching {plain(name)} …")


def _thumbnails(dataset: str, most: int = 24) -> None:
    """The first image of each class, where thumbnails were made by an earlier run."""
    keys = thumb_keys(dataset)
    index = thumb_index(keys.get("train") or keys.get("test") or "")
    if not index:
        return
    labels = index["labels"]
    first = [labels.index(label) for label in range(len(index["classes"])) if label in labels][:most]
    st.html(tiles_html([real_image_html(index, i, 60, colour=class_colour(labels[i])) for i in first]))


def _newest_images(names: Sequence[str], dataset: str) -> dict[str, str]:
    """Backbone -> the image of the data set that was distilled with it last."""
    found: dict[str, str] = {}
    for run in all_runs():
        if len(found) == len(names):
            break
        config = settings(run)
        name, fitting = config.get("backbone", ""), (config.get("kind"), config.get("dataset")) == ("distill", dataset)
        frames = run.frame_list() if fitting and name in names and name not in found else []
        if frames and frames[-1]["step"] >= 0:  # more than what it began with
            found[name] = sprite_html(frame_sprite(run, frames[-1], 0), 44, title=run.id, colour=backbone_colour(name))
    return found
