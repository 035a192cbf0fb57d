"""One look: colours per class and per backbone, the style sheet, page titles, empty states.

>>> class_colour(3), backbone_colour("dinov2_vits14")
('#d55e00', '#29996d')
"""

import colorsys
import re
from collections.abc import Mapping
from functools import cache
from html import escape
from pathlib import Path

import streamlit as st

from lgm_core.backbones import catalog

# Colours that the colour-blind can tell apart: Okabe and Ito (2008) without black, which a dark page hides, and three
# dark ones. Whatever else has a colour on a page takes it from here; .streamlit/config.toml repeats them for charts.
BLUE, ORANGE, GREEN, VERMILLION, PURPLE, SKY = "#0072b2", "#e69f00", "#009e73", "#d55e00", "#cc79a7", "#56b4e9"
GREY = "#8a8f98"
CLASS_PALETTE = (BLUE, ORANGE, GREEN, VERMILLION, PURPLE, SKY, "#882255", "#117733", "#f0e442", "#7b3f00")
STATE_COLOURS = {
    "queued": GREY, "running": BLUE, "paused": ORANGE, "stopped": GREY, "failed": VERMILLION, "finished": GREEN,
    "lost": PURPLE,
}  # fmt: skip
STATE_ICONS = {
    "queued": "hourglass_empty", "running": "play_circle", "paused": "pause_circle", "stopped": "stop_circle",
    "failed": "error", "finished": "check_circle", "lost": "link_off",
}  # fmt: skip
BADGE_COLOURS = {
    "queued": "gray", "running": "blue", "paused": "orange", "stopped": "gray",
    "failed": "red", "finished": "green", "lost": "violet",
}  # fmt: skip
PRODUCT = "LGM Studio"
CSS = (Path(__file__).parent / "theme.css").read_text()
# A choice that is put into the URL replaces it, so that Back leaves the page; only another page is a step of its own.
# Streamlit may name the choices of a page before it names the page itself: so the former wait for a moment.
_HISTORY = """<script>
if (!window.lgmPush) {
  window.lgmPush = history.pushState.bind(history);
  let waiting = 0;
  history.pushState = (state, title, url) => {
    const { pathname } = location;
    clearTimeout(waiting);
    if (new URL(url, location.href).pathname !== pathname) window.lgmPush(state, title, url);
    else waiting = setTimeout(() => location.pathname === pathname && history.replaceState(state, title, url), 150);
  };
}
</script>"""
_GOLDEN = 0.6180339887


@cache
def class_colour(index: int) -> str:
    """The colour of class number `index`, everywhere; beyond the palette by the golden angle."""
    if index < len(CLASS_PALETTE):
        return CLASS_PALETTE[index]
    return _hex((index * _GOLDEN) % 1.0, 0.42 + 0.14 * (index % 3), 0.6)


def class_colours(count: int) -> list[str]:
    """The colours of the first `count` classes."""
    return [class_colour(index) for index in range(count)]


@cache
def backbone_colour(name: str) -> str:
    """The colour of a backbone, everywhere: a hue per family, a lightness per member."""
    families = list(dict.fromkeys(row.family for row in catalog.ROWS))
    row = catalog.known_row(name.split("@")[0])
    if row is None:
        return _hex((sum(map(ord, name)) * _GOLDEN) % 1.0, 0.5, 0.35)
    family = families.index(row.family)
    members = [other.name for other in catalog.ROWS if other.family == row.family]
    place = members.index(row.name) / max(len(members) - 1, 1)
    return _hex((0.58 + family * _GOLDEN) % 1.0, 0.38 + 0.26 * place, 0.58)


def state_words(state: str) -> str:
    """The state as a coloured badge in Markdown."""
    return f":{BADGE_COLOURS.get(state, 'gray')}-badge[:material/{STATE_ICONS.get(state, 'circle')}: {state}]"


def header(title: str, question: str) -> None:
    """The head of every page: its title and the question that it answers."""
    name_tab(title)
    st.html(f"<style>{CSS}</style>")
    head = f"<div class='lgm-head'><h1>{escape(title)}</h1><p>{escape(question)}</p></div>"
    st.html(head + _HISTORY, unsafe_allow_javascript=True)


def name_tab(*parts: str) -> None:
    """The title of the browser's tab: what the page shows, then the product."""
    st.set_page_config(page_title=" · ".join([*parts, PRODUCT]))


def empty(
    title: str, text: str, *, page: str = "", label: str = "", icon: str = "image_search",
    query: Mapping[str, str] | None = None,
) -> None:  # fmt: skip
    """An empty state: what is not there yet, and what to do first; `page` with `query` is where that is done."""
    with st.container(border=True, key=f"lgm_empty_{icon}", horizontal_alignment="center"):
        st.title(f":gray[:material/{icon}:]", anchor=False, text_alignment="center")
        st.subheader(title, anchor=False, text_alignment="center")
        st.markdown(text, text_alignment="center", width=620)
        if page and st.button(label, type="primary", icon=":material/arrow_forward:", key=f"lgm_go_{icon}"):
            st.switch_page(page, query_params=dict(query or {}))


def shortened(name: str, most: int = 40) -> str:
    """A long name without its middle: runs differ at their ends. Where it is shown, a tooltip has the whole."""
    kept = most - 1
    return name if len(name) <= most else f"{name[: kept - kept // 2]}…{name[len(name) - kept // 2 :]}"


def plain(text: object) -> str:
    """Text from disk, made safe for Markdown: shown as it is, never as a link, an image or HTML.

    What Markdown would make a link of, escaped or not (`NAME@block6.cls` looks like an address), becomes code.
    """
    parts = _LIKE_A_LINK.split(str(text).replace("\n", " "))
    return "".join(f"`{part}`" if place % 2 else _ESCAPED.sub(r"\\\g<0>", part) for place, part in enumerate(parts))


_ESCAPED = re.compile(r"[\\`*_{}\[\]()<>#+\-.!|$:~]")
_LIKE_A_LINK = re.compile(r"([^\s`,;()\[\]<>\"']*(?:@|://|www\.)[^\s`,;()\[\]<>\"']*)", re.IGNORECASE)


def _hex(hue: float, lightness: float, saturation: float) -> str:
    red, green, blue = colorsys.hls_to_rgb(hue, lightness, saturation)
    return f"#{round(255 * red):02x}{round(255 * green):02x}{round(255 * blue):02x}"
