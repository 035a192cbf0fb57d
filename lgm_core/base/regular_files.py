"""Whether a path leads to a file that can be read to its end: who opens a pipe waits for ever, a device has no end.

>>> require_regular(Path("metadata.csv"))
>>> require_regular(Path("pipe"))
DamagedFile: pipe is a pipe, not a regular file; replace it by the file that belongs there
"""

import os
import stat
from pathlib import Path

from lgm_core.base.errors import DamagedFile

_KINDS = (
    (stat.S_ISDIR, "a folder"),
    (stat.S_ISFIFO, "a pipe"),
    (stat.S_ISSOCK, "a socket"),
    (lambda mode: True, "a device"),
)


def require_regular(path: Path, *, or_folder: bool = False) -> None:
    """Raise `DamagedFile` where something else than a regular file lies there, links followed.

    What is missing, or cannot be looked at, passes: whoever opens it says so. `or_folder`: a folder will do, too.
    """
    try:
        mode = os.stat(path).st_mode  # noqa: PTH116 (called for each file of ten thousand runs)
    except (OSError, ValueError):
        return
    if stat.S_ISREG(mode) or or_folder and stat.S_ISDIR(mode):
        return
    kind = next(words for fits, words in _KINDS if fits(mode))
    raise DamagedFile(f"{path} is {kind}, not a regular file; replace it by the file that belongs there")


def require_own(folder: Path) -> None:
    """Raise `DamagedFile` where anything in a folder is a link: whoever appends to it would write elsewhere."""
    for path in folder.rglob("*"):
        if path.is_symlink():
            raise DamagedFile(f"{path} is a link, and would be written through; put a file or folder of its own there")
