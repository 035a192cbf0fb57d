"""Arrays on disk that hold the SHA-256 of each of their rows, so that one flipped bit is noticed.

An .npy file, which any program may map, and after its numbers the digests, 32 bytes each; that of the first row covers
the header, too. A vector is one row. Files of earlier versions end with their numbers, and pass.

>>> save_sealed(path, snapshots)
>>> is_whole(path, shape=(4, 1_348_608), note=bench.note)
True
"""

import hashlib
from collections.abc import Callable, Iterator
from functools import lru_cache
from io import BytesIO
from pathlib import Path

import numpy as np
from numpy.lib.format import header_data_from_array_1_0, open_memmap, write_array_header_1_0

from lgm_core.base.errors import DamagedFile
from lgm_core.base.files import replacing
from lgm_core.base.regular_files import require_regular

_DIGEST = 32  # bytes


def save_sealed(path: Path, array: np.ndarray) -> None:
    """Write the array, and its digests after it; the file appears only when it is whole.

    Not by `numpy.save`, which says nothing where a full disk refuses the last bytes.
    """
    header, digests = BytesIO(), list[bytes]()
    write_array_header_1_0(header, header_data_from_array_1_0(array))
    with replacing(path) as new, new.open("wb") as file:
        before = header.getvalue()
        file.write(before)
        for row in array if array.ndim > 1 else array[None]:
            file.write(row.tobytes())
            digests.append(hashlib.sha256(before + row.tobytes()).digest())
            before = b""
        file.write(b"".join(digests))


def is_whole(path: Path, *, shape: tuple[int, ...], note: Callable[[str], object]) -> bool:
    """Is the array there, of this shape, as it was written? Else `note` is told, and the file is removed.

    Read once by a process, and again where the file is another one.
    """
    if not path.exists():
        return False
    require_regular(path)
    found = path.stat()
    try:
        _require_whole(path, shape, (found.st_size, found.st_mtime_ns, found.st_ino))
        return True
    except DamagedFile as error:
        note(f"{error}; computing it again")
        path.unlink()
        return False


@lru_cache(maxsize=4096)
def _require_whole(path: Path, shape: tuple[int, ...], facts: tuple[int, int, int]) -> None:
    try:
        array = open_memmap(path, mode="r")
    except (ValueError, OSError, OverflowError, MemoryError, RecursionError) as error:
        raise DamagedFile(f"{path} is damaged ({error})") from None
    rows = shape[0] if len(shape) > 1 else 1
    offset, left = array.offset, facts[0] - array.offset - array.nbytes
    if array.shape != shape or left not in (0, rows * _DIGEST):
        raise DamagedFile(f"{path} is damaged (an array of {array.shape}, {shape} expected, and {left} bytes after it)")
    with path.open("rb") as file:
        file.seek(offset + array.nbytes)
        sealed = file.read()
    if sealed and sealed != b"".join(_digests(path, array.nbytes, rows)):
        raise DamagedFile(f"{path} is damaged (its bytes are not those that were written)")


def _digests(path: Path, size: int, rows: int) -> Iterator[bytes]:
    """Of each row of the `size` bytes of numbers."""
    with path.open("rb") as file:
        header = file.read(open_memmap(path, mode="r").offset)
        for _ in range(rows):
            yield hashlib.sha256(header + file.read(size // rows)).digest()
            header = b""
