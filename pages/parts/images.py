"""Pictures by URL: frames of a run, thumbnails of real images. Nothing is read into the server's memory but indices.

>>> frame_url(run, run.frame_list()[-1])
'/app/static/runs/demo-lgm-mobilenet_v2-s0/frames/000499.webp?v=1795152378'
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from html import escape
from pathlib import Path
from typing import Any
from urllib.parse import quote

import streamlit as st

from lgm_core.base.names import LONGEST_FILE_NAME, why_no_name
from lgm_core.base.places import places
from lgm_core.runs.damage import read_or_empty
from lgm_core.runs.misfits import misfits
from lgm_core.runs.shapes import THUMBS
from lgm_core.runs.store import RunFolder

THUMBS_SCRIPT = Path(__file__).parent / "thumbs.js"  # shows thumbnails in a component; see `thumbs_for_script`
SHAPES_SCRIPT = Path(__file__).parent / "shapes.js"  # marks on the maps of components


@dataclass(frozen=True, kw_only=True)
class Sprite:
    """One tile of an atlas: where it lies in it, and how large both are, in pixels of the atlas."""

    url: str
    x: int
    y: int
    side: int
    width: int
    height: int


def frame_url(run: RunFolder, frame: Mapping[str, Any]) -> str:
    """The address of a frame, a row of `run.frame_list()`; another run of the same name has other addresses."""
    file = quote(str(frame["file"]), safe="")
    return f"{base_path()}/app/static/runs/{quote(run.id, safe='')}/frames/{file}?v={version(run)}"


def base_path() -> str:
    """The prefix of all addresses, if the server is configured to run below a path."""
    path = str(st.get_option("server.baseUrlPath") or "").strip("/")
    return f"/{path}" if path else ""


def version(run: RunFolder) -> int:
    """When the run was made, in seconds: what tells it from an earlier one of the same name; 0 once it is gone."""
    return int(run.config_file.stat().st_mtime) if run.config_file.exists() else 0


def frame_sprite(run: RunFolder, frame: Mapping[str, Any], image: int) -> Sprite:
    """One synthetic image of a frame."""
    row, column = divmod(image, frame["columns"])
    side = frame["side"]
    return Sprite(
        url=frame_url(run, frame), x=column * side, y=row * side, side=side,
        width=frame["columns"] * side, height=frame["rows"] * side,
    )  # fmt: skip


def thumb_index(key: str) -> dict[str, Any]:
    """The index of thumbnails under a key, with the key in it; {} where there are none yet."""
    path = places().thumbs / key / "index.json"
    known = not why_no_name(key, LONGEST_FILE_NAME) and path.is_file()
    return _index(str(path), path.stat().st_mtime_ns) if known else {}


def thumb_keys(dataset: str) -> dict[str, str]:
    """Split -> key of the thumbnails that are here of a data set."""
    found = {}
    for path in sorted((places().thumbs).glob("*/index.json")):
        index = _index(str(path), path.stat().st_mtime_ns)
        if index.get("dataset") == dataset:
            found[index["split"]] = index["key"]
    return found


def thumb_sprite(index: Mapping[str, Any], image: int) -> Sprite:
    """The thumbnail of real image number `image` of the split."""
    page, tile = divmod(image, index["per_page"])
    row, column = divmod(tile, index["columns"])
    on_page = min(index["per_page"], index["count"] - page * index["per_page"])
    side = index["side"]
    return Sprite(
        url=thumb_url(index, page), x=column * side, y=row * side, side=side,
        width=index["columns"] * side, height=math.ceil(on_page / index["columns"]) * side,
    )  # fmt: skip


def thumbs_for_script(index: Mapping[str, Any]) -> dict[str, Any] | None:
    """What thumbs.js has to know of an index of thumbnails; None without one."""
    if not index:
        return None
    pages = [thumb_url(index, page) for page in range(len(index["pages"]))]
    return {name: index[name] for name in ("side", "columns", "per_page", "count")} | {"pages": pages}


def thumb_url(index: Mapping[str, Any], page: int) -> str:
    """The address of one page of thumbnails."""
    return f"{base_path()}/app/static/thumbs/{quote(index['key'], safe='')}/{quote(index['pages'][page], safe='')}"


def sprite_html(sprite: Sprite, size: int = 96, caption: str = "", title: str = "", colour: str = "") -> str:
    """One tile, `size` pixels wide, with a caption; the texts may be anything, they are escaped."""
    scale = size / sprite.side
    place = f"background-position:-{sprite.x * scale:.2f}px -{sprite.y * scale:.2f}px;"
    whole = f"background-size:{sprite.width * scale:.2f}px {sprite.height * scale:.2f}px;"
    edge = f"box-shadow:0 0 0 2px {colour};" if colour else ""
    picture = f"background-image:url('{escape(sprite.url, quote=True)}');{place}{whole}width:{size}px;height:{size}px;"
    words = f"<span>{escape(caption)}</span>" if caption else ""
    return (
        f"<div class='lgm-tile' style='width:{size}px' title='{escape(title or caption, quote=True)}'>"
        f'<i role="img" aria-label="{escape(title or caption, quote=True)}" style="{picture}{edge}"></i>{words}</div>'
    )


def real_image_html(
    index: Mapping[str, Any], image: int, size: int = 96, caption: str | None = None, colour: str = ""
) -> str:
    """A real image as a tile; without a caption it is named by its class."""
    name = str(index["classes"][index["labels"][image]])
    origin = str(index["origins"][image]) if image < len(index.get("origins") or []) else ""
    title = f"{name} · {origin}" if origin else name
    return sprite_html(thumb_sprite(index, image), size, name if caption is None else caption, title, colour)


def tiles_html(tiles: list[str]) -> str:
    """Tiles in rows, for `st.html`."""
    return f"<div class='lgm-tiles'>{''.join(tiles)}</div>"


@st.cache_data(max_entries=32, show_spinner=False)
def _index(path: str, stamp: int) -> dict[str, Any]:
    del stamp  # part of the cache's key
    found = read_or_empty(Path(path))
    return found | {"key": Path(path).parent.name} if found and not misfits(found, THUMBS) else {}
