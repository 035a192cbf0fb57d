"""A gallery of chosen runs as a folder of plain pages, which any web server serves: `python -m http.server`.

>>> write_site(store.study("demo"), Path("site"), title="Ten images are enough")
PosixPath('site')
"""

import time
from collections.abc import Sequence
from functools import partial
from html import escape
from pathlib import Path

from PIL import Image

from lgm_core.base.errors import result_or_why
from lgm_core.reports.card import plain, zipped
from lgm_core.reports.labels import row_label
from lgm_core.reports.markup import page
from lgm_core.reports.page import run_report, study_report
from lgm_core.reports.pictures import as_bytes, frame, pictures
from lgm_core.reports.summary import judge_words, top1_words
from lgm_core.reports.unseen import reports_of
from lgm_core.runs.store import RunFolder, RunStore

TITLE = "Distilled data sets"
_COVER = 10  # pictures on the card of a run, in rows of five


def write_site(runs: Sequence[RunFolder], folder: Path, *, title: str = TITLE) -> Path:
    """Write index.html with a card per run, and a page for each run and each study among them."""
    (folder / "runs").mkdir(parents=True, exist_ok=True)
    (folder / "covers").mkdir(exist_ok=True)
    cards = []
    for run in runs:
        name = plain(run.id)
        related = RunStore(run.path.parent).looking_at(run.id)
        (folder / "runs" / f"{name}.html").write_text(run_report(run, related, home="../index.html"))
        cover = _cover(run)
        if cover is not None:
            (folder / "covers" / f"{name}.webp").write_bytes(cover)
        cards.append(_card(run, name, cover is not None))
    links = []
    for study in dict.fromkeys(run.config().study for run in runs if run.config().study):
        own, store = {run.id for run in runs if run.config().study == study}, RunStore(runs[0].path.parent)
        members = [run for run in store.study(study) if {run.id, store.facts(run.id).source} & own]
        file = f"study-{plain(study)}.html"
        (folder / file).write_text(study_report(study, members, home="index.html"))
        links.append(f'<a href="{escape(file)}">{escape(study)}</a>')
    said = f"{len(runs)} {'run' if len(runs) == 1 else 'runs'} · {time.strftime('%d %B %Y')}"
    studies = f"<p>Studies: {', '.join(links)}</p>" if links else ""
    body = f'<h1>{escape(title)}</h1><p class="note">{said}</p>{studies}<div class="cards">{"".join(cards)}</div>'
    (folder / "index.html").write_text(page(title, body))
    return folder


def site_zip(runs: Sequence[RunFolder], *, title: str = TITLE) -> bytes:
    """The site as one zip file."""
    return zipped(lambda folder: write_site(runs, folder, title=title))


def _cover(run: RunFolder) -> bytes | None:
    found = list(pictures(run, 160, _COVER))
    if found:
        across = min(len(found), 5)
        sheet = Image.new("RGB", (160 * across, 160 * -(-len(found) // across)))
        for place, picture in enumerate(found):
            sheet.paste(picture, (160 * (place % across), 160 * (place // across)))
        return as_bytes(sheet, "WEBP", quality=80)
    lines = run.frame_list()
    picture, _ = result_or_why(partial(frame, run, lines[-1], 800)) if lines else (None, "")
    return as_bytes(picture, "WEBP", quality=80) if picture else None


def _card(run: RunFolder, name: str, covered: bool) -> str:
    config, reports = run.config(), reports_of(run)
    scores = ", ".join(f"top-1 {top1_words(report)} % on {judge_words(report)}" for report in reports[:3])
    image = f'<img src="covers/{escape(name)}.webp" alt="" loading="lazy">' if covered else ""
    said = f"{'An example. ' if run.is_example() else ''}{escape(config.dataset)}: {escape(row_label(config))}"
    return (
        f'<a class="card" href="runs/{escape(name)}.html">{image}<div><b>{escape(run.id)}</b><br>{said}'
        f'<p class="note">{escape(scores or run.status().state)}</p></div></a>'
    )
