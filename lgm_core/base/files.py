"""Files that are replaced atomically; JSON on disk, replaced, or appended to and read by byte offset.

What is damaged never passes for missing.

>>> write_json(path / "status.json", {"state": "queued"})
>>> readable_lines(path / "metrics.jsonl", 120)  # what was appended after byte 120
Lines(good=[{'step': 4, 'loss': 0.4}], end=151, damaged=0)
>>> with replacing(path / "page.webp") as new:  # readers see the old file, then the whole new one
...     picture.save(new, format="WEBP")
"""

import hashlib
import json
import os
import shutil
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

from lgm_core.base.errors import DamagedFile
from lgm_core.base.json_text import object_of, text_of
from lgm_core.base.regular_files import require_regular

_SEAL = "sha256_of_the_rest"


class Lines(NamedTuple):
    """What a file of lines holds: the good ones, the byte offset after the last whole one, how many are damaged."""

    good: list[dict[str, Any]]
    end: int
    damaged: int


@contextmanager
def replacing(path: Path, *, keep_suffix: bool = False, durable: bool = False) -> Iterator[Path]:
    """Yields a path beside `path` to write a new file to, which then replaces `path`, or is removed after an error.

    `durable`: it is on the disk when this returns, also where the power fails.

    The path is this process's and thread's own. It begins with "." and ends with ".new", so that no pattern such as
    "*.json" finds it; or, with `keep_suffix`, with the suffix of `path`, for writers that choose their format by it.
    The file gets the permissions of its folder, less the right to execute: some writers make it their owner's alone.
    """
    suffix = path.suffix if keep_suffix else ""
    new = path.with_name(f".{path.name}.{os.getpid()}-{threading.get_native_id()}.new{suffix}")
    try:
        with _named(path):
            yield new
        new.chmod(path.parent.stat().st_mode & 0o666)
        if durable:
            to_disk(new)
        new.replace(path)
        if durable:
            to_disk(path.parent)
    finally:
        new.unlink(missing_ok=True)


@contextmanager
def _named(path: Path) -> Iterator[None]:
    """A write that the disk refuses does not say where; its error gets the name of the file."""
    try:
        yield
    except OSError as error:
        if error.errno:
            error.filename = error.filename or str(path)
        raise


def to_disk(path: Path) -> None:
    """Wait until a file's bytes, or a folder's names, are on the disk."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def read_json(path: Path) -> dict[str, Any]:
    """The object in a JSON file; {} where there is no file.

    Raises `DamagedFile` where it is no JSON object, or was sealed and is not as it was written.
    """
    text = _bytes(path)
    if text is None:
        return {}
    try:
        values = object_of(text)
        seal = values.pop(_SEAL, None)
        if seal is not None and seal != _digest(values):
            raise ValueError("its values differ from those written")
        return values
    except ValueError as error:
        raise DamagedFile(f"{path} is damaged ({error}); move it away, or restore an intact copy") from None


def write_json(
    path: Path, values: dict[str, Any], indent: int | None = 1, *, durable: bool = False, sealed: bool = False
) -> None:
    """Replace a JSON file atomically; indent=None for long lists that only programs read.

    `durable`: it is on the disk when this returns. `sealed`: that too, with a digest of its values, which `read_json`
    checks and leaves out: for what results depend on.
    """
    if sealed:
        values = {**values, _SEAL: _digest(json.loads(text_of(values)))}
    with replacing(path, durable=durable or sealed) as new:
        new.write_text(text_of(values, indent))


def readable_lines(path: Path, offset: int = 0) -> Lines:
    """Whole lines from a byte offset on, without damaged ones: a good one is a JSON object with a whole "step"."""
    text = _bytes(path, offset)
    if text is None:
        return Lines([], offset, 0)
    end = text.rfind(b"\n") + 1
    written = [line for line in text[:end].split(b"\n") if line.strip()]
    good = [values for line in written if (values := _line(line)) is not None]
    return Lines(good, offset + end, len(written) - len(good))


def starts_line(path: Path, offset: int) -> bool:
    """Does a line begin at this byte? False where the file is shorter, or was written anew with other lines."""
    if offset == 0:
        return True
    before = _bytes(path, offset - 1, 1)
    return before == b"\n"


def count_of_lines(damaged: int) -> str:
    """A count in words, such as "2 damaged lines"."""
    return f"{damaged} damaged line{'s' if damaged > 1 else ''}"


def append_line(path: Path, values: dict[str, Any]) -> None:
    """Add one JSON line."""
    with _named(path), path.open("a") as file:
        file.write(text_of(values) + "\n")


def forget_from(path: Path, step: int) -> str:
    """Keep only the lines before `step`, atomically, on the disk. Where lines are damaged, the old file is set aside.

    Returns a sentence that says so, "" otherwise.
    """
    if not path.exists():
        return ""
    found = readable_lines(path)
    note = ""
    if found.damaged:
        aside = _free_name(path)
        shutil.copyfile(path, aside)
        note = f"{path.name} had {count_of_lines(found.damaged)}, now left out; the original is kept as {aside.name}."
    with replacing(path, durable=True) as new:
        new.write_text("".join(text_of(line) + "\n" for line in found.good if line["step"] < step))
    return note


def set_aside_damaged(path: Path) -> str:
    """Call before replacing a JSON file: if the old one is damaged, it is renamed to NAME.damaged.

    Returns a sentence that says so, "" where the file is whole or not there.
    """
    try:
        read_json(path)
    except DamagedFile:
        return set_aside(path)
    return ""


def set_aside(path: Path) -> str:
    """Rename a damaged file, so that nothing is lost; returns a sentence that says so."""
    aside = _free_name(path)
    path.rename(aside)
    return f"{path.name} was damaged and has been rewritten; the old file is kept as {aside.name}."


def _free_name(path: Path) -> Path:
    aside, number = path.with_name(f"{path.name}.damaged"), 2
    while aside.exists():
        aside, number = path.with_name(f"{path.name}.damaged-{number}"), number + 1
    return aside


def _bytes(path: Path, offset: int = 0, most: int = -1) -> bytes | None:
    """At most `most` bytes from an offset on; None where there is no file. Raises `DamagedFile` if unreadable."""
    require_regular(path)
    try:
        with path.open("rb") as file:
            file.seek(offset)
            return file.read(most)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise cannot_be_read(path, error) from None


def cannot_be_read(path: Path, error: OSError) -> DamagedFile:
    """For a file that the system does not let be read."""
    return DamagedFile(f"{path} cannot be read ({error.strerror}); check its permissions and the disk")


def _digest(values: dict[str, Any]) -> str:
    return hashlib.sha256(json.dumps(values, sort_keys=True).encode()).hexdigest()


def _line(text: bytes) -> dict[str, Any] | None:
    try:
        values = object_of(text)
    except ValueError:
        return None
    step = values.get("step")
    return values if isinstance(step, int) and not isinstance(step, bool) else None
