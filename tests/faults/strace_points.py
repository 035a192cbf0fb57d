"""System calls of one program on the files of one folder: counted by strace, and one of them made to fail or to kill.

>>> points = points_of(log, Path("/tmp/cache"), "KILL")  # a log of `watched`
>>> points[0]
Point(call='write', path='/tmp/cache/runs/demo/status.json', number=1, fault='KILL')
"""

import os
import re
import shutil
import subprocess
import time
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

WITHOUT = "strace is not installed (apt-get install strace), so no crash point was tried"
CHANGES = "write,writev,pwrite64,ftruncate,truncate,fallocate,rename,renameat2,link,linkat,unlink,unlinkat,mkdir,fsync"
_CALLS = f"{CHANGES},openat"
_LINE = re.compile(r'^(\d+) +(\w+)\((?:AT_FDCWD<[^>]*>, )?(?:\d+<([^>]*)>|"([^"]*)")(.*)')


class Point(NamedTuple):
    """The `number`-th call of this kind on this path, and what happens there: KILL, ENOSPC or EIO."""

    call: str
    path: str
    number: int
    fault: str

    def options(self) -> list[str]:
        """For strace. It counts by thread and by path, and each path is written by one thread."""
        what = "signal=KILL" if self.fault == "KILL" else f"error={self.fault}"
        return ["-P", self.path, "-e", f"trace={self.call}", "-e", f"inject={self.call}:{what}:when={self.number}"]

    def name(self, root: Path) -> str:
        return f"{self.fault} {self.call} {self.number} {os.path.relpath(self.path, root)}"


def is_here() -> bool:
    return shutil.which("strace") is not None


def watch_all() -> list[str]:
    return ["-e", f"trace={_CALLS}"]


def attach(pid: int, log: Path, options: Sequence[str]) -> subprocess.Popen:
    """Begin to watch a process and all its threads to come; returns when it is watched. `log` gets a line per call."""
    watcher = subprocess.Popen(["strace", "-f", "-y", "-qq", "-o", log, "-p", str(pid), *options])
    while "TracerPid:\t0\n" in Path(f"/proc/{pid}/status").read_text():
        if watcher.poll() is not None:
            raise RuntimeError(f"strace could not attach to process {pid}, and ended with {watcher.returncode}")
        time.sleep(0.005)
    return watcher


def points_of(log: Path, root: Path, fault: str) -> list[Point]:
    """A point for each change below `root`, in the order in which they happened.

    A kill before a change is one after the change before it; a file that is opened to be written can also be refused.
    """
    seen, found = Counter(), {}
    for line in log.read_text(errors="replace").splitlines():
        told = _LINE.match(line)
        if told is None or not (path := told[3] or told[4]).startswith(f"{root}{os.sep}"):
            continue
        thread, call, rest = told[1], told[2], told[5]
        seen[thread, call, path] += 1
        opened = call == "openat" and (fault == "KILL" or not re.search(r"O_WRONLY|O_RDWR|O_CREAT", rest))
        if not opened and "= -1 " not in rest:  # what was refused anyhow changes nothing
            found[Point(call, path, seen[thread, call, path], fault)] = None
    return list(found)
