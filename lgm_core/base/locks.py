"""Locks that filelock does not offer: the only module that imports fcntl.

A lock belongs to an open file; closing the file, or the death of every process that has it open, frees the lock, and
the file stays. Where one simply waits for another process, `filelock.FileLock` is used. It is not enough where

- somebody asks whether a lock is held: filelock would have to take it, and whoever wants it at that moment would find
  it taken; a shared lock, which filelock does not have, disturbs neither the writer nor others that ask;
- the locked file is written to and renamed, as a ticket of the queue is before others may see it;
- the lock is handed on to a child process: on release filelock unlocks the child's as well.

>>> lock = take(folder / "writer.lock")  # an open file, or None where another process has it
>>> is_held(folder / "writer.lock")
True
>>> lock.close()
"""

import fcntl
import time
from pathlib import Path
from typing import IO

from lgm_core.base.regular_files import require_regular

_TRIES, _INSTANT = 50, 0.01  # seconds between two tries, while somebody asks whether a lock is held


def take(path: Path) -> IO[str] | None:
    """Open the file, made where there is none, and lock it for oneself; None, at once, where somebody else has it.

    Those who only ask whether it is held have it for an instant, and are waited for. Close the file to free the lock. A
    child process that is given the descriptor holds the lock as long as it lives. Raises `DamagedFile` where something
    else than a file lies there.
    """
    require_regular(path)
    file = path.open("a+")
    try:
        for _ in range(_TRIES):
            if _locked(file, fcntl.LOCK_EX):
                return file
            if not _locked(file, fcntl.LOCK_SH):
                break  # no other may have it beside its owner
            fcntl.flock(file, fcntl.LOCK_UN)
            time.sleep(_INSTANT)
    except BaseException:
        file.close()
        raise
    file.close()
    return None


def is_held(path: Path) -> bool:
    """Does anybody hold the lock of this file now? False where there is no such file. Asking takes a shared lock for an
    instant.
    """
    if not path.is_file():
        return False
    try:
        with path.open("r") as file:
            return not _locked(file, fcntl.LOCK_SH)
    except FileNotFoundError:
        return False


def _locked(file: IO[str], kind: int) -> bool:
    try:
        fcntl.flock(file, kind | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
