"""Files that are replaced atomically, and JSON on disk: replaced, or appended to and read by byte offset.

>>> write_json(path / "status.json", {"state": "queued"})
>>> read_lines(path / "metrics.jsonl", 120)  # what was appended after byte 120
([{'step': 4, 'loss': 0.4}], 151)
>>> with replacing(path / "page.webp") as new:  # readers see the old file, then the whole new one
...     picture.save(new, format="WEBP")
"""

import json
import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any


@contextmanager
def replacing(path: Path, *, keep_suffix: bool = False) -> Iterator[Path]:
    """Yields a path beside `path` to write a new file to, which then replaces `path`, or is removed after an error.

    The path is this process's and thread's own. It begins with "." and ends with ".new", so that no pattern such as
    "*.json" finds it; or, with `keep_suffix`, with the suffix of `path`, for writers that choose their format by it.
    The file gets the permissions of its folder, less the right to execute: some writers make it their owner's alone.
    """
    suffix = path.suffix if keep_suffix else ""
    new = path.with_name(f".{path.name}.{os.getpid()}-{threading.get_native_id()}.new{suffix}")
    try:
        yield new
        new.chmod(path.parent.stat().st_mode & 0o666)
        new.replace(path)
    finally:
        new.unlink(missing_ok=True)


def read_json(path: Path) -> dict[str, Any]:
    """The object in a JSON file; {} where there is none."""
    try:
        return json.loads(path.read_text())
    except (FileNotFoundError, json.JSONDecodeError):
        return {}


def write_json(path: Path, values: dict[str, Any], indent: int | None = 1) -> None:
    """Replace a JSON file atomically; indent=None for long lists that only programs read."""
    with replacing(path) as new:
        new.write_text(json.dumps(values, indent=indent))


def read_lines(path: Path, offset: int = 0) -> tuple[list[dict[str, Any]], int]:
    """Whole JSON lines from a byte offset on, and the offset after the last whole one."""
    if not path.exists():
        return [], offset
    with path.open("rb") as file:
        file.seek(offset)
        text = file.read()
    end = text.rfind(b"\n") + 1
    return [json.loads(line) for line in text[:end].splitlines() if line.strip()], offset + end


def append_line(path: Path, values: dict[str, Any]) -> None:
    """Add one JSON line."""
    with path.open("a") as file:
        file.write(json.dumps(values) + "\n")


def forget_from(path: Path, step: int) -> None:
    """Keep only the lines before `step`, atomically."""
    if not path.exists():
        return
    kept = [line for line in read_lines(path)[0] if line["step"] < step]
    with replacing(path) as new:
        new.write_text("".join(json.dumps(line) + "\n" for line in kept))
