"""Download, verify, unpack: a data set appears in its folder whole or not at all.

>>> fetch_dataset("mnist", places().datasets[-1], progress=lambda name, done, total: ...)
PosixPath('cache/datasets/mnist/MNIST')
"""

import os
import shutil
from collections.abc import Callable
from pathlib import Path, PurePosixPath
from urllib.parse import urlparse

from lgm_core.base.download import download
from lgm_core.base.errors import Unavailable, UserError
from lgm_core.datasets.catalog import DatasetRow, Source, find_folder, find_row, how_to_get
from lgm_core.datasets.sources import official_sources
from lgm_core.datasets.unpacking import unpack

Progress = Callable[[str, int, int | None], None]  # name of the file, bytes so far, bytes in all if known


def fetch_dataset(name: str, root: Path, progress: Progress | None = None) -> Path:
    """Fetch a data set into `root`/<its name> and return the folder that holds it; at once if it is there already.

    Archives are kept in `root`/.downloads until all is unpacked, so that a broken download goes on where it stopped.
    Raises `Unavailable` with the steps to take where the licence forbids to fetch, or the download fails.
    """
    row = find_row(name)
    if row.embedded:
        raise UserError(f"the data set {row.name!r} comes with an installed package: there is nothing to fetch")
    present = find_folder(row, [root])
    if present is not None:
        return present
    sources = official_sources(row)
    if not sources:
        raise Unavailable(f"the data set {row.name!r} cannot be fetched for you. Remedy: {how_to_get(row, root)}")
    home = root / row.name
    if home.exists() and any(home.iterdir()):
        raise UserError(f"{home} exists but is incomplete. Remedy: delete it (or move it away) and fetch again")
    downloads = root / ".downloads" / row.name
    archives = [_download(source, downloads, progress) for source in sources]
    return _install(row, home, list(zip(archives, sources, strict=True)), downloads)


def _download(source: Source, folder: Path, progress: Progress | None) -> Path:
    target = folder / (source.filename or PurePosixPath(urlparse(source.url).path).name)
    folder.mkdir(parents=True, exist_ok=True)
    report = None if progress is None else lambda done, total: progress(target.name, done, total)
    return download(source.url, target, sha256=source.sha256, md5=source.md5, progress=report)


def _install(row: DatasetRow, home: Path, archives: list[tuple[Path, Source]], downloads: Path) -> Path:
    """Unpack beside the final place, look whether the data are whole, then rename."""
    root = home.parent
    staging = root / f".unpacking-{row.name}-{os.getpid()}"
    try:
        for archive, source in archives:
            unpack(archive, staging / row.name / source.into)
        if find_folder(row, [staging]) is None:
            lack = " or ".join(row.markers)
            raise Unavailable(
                f"the download from {archives[0][1].url} has no {lack}: its layout has changed. Please report this"
            )
        if home.exists():
            home.rmdir()  # known to be empty: checked before the download
        (staging / row.name).rename(home)
    finally:
        shutil.rmtree(staging, ignore_errors=True)
    shutil.rmtree(downloads, ignore_errors=True)
    folder = find_folder(row, [root])
    assert folder is not None  # it was found in the staging folder a moment ago
    return folder
