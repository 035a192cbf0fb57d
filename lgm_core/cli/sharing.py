"""Verbs that write what the pages Report and Watch offer, as files to keep or to pass on; no run is changed.

>>> report(["demo", "--to", "demo.html"])  # of a run or a study
demo.html: 1.8 MB
0
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import tyro

from lgm_core.base.errors import UserError
from lgm_core.base.files import replacing
from lgm_core.base.places import places
from lgm_core.cli.console import progress_bar
from lgm_core.reports.card import write_export
from lgm_core.reports.film import FORMS, write_film
from lgm_core.reports.page import run_report, study_report
from lgm_core.reports.site import TITLE, write_site
from lgm_core.runs.store import RunFolder, RunStore

Name = Annotated[str, tyro.conf.Positional]
Names = Annotated[tuple[str, ...], tyro.conf.Positional]
ToFile = Annotated[Path | None, tyro.conf.arg(help="the file to write; default: named after the run, in this folder")]
ToFolder = Annotated[Path | None, tyro.conf.arg(help="the folder to write to, created if missing")]
_OF_IMAGES = ("distill", "baseline")


def report(arguments: Sequence[str]) -> int:
    """Write the report of a run or study as one self-contained HTML file: lgm report RUN|STUDY [--to FILE]."""

    def read(name: Name, to: ToFile = None) -> tuple[str, Path | None]:
        return name, to

    name, to = tyro.cli(read, args=list(arguments), prog="lgm report", description=report.__doc__)
    store = RunStore(places().runs)
    if runs := store.study(name):
        html = study_report(name, runs)
    else:
        run = _of_images(store.open(name))
        name, html = run.id, run_report(run, store.looking_at(run.id))
    with _writing(to, f"{name}.html") as path, replacing(path) as new:
        new.write_text(html)
    return 0


def gallery(arguments: Sequence[str]) -> int:
    """Write a gallery site of all runs or those named: lgm gallery [RUN|STUDY ...] [--to FOLDER]."""

    def read(
        names: Names = (),
        to: ToFolder = None,
        title: Annotated[str, tyro.conf.arg(help="title of the first page")] = TITLE,
    ) -> tuple[tuple[str, ...], Path, str]:
        return names, (to or Path("gallery")).expanduser(), title

    names, folder, title = tyro.cli(read, args=list(arguments), prog="lgm gallery", description=gallery.__doc__)
    store = RunStore(places().runs)
    if names:
        found = [run for name in names for run in store.study(name) or [_of_images(store.open(name))]]
    else:
        found = [run for run, facts in store.listed() if facts.kind in _OF_IMAGES]
    runs = [
        run for run in {run.id: run for run in found}.values() if run.synthetic.exists() or run.frame_index.exists()
    ]
    if not runs:
        raise UserError(f"none of {len(found)} runs has images to show yet; `lgm distill` makes some")
    with _writing(folder):
        write_site(runs, folder, title=title)
    print(f"to view it: python -m http.server --directory {folder}")
    return 0


def export(arguments: Sequence[str]) -> int:
    """Write a run's images as PNG and tensors, with a card: lgm export RUN [--to FOLDER]."""

    def read(run: Name, to: ToFolder = None) -> tuple[str, Path | None]:
        return run, to

    name, to = tyro.cli(read, args=list(arguments), prog="lgm export", description=export.__doc__)
    run = RunStore(places().runs).open(name)
    folder = (to or Path(run.id)).expanduser()
    if folder.is_dir() and any(folder.iterdir()):
        raise UserError(f"{folder} is not empty, and the export would mix with what is in it; name a new folder: --to")
    with _writing(folder):
        write_export(run, folder)
    return 0


def timelapse(arguments: Sequence[str]) -> int:
    """Write a film of how a run's images evolved: lgm timelapse RUN [--format mp4|webp|gif] [--to FILE]."""

    def read(
        run: Name,
        format: Annotated[str, tyro.conf.arg(help=f"{', '.join(FORMS)}; default: by FILE's ending, else mp4")] = "",
        seconds: Annotated[float, tyro.conf.arg(help="length of the film; default: twelve frames a second")] = 0.0,
        to: ToFile = None,
    ) -> tuple[str, str, float, Path | None]:
        return run, format, seconds, to

    name, form, seconds, to = tyro.cli(read, args=list(arguments), prog="lgm timelapse", description=timelapse.__doc__)
    run = RunStore(places().runs).open(name)
    suffix = to.suffix.lstrip(".").lower() if to else ""
    form = form or suffix or "mp4"
    if suffix and suffix != form and to and not to.is_dir():
        raise UserError(f"{to} does not fit --format {form}; let its name end in .{form}, or leave out --format")
    with _writing(to, f"{run.id}.{form}") as path, progress_bar() as listener:
        write_film(run, form, path, lambda done, total: listener("drawing", done, total, {}), seconds=seconds)
    return 0


def _of_images(run: RunFolder) -> RunFolder:
    """Raise `UserError` for a run that has no images of its own: it is part of other runs' reports."""
    config = run.config()
    if config.kind in _OF_IMAGES:
        return run
    named = f"; name the run that it is about: {config.source}" if config.source else ""
    raise UserError(f"reports are made of distillations and baselines; {run.id!r} is of the kind {config.kind}{named}")


@contextmanager
def _writing(to: Path | None, name: str = "") -> Iterator[Path]:
    """Where to write: `to`, or `name` where that is a folder or None; says in the end what was written."""
    path = (to or Path(name)).expanduser()
    path = path / name if name and path.is_dir() else path
    if not path.parent.parent.is_dir():  # one new folder is made, a mistyped path is not
        raise UserError(f"there is no folder {path.parent.parent}; name another place with --to")
    try:
        path.parent.mkdir(exist_ok=True)
        yield path
    except OSError as error:
        raise UserError(f"{path} cannot be written ({error}); name another place with --to") from error
    size = (
        sum(file.stat().st_size for file in path.rglob("*") if file.is_file()) if path.is_dir() else path.stat().st_size
    )
    print(f"{path}: {size / 2**20:.1f} MB")
