"""Seals: a safetensors file that holds the SHA-256 of all its bytes, so that one flipped bit is noticed.

The digest lies in the file's metadata, where a program that knows nothing of it reads the tensors all the same. Files
of earlier versions have none and pass. Needs no torch.

>>> seal(path)  # a file that was saved with UNSEALED in its metadata
>>> require_whole(path)  # raises DamagedFile where a byte has changed since
{'next_step': '40', 'sha256': '9f86d08...'}
"""

import hashlib
import json
from pathlib import Path
from typing import IO, Any

from lgm_core.base.errors import DamagedFile
from lgm_core.base.files import cannot_be_read
from lgm_core.base.regular_files import require_regular

_KEY = "sha256"
_BLANK = "0" * 64
UNSEALED = {_KEY: _BLANK}  # the metadata of a file that `seal` is to be called on
_LONGEST_HEADER = 100 * 2**20  # bytes, as in safetensors itself
_BLOCK = 2**20


def seal(path: Path) -> None:
    """Write the digest of a file that was saved with `UNSEALED` in its metadata into it.

    The metadata get the order of their names, for safetensors writes them in another one each time: the same tensors
    and metadata make the same bytes.
    """
    with path.open("r+b") as file:
        header = _in_order(_header(file, path))
        if _BLANK.encode() not in header:
            raise ValueError(f"{path} was not saved with UNSEALED in its metadata")
        digest = _digest(file, header)
        file.seek(8)
        file.write(header.replace(_BLANK.encode(), digest.encode(), 1))


def require_whole(path: Path) -> dict[str, str]:
    """The metadata of a safetensors file; raises `DamagedFile` where it is cut short, garbage, or not as sealed."""
    require_regular(path)
    try:
        with path.open("rb") as file:
            header = _header(file, path)
            metadata = _metadata(header, path)
            sealed = metadata.get(_KEY)
            if sealed and _digest(file, header.replace(sealed.encode(), _BLANK.encode(), 1)) != sealed:
                raise DamagedFile(f"{path} is damaged (its bytes are not those that were written)")
    except OSError as error:
        raise cannot_be_read(path, error) from None
    return metadata


def _header(file: IO[bytes], path: Path) -> bytes:
    size, length = path.stat().st_size, int.from_bytes(file.read(8), "little")
    if not 2 <= length <= min(size - 8, _LONGEST_HEADER):
        raise DamagedFile(f"{path} is damaged (no tensors, or cut short)")
    return file.read(length)


def _in_order(header: bytes) -> bytes:
    """The same header, of the same length, with its metadata sorted by their names."""
    values = json.loads(header)
    values["__metadata__"] = dict(sorted(values.get("__metadata__", {}).items()))
    return json.dumps(values, separators=(",", ":"), ensure_ascii=False).encode().ljust(len(header))


def _metadata(header: bytes, path: Path) -> dict[str, str]:
    try:
        values: Any = json.loads(header).get("__metadata__", {})
        return {str(name): str(value) for name, value in values.items()}
    except (ValueError, AttributeError, RecursionError):
        raise DamagedFile(f"{path} is damaged (its header is not JSON)") from None


def _digest(file: IO[bytes], header: bytes) -> str:
    """Of the header, given apart, its length, which says where the tensors begin, and all that follows it."""
    found = hashlib.sha256(len(header).to_bytes(8, "little") + header)
    file.seek(8 + len(header))
    while block := file.read(_BLOCK):
        found.update(block)
    return found.hexdigest()
