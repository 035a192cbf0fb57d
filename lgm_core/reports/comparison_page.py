"""Where backbones disagree, as sections of a report: measures of each pair, classes, groups with their images.

>>> comparison_sections(run)
'<section><h2>mobilenet_v2 and dinov2_vits14</h2>...'
"""

from collections.abc import Iterator, Sequence
from html import escape
from pathlib import Path

from PIL import Image

from lgm_core.base.names import LONGEST_FILE_NAME, why_no_name
from lgm_core.reports.disagreement import (
    HEADINGS,
    Disagreement,
    cells_of,
    evidence,
    measure_words,
    open_disagreement,
    shown_rows,
)
from lgm_core.reports.markup import section, table
from lgm_core.reports.pictures import as_uri
from lgm_core.runs.damage import read_or_empty
from lgm_core.runs.misfits import misfits
from lgm_core.runs.shapes import THUMBS
from lgm_core.runs.store import RunFolder

_K, _GROUPS, _TILES, _SIDE = 10, 2, 12, 64  # neighbours; groups of each direction; images of a group; pixels


def comparison_sections(run: RunFolder) -> str:
    """What an align run found, a section per pair; "" for other runs and those of earlier versions."""
    found = open_disagreement(run)
    if found is None:
        return ""
    return "".join(_pair(found, one, other) for one, other in found.pairs())


def _pair(found: Disagreement, one: str, other: str) -> str:
    k = min(found.ks, key=lambda k: abs(k - _K))
    share = found.shared(one, other, k)
    rows = [[measure_words(row), *cells_of(row)] for row in shown_rows(found.measured(one, other), k)]
    body = table(["measure", *HEADINGS], rows) if rows else ""
    classes = [
        [found.classes[row.label], str(row.images), f"{100 * row.mean:.1f} ± {100 * row.error:.1f}"]
        for row in found.per_class(share)
    ]
    body += table(["class", "images", f"common of {k}, %"], classes[:3] + classes[-1:] if len(classes) > 4 else classes)
    for near, far in ((one, other), (other, one)):
        for group in found.torn(near, far)[:_GROUPS]:
            said = f"{len(group['members'])} images: {evidence(group, near, far)}."
            body += f'<p class="note">{escape(said)}</p>{_tiles(found, group["members"][:_TILES])}'
    note = (
        f"On average {100 * share.mean():.1f} % of the {k} nearest images of an image are in common, "
        f"{100 * found.chance(k):.1f} % by chance; {len(share)} test images. Scores: 0 at what 95 % of permutations "
        "of the images reach, 1 at the measure's highest value."
    )
    return section(f"{one} and {other}", body, note)


def _tiles(found: Disagreement, rows: Sequence[int]) -> str:
    shown = "".join(
        f'<figure><img src="{as_uri(picture)}" alt="{escape(name)}"><figcaption>{escape(name)}</figcaption></figure>'
        for picture, name in _pictures(found, rows)
    )
    return f'<div class="tiles" style="--tile-size:{_SIDE}px">{shown}</div>' if shown else ""


def _pictures(found: Disagreement, rows: Sequence[int]) -> Iterator[tuple[Image.Image, str]]:
    """The thumbnails of some rows, with their classes; none where they are not here."""
    folder = found.run.path.parent.parent / "thumbs" / found.thumbs
    index = {} if why_no_name(found.thumbs, LONGEST_FILE_NAME) else read_or_empty(folder / "index.json")
    if not index or misfits(index, THUMBS):
        return
    side = index["side"]
    for row in rows:
        page, tile = divmod(int(found.indices[row]), index["per_page"])
        y, x = divmod(tile, index["columns"])
        whole = _open(folder / index["pages"][page]) if page < len(index["pages"]) else None
        if whole is not None:
            yield whole.crop((x * side, y * side, (x + 1) * side, (y + 1) * side)), found.classes[found.labels[row]]


def _open(path: Path) -> Image.Image | None:
    try:
        return Image.open(path).convert("RGB")
    except (OSError, ValueError):
        return None
