"""Pieces of HTML that stand alone: pages, tables, curves as inline SVG. Text from disk is escaped here, once.

Should a text get through, it still runs nothing: a page allows its own script and style alone, by their hashes.

>>> page("A run", table(["setting", "value"], [["steps", "500"]]))
'<!doctype html>...'
"""

import json
import math
from base64 import b64encode
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from hashlib import sha256
from html import escape
from pathlib import Path
from typing import Any

_HERE = Path(__file__).parent
_WIDTH, _HEIGHT, _LEFT, _RIGHT, _TOP, _BOTTOM = 520, 220, 52, 12, 12, 34


@dataclass(frozen=True, kw_only=True)
class Series:
    """A curve: points are (x, y)."""

    name: str
    points: Sequence[tuple[float, float]]
    colour: str = "var(--accent)"


def page(title: str, body: str, *, home: str = "") -> str:
    """A whole document with the style and the player inside it; `home`: address of the page to go back to.

    It loads nothing from elsewhere but pictures that lie beside it.
    """
    style, script = ((_HERE / name).read_text() for name in ("report.css", "report.js"))
    policy = (
        f"default-src 'none'; img-src data: 'self' file:; script-src {_allowed(script)}; style-src {_allowed(style)}; "
        "style-src-attr 'unsafe-inline'; base-uri 'none'; form-action 'none'"
    )
    back = f'<a class="home" href="{escape(home)}">all runs</a>' if home else ""
    return (
        '<!doctype html><html lang="en-GB"><head><meta charset="utf-8">'
        f'<meta http-equiv="Content-Security-Policy" content="{policy}">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{escape(title)}</title><style>{style}</style></head>"
        f"<body>{back}<main>{body}</main><script>{script}</script></body></html>"
    )


def section(title: str, body: str, note: str = "") -> str:
    """A titled part of a page; nothing where there is nothing to show."""
    said = f'<p class="note">{escape(note)}</p>' if note else ""
    return f"<section><h2>{escape(title)}</h2>{said}{body}</section>" if body else ""


def table(headings: Sequence[str], rows: Iterable[Sequence[str]], *, style: str = "") -> str:
    """A plain table; all cells are text."""
    head = "".join(f"<th>{escape(word)}</th>" for word in headings)
    body = "".join("<tr>" + "".join(f"<td>{escape(str(cell))}</td>" for cell in row) + "</tr>" for row in rows)
    return f'<div class="wide"><table class="{style}"><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div>'


def heat_table(headings: Sequence[str], rows: Sequence[tuple[str, Sequence[tuple[float | None, str]]]]) -> str:
    """A table of values, coloured from the lowest to the highest; each cell is (value or None, its text)."""
    values = [value for _, cells in rows for value, _ in cells if value is not None]
    low, high = (min(values), max(values)) if values else (0.0, 1.0)
    lines = []
    for name, cells in rows:
        coloured = "".join(
            f'<td class="heat" style="--h:{_share(value, low, high):.2f}">{escape(words)}</td>'
            if value is not None
            else f'<td class="none">{escape(words)}</td>'
            for value, words in cells
        )
        lines.append(f"<tr><th>{escape(name)}</th>{coloured}</tr>")
    head = "".join(f"<th>{escape(word)}</th>" for word in headings)
    return (
        f'<div class="wide"><table class="matrix"><thead><tr>{head}</tr></thead>'
        f"<tbody>{''.join(lines)}</tbody></table></div>"
    )


def data(values: Any) -> str:
    """JSON for a script of the same page; nothing in it can end the script."""
    text = json.dumps(values).replace("<", "\\u003c")
    return f'<script type="application/json">{text}</script>'


def curve(title: str, series: Sequence[Series], *, x_name: str = "step", percent: bool = False) -> str:
    """Curves over a common axis, as SVG with ticks; a line marks the step that a player of the page shows.

    An axis in percent begins at 0, any other at the lowest value.
    """
    points = [point for one in series for point in one.points]
    if not points:
        return ""
    x_low, x_high = min(x for x, _ in points), max(x for x, _ in points)
    y_low, y_high = 0.0 if percent else min(y for _, y in points), max(y for _, y in points)
    x_high, y_high = (high if high > low else low + 1 for low, high in ((x_low, x_high), (y_low, y_high)))

    def place(x: float, y: float) -> tuple[float, float]:
        across = _LEFT + (x - x_low) / (x_high - x_low) * (_WIDTH - _LEFT - _RIGHT)
        down = _HEIGHT - _BOTTOM - (y - y_low) / (y_high - y_low) * (_HEIGHT - _TOP - _BOTTOM)
        return across, down

    marks = []
    for y in ticks(y_low, y_high):
        down, word = place(x_low, y)[1], f"{100 * y:.3g} %" if percent else f"{y:.4g}"
        marks.append(f'<path class="grid" d="M{_LEFT} {down:.1f}H{_WIDTH - _RIGHT}"/>')
        marks.append(f'<text x="{_LEFT - 6}" y="{down + 4:.1f}" text-anchor="end">{word}</text>')
    for x in ticks(x_low, x_high):
        marks.append(
            f'<text x="{place(x, y_low)[0]:.1f}" y="{_HEIGHT - _BOTTOM + 16}" text-anchor="middle">{x:.4g}</text>'
        )
    marks.append(f'<text x="{(_LEFT + _WIDTH) / 2}" y="{_HEIGHT - 2}" text-anchor="middle">{escape(x_name)}</text>')
    for one in series:
        way = " ".join(f"{a:.1f},{b:.1f}" for a, b in (place(x, y) for x, y in one.points))
        dots = "".join(
            f'<circle cx="{a:.1f}" cy="{b:.1f}" r="2.5" fill="{one.colour}"/>'
            for a, b in (place(x, y) for x, y in one.points)
        )
        marks.append(f'<polyline points="{way}" style="stroke:{one.colour}"/>' + (dots if len(one.points) < 40 else ""))
    cursor = f'<path class="cursor" data-low="{x_low}" data-high="{x_high}" data-left="{_LEFT}" '
    cursor += f'data-right="{_WIDTH - _RIGHT}" d="M0 {_TOP}V{_HEIGHT - _BOTTOM}" visibility="hidden"/>'
    legend = "".join(
        f'<br><span style="color:{one.colour}">●</span> {escape(one.name)}' for one in series if len(series) > 1
    )
    return (
        f'<figure class="curve"><figcaption>{escape(title)}{legend}</figcaption><svg viewBox="0 0 {_WIDTH} {_HEIGHT}" '
        f'role="img" aria-label="{escape(title)}">{"".join(marks)}{cursor}</svg></figure>'
    )


def ticks(low: float, high: float, about: int = 4) -> list[float]:
    """Round numbers between `low` and `high`, about so many."""
    raw = (high - low) / about
    size = 10 ** math.floor(math.log10(raw))
    width = next(size * step for step in (1, 2, 2.5, 5, 10) if size * step >= raw)
    first = math.ceil(low / width - 1e-9)
    return [round(float(number * width), 10) for number in range(first, math.floor(high / width + 1e-9) + 1)]


def _allowed(text: str) -> str:
    """An inline script or style as a content policy names it."""
    return f"'sha256-{b64encode(sha256(text.encode()).digest()).decode()}'"


def _share(value: float, low: float, high: float) -> float:
    return (value - low) / (high - low) if high > low else 0.5
