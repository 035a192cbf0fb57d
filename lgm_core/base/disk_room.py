"""Room on the disk that a file gets before it is written through a memory map.

>>> with path.open("r+b") as file:
...     reserve_room(file, 2**30)
"""

import os
import sys
from typing import IO


def reserve_room(file: IO[bytes], size: int) -> None:
    """Give an open file `size` bytes on the disk now; what it holds stays.

    Raises `OSError`, with the file's name, where the disk has no room: later, a write to the map of such a file would
    be a signal that kills the process. Systems other than Linux reserve nothing.
    """
    if sys.platform != "linux":
        return
    try:
        os.posix_fallocate(file.fileno(), 0, size)
    except OSError as error:
        raise OSError(error.errno, error.strerror, file.name) from None
