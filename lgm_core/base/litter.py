"""What a killed writer has left half written is removed, and what another process is writing just now is not.

>>> sweep(run.path, but=("status.json",))  # of a folder that is written to by this process alone, but for these files
>>> sweep_old(places().features)  # of one that any process may write to
"""

import os
import re
import shutil
import time
from contextlib import suppress
from pathlib import Path

_LEFT_AFTER = 86400.0  # seconds; no file takes so long to be written
_WRITER = re.compile(r"\.(\d+)(?:-\d+)?\.new")  # its process, in the name of what is half written


def sweep(folder: Path, *, but: tuple[str, ...] = ()) -> None:
    """Remove what a killed writer has left half written beside the files of a folder, and one folder below it.

    `but`: files that others may be writing just now; of these, only what is older than a day, by a clock that may have
    been set, and whose writer does not live here.
    """
    others = tuple(f".{name}." for name in but)
    for left in _half_written(folder):
        if not left.name.startswith(others) or _is_old(left):
            left.unlink(missing_ok=True)


def sweep_old(folder: Path) -> None:
    """The same for a folder that any process may be writing to: half-written files and folders older than a day."""
    for left in _half_written(folder):
        with suppress(OSError):
            if _is_old(left):
                shutil.rmtree(left) if left.is_dir() else left.unlink()


def _half_written(folder: Path) -> list[Path]:
    """Fewer where a folder goes away meanwhile: the next sweep finds the rest."""
    found: list[Path] = []
    for pattern in (".*.new*", "*/.*.new*"):
        with suppress(FileNotFoundError):
            found += folder.glob(pattern)
    return found


def _is_old(left: Path) -> bool:
    """False too where its writer has finished it meanwhile."""
    writer = _WRITER.search(left.name)
    try:
        changed = left.stat().st_mtime
    except FileNotFoundError:
        return False
    return time.time() - changed > _LEFT_AFTER and not (writer and _lives(int(writer[1])))


def _lives(process: int) -> bool:
    """Is there a process of this number on this machine?"""
    try:
        os.kill(process, 0)
    except (ProcessLookupError, OverflowError):
        return False
    except PermissionError:
        return True
    return True
