"""How much memory there is for a run, without torch: the free part of a GPU's, or of this machine's or container's.

>>> free_memory("cpu-0")
16106127360
"""

import subprocess
from pathlib import Path


def free_memory(slot: str) -> int:
    """Bytes that a run on this slot may hope for; 0 where that cannot be told."""
    kind, _, name = slot.partition("-")
    return _free_on_gpu(name) if kind == "cuda" else _free_here()


def _free_on_gpu(name: str) -> int:
    command = ["nvidia-smi", f"--id={name}", "--query-gpu=memory.free", "--format=csv,noheader,nounits"]
    try:
        answer = subprocess.run(command, capture_output=True, text=True, timeout=20).stdout.split()
    except (FileNotFoundError, subprocess.TimeoutExpired):
        return 0
    return int(answer[0]) * 2**20 if answer and answer[0].isdigit() else 0


def _free_here() -> int:
    found = [_from_meminfo(), _from_container()]
    return min((value for value in found if value), default=0)


def _from_meminfo() -> int:
    file = Path("/proc/meminfo")
    lines = file.read_text().splitlines() if file.exists() else []
    return next((int(line.split()[1]) * 1024 for line in lines if line.startswith("MemAvailable:")), 0)


def _from_container() -> int:
    limit, used = (Path(f"/sys/fs/cgroup/memory.{name}") for name in ("max", "current"))
    if not limit.exists() or not used.exists() or not limit.read_text().strip().isdigit():
        return 0
    return max(int(limit.read_text()) - int(used.read_text()), 1)
