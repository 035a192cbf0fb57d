"""The file of a bank: one float16 tensor, written batch by batch into its place, sealed at the end, then mapped.

What a killed run has left is checked batch by batch against the digests beside it; a whole bank when it is opened.

>>> rows = create_bank(folder / "features.part", (5000, 1, 576))
>>> rows[:64] = features
>>> digest(rows[:64])[:6]
'9f86d0'
"""

import hashlib
import json
from collections.abc import Callable
from functools import lru_cache
from itertools import takewhile
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from lgm_core.base.disk_room import reserve_room
from lgm_core.base.errors import DamagedFile, result_or_why
from lgm_core.base.files import append_line, forget_from, read_json, readable_lines, write_json
from lgm_core.base.regular_files import require_regular
from lgm_core.base.seals import UNSEALED, require_whole


def whole_batches(rows: np.ndarray, done_file: Path, size: int) -> int:
    """How many batches a killed run has left whole, from the first on; what is noted of the others is forgotten."""
    known = readable_lines(done_file).good if done_file.exists() else []
    whole = sum(1 for _ in takewhile(lambda pair: _is_noted(*pair, rows, size), enumerate(known)))
    forget_from(done_file, whole)
    return whole


def note_batch(rows: np.ndarray, done_file: Path, size: int, place: int) -> None:
    """Note that a batch is written; one line each, as a million images have 20,000 of them."""
    append_line(done_file, {"step": place, "sha256": digest(rows[place * size : (place + 1) * size])})


def _is_noted(place: int, line: dict[str, Any], rows: np.ndarray, size: int) -> bool:
    return line["step"] == place and line.get("sha256") == digest(rows[place * size : (place + 1) * size])


def digest(rows: np.ndarray) -> str:
    return hashlib.sha256(rows.tobytes()).hexdigest()


def is_whole(path: Path, note: Callable[[str], object]) -> bool:
    """Is the bank there as it was written? Read once by a process, and again where the file is another one."""
    if not path.exists():
        return False
    found = path.stat()
    try:
        if "sha256" in _require_whole(path, (found.st_size, found.st_mtime_ns, found.st_ino)):
            return True
        note(f"{path} is from an earlier version and has no digest; recomputing it")
    except DamagedFile as error:
        note(f"{error}; recomputing it")
    path.unlink()
    return False


@lru_cache(maxsize=256)
def _require_whole(path: Path, facts: tuple[int, int, int]) -> dict[str, str]:
    return require_whole(path)


def forget_others(place: Path, content: str, note: Callable[[str], object]) -> None:
    """Remove a bank, or half of one, of images that had another content; `content`: theirs now, "" if not known.

    A bank of before this was noted passes.
    """
    file = place / "images.json"
    known = (result_or_why(lambda: read_json(file))[0] or {}).get("content", content)
    if not content or (known == content and file.exists()):
        return
    if known != content:
        note(f"the images have changed since the features in {place} were computed; recomputing them")
        for name in ("features.safetensors", "features.part", "done.jsonl"):
            (place / name).unlink(missing_ok=True)
    write_json(file, {"content": content}, sealed=True)


def create_bank(path: Path, shape: tuple[int, ...]) -> Any:
    """A safetensors file with one float16 tensor of this shape, opened for writing in place; rows there are kept."""
    require_regular(path)
    size = int(np.prod(shape)) * 2
    tensor = {"dtype": "F16", "shape": list(shape), "data_offsets": [0, size]}
    header = json.dumps({"__metadata__": UNSEALED, "features": tensor}).encode()
    header += b" " * (-len(header) % 8)
    offset = 8 + len(header)
    keep = path.exists() and path.stat().st_size == offset + size
    with path.open("r+b" if keep else "wb") as file:
        file.write(len(header).to_bytes(8, "little") + header)
        reserve_room(file, offset + size)
        file.truncate(offset + size)
    return np.memmap(path, dtype=np.float16, mode="r+", offset=offset, shape=shape)


def map_bank(path: Path) -> Float[Tensor, "n v d"]:
    with path.open("rb") as file:
        length = int.from_bytes(file.read(8), "little")
        header = json.loads(file.read(length))["features"]
    mapped = np.memmap(path, dtype=np.float16, mode="c", offset=8 + length, shape=tuple(header["shape"]))
    return torch.from_numpy(mapped)
