"""What was read from a file, kept in memory until the file changes: a second look costs one stat.

>>> counts = Remembered(lambda path: len(path.read_text().splitlines()))
>>> counts.of(Path("log.txt")), counts.of(Path("log.txt"))  # read once
(12, 12)
"""

import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Generic, TypeVar

T = TypeVar("T")
_SETTLED = 2 * 10**9  # nanoseconds: a file that has just been written may be written again within one tick of its clock


class Remembered(Generic[T]):
    """Answers of `read(path)` by path, where `path` is a file or a folder; the oldest of more than `most` are let go.

    The answers are shared: do not change them.
    """

    def __init__(self, read: Callable[[Path], T], most: int = 100_000) -> None:
        self._read, self._most = read, most
        self._kept: dict[str, tuple[tuple[int, int, int], T]] = {}

    def of(self, path: Path) -> T:
        """What `read(path)` says of the file as it is now; whatever that raises is raised."""
        name = str(path)
        try:
            found = os.stat(name)  # noqa: PTH116 (of ten thousand files)
        except OSError:
            return self._read(path)
        stamp, kept = (found.st_mtime_ns, found.st_size, found.st_ino), self._kept.get(name)
        if kept is not None and kept[0] == stamp:
            return kept[1]
        value = self._read(path)
        if abs(time.time_ns() - found.st_mtime_ns) > _SETTLED:  # ahead where the clock was set back
            while len(self._kept) >= self._most:
                self._kept.pop(next(iter(self._kept)), None)
            self._kept[name] = stamp, value
        return value
