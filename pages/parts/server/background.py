"""Work that outlives the page: a download or an export, in a process of its own, with a log that any page can read.

The process holds a file lock as long as it lives, so that every session, and the next server, sees whether it does.

>>> start(places, "fetch-imagenette", ["fetch", "imagenette"])
>>> look(places, "fetch-imagenette")
Work(running=True, share=0.41, words='fetching imagenette2-320.tgz')
"""

import re
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from lgm_core.base.locks import is_held, take
from lgm_core.base.names import file_name
from lgm_core.base.places import PROJECT, Places
from pages.parts.server.access import require_launch

_STARTED: list[subprocess.Popen[bytes]] = []
_BAR = re.compile(r"([^\r\n|%]*?):?\s+(\d+)%\|")


@dataclass(frozen=True, kw_only=True)
class Work:
    """What is known of it. `share`: of what is to do, None where unknown; `error`: the sentence that it ended with."""

    running: bool = False
    share: float | None = None
    words: str = ""
    error: str = ""


def start(places: Places, name: str, arguments: Sequence[str], module: str = "lgm_core") -> None:
    """Run `python -m MODULE ARGUMENTS` in a process of its own, unless it runs already.

    Raises `UserError` for a user who may only look.
    """
    require_launch()
    folder = places.cache / "background"
    folder.mkdir(parents=True, exist_ok=True)
    lock = take(folder / f"{_plain(name)}.lock")
    if lock is None:
        return
    with lock, (folder / f"{_plain(name)}.log").open("w") as log:
        process = subprocess.Popen(  # it inherits the lock, and holds it to its end
            [sys.executable, "-m", module, *arguments], stdin=subprocess.DEVNULL, stdout=log, stderr=log,
            cwd=PROJECT, start_new_session=True, pass_fds=[lock.fileno()],
        )  # fmt: skip
    _STARTED.append(process)
    _STARTED[:] = [process for process in _STARTED if process.poll() is None]  # reaps finished processes


def look(places: Places, name: str) -> Work:
    """What the work of this name does now, or how it ended; an empty `Work` where there was none."""
    log = places.cache / "background" / f"{_plain(name)}.log"
    if not log.exists():
        return Work()
    text = _tail(log)
    running = is_held(log.with_suffix(".lock"))
    bars = _BAR.findall(text)
    errors = [line.removeprefix("lgm: ") for line in re.split(r"[\r\n]+", text) if line.startswith("lgm: ")]
    crash = text.strip().splitlines()[-1] if "Traceback (most recent call last)" in text else ""
    return Work(
        running=running,
        share=int(bars[-1][1]) / 100 if bars else None,
        words=bars[-1][0].strip() if bars else "",
        error="" if running else (errors[-1] if errors else crash),
    )


def forget(places: Places, name: str) -> None:
    """Take an error off the page."""
    (places.cache / "background" / f"{_plain(name)}.log").unlink(missing_ok=True)


def _tail(path: Path, size: int = 8192) -> str:
    with path.open("rb") as file:
        file.seek(max(path.stat().st_size - size, 0))
        return file.read().decode(errors="replace")


def _plain(name: str) -> str:
    return file_name(name).lstrip(".") or "work"
