"""JSON on disk: replaced atomically, or appended to and read by byte offset.

>>> write_json(path / "status.json", {"state": "queued"})
>>> read_lines(path / "metrics.jsonl", 120)  # what was appended after byte 120
([{'step': 4, 'loss': 0.4}], 151)
"""

import json
import os
from pathlib import Path
from typing import Any


def read_json(path: Path) -> dict[str, Any]:
    """The object in a JSON file; {} where there is none."""
    try:
        return json.loads(path.read_text())
    except (FileNotFoundError, json.JSONDecodeError):
        return {}


def write_json(path: Path, values: dict[str, Any], indent: int | None = 1) -> None:
    """Replace a JSON file atomically; indent=None for long lists that only programs read."""
    new = path.with_name(f".{path.name}.{os.getpid()}.new")
    new.write_text(json.dumps(values, indent=indent))
    new.replace(path)


def move_into_place(new: Path, path: Path) -> None:
    """Replace `path`, readable by whoever may read its folder: safetensors files are the owner's alone at first."""
    new.chmod(path.parent.stat().st_mode & 0o666)
    new.replace(path)


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
    new = path.with_name(f".{path.name}.new")
    new.write_text("".join(json.dumps(line) + "\n" for line in kept))
    new.replace(path)
