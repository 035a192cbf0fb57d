"""What there is, as rows of text: backbones, data sets, runs, presets. Needs no torch.

>>> headings, rows = LISTS["backbones"](places())
>>> rows[0]
['mobilenet_v3_small', 'MobileNetV3-small', 'ready', ...]
"""

import time
from collections.abc import Callable
from pathlib import Path

from lgm_core.backbones import catalog as backbones
from lgm_core.base.errors import Unavailable, UnknownName, result_or_why
from lgm_core.base.names import unknown
from lgm_core.base.places import Places
from lgm_core.datasets import catalog as datasets
from lgm_core.datasets.group_files import collection_names
from lgm_core.datasets.groups import PREFIX
from lgm_core.presets import PRESETS
from lgm_core.runs.store import RunStore

Listing = tuple[list[str], list[list[str]]]


def list_backbones(places: Places) -> Listing:
    """Every row of the catalogue, with "ready", "can be fetched" or "gated"."""
    headings = ["name", "title", "status", "features", "million parameters", "download, MB", "licence"]
    rows = [
        [
            row.name,
            backbones.title_here(row, places),
            backbones.status(row, places),
            str(row.feature_size),
            f"{row.parameters:.1f}",
            f"{row.megabytes:.0f}",
            row.licence,
        ]
        for row in backbones.ROWS
    ]
    aliases = ", ".join(f"{alias} = {name}" for alias, name in backbones.ALIASES.items())
    return [*headings], [*rows, ["timm:NAME", "any model of timm", "", "", "", "", ""],
        ["open_clip:NAME/TAG", "any model of open_clip", "", "", "", "", ""],
        ["file:PATH?timm=NAME", "your own checkpoint", "", "", "", "", ""],
        ["python:FILE.py:FUNCTION", "your own network; also python:MODULE:FUNCTION", "", "", "", "", ""],
        ["conv[:NORM][:augmented]", "trained from scratch; also resnet, vgg, alexnet", "", "", "", "", ""],
        ["aliases", aliases, "", "", "", "", ""]]  # fmt: skip


def list_datasets(places: Places) -> Listing:
    """Every row of the catalogue, with "ready", "can be fetched (size)" or how to get it by hand."""
    rows = [
        [
            row.name,
            row.title,
            datasets.status(row, places),
            *(str(count) if count else "" for count in (row.classes, row.train, row.test)),
            row.licence,
        ]
        for row in datasets.CATALOG.values()
    ]
    layouts = "PATH/train/CLASS/*, PATH/val/CLASS/*; PATH/CLASS/*, which is split; the hub's PATH/data/*.parquet"
    rows.append(["folder:PATH", layouts, *[""] * 5])
    for name in collection_names(places.groups):
        row = datasets.find_row(f"{PREFIX}{name}")
        rows.append([row.name, row.title, datasets.status(row, places), *[""] * 3, row.licence])
    return ["name", "title", "status", "classes", "train", "test", "licence"], rows


def list_runs(places: Places, tag: str = "", starred: bool = False) -> Listing:
    """The newest forty runs (with this tag, with a star), newest last; then folders that cannot be read as a run."""
    rows, store = [], RunStore(places.runs)
    listed = store.listed()
    if tag or starred:
        marked = [(run.marks(), run, facts) for run, facts in listed]
        listed = [(run, facts) for it, run, facts in marked if (it.starred or not starred) and tag in ("", *it.tags)]
    for run, facts in listed[-40:]:
        status = run.status()
        when = time.strftime("%Y-%m-%d %H:%M", time.localtime(run.config_file.stat().st_mtime))
        rows.append(
            [run.id, facts.kind, status.state, f"{status.step}/{status.steps}", facts.study, when, run.marks().words()]
        )
    rows += [["unreadable", problem, "", "", "", "", ""] for problem in store.unreadable()]
    return ["run", "kind", "state", "step", "study", "created", "notes"], rows


def list_presets(places: Places) -> Listing:
    """What each preset changes."""
    return ["preset", "changes"], [[name, _words(changes)] for name, changes in PRESETS.items()]


def fetch_one(name: str, places: Places, progress: Callable[[str, int, int | None], None]) -> Path:
    """Download a data set or a backbone's weights, whichever the name means. Raises `UserError`."""
    from lgm_core.backbones.weights import fetch_weights
    from lgm_core.datasets.fetch import fetch_dataset

    if is_known(backbones.find_row, name):
        row = backbones.find_row(name)
        try:
            return fetch_weights(row, places, lambda done, total: progress(row.file, done, total), published=True)
        except Unavailable as error:
            if note := row.stands_in(backbones.find_weights(row, places)):
                raise Unavailable(f"{error}. Until then its stand-in is used ({note})") from error
            raise
    if is_known(datasets.find_row, name):
        return fetch_dataset(name, places.datasets[-1], progress)
    known = [row.name for row in backbones.ROWS] + list(datasets.CATALOG)
    raise UnknownName(unknown(name, known, "data set or backbone"))


def is_known(find_row: Callable[[str], object], name: str) -> bool:
    """Does a catalogue's `find_row` take this name?"""
    return not result_or_why(lambda: find_row(name), but=UnknownName)[1]


def _words(changes: dict) -> str:
    parts = []
    for key, value in changes.items():
        inner = value.items() if isinstance(value, dict) else [("", value)]
        parts += [f"{key}{'.' + name if name else ''} = {setting}" for name, setting in inner]
    return ", ".join(parts) or "the defaults (lgm distill --help)"


LISTS: dict[str, Callable[[Places], Listing]] = {
    "backbones": list_backbones,
    "datasets": list_datasets,
    "runs": list_runs,
    "presets": list_presets,
}
