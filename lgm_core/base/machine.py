"""What of this machine is there for a run, without torch: free memory, and cores that are idle.

>>> free_memory("cpu-0"), idle_cores()
(16106127360, 2)
"""

import os
import platform
import subprocess
from pathlib import Path

import psutil

WATCHED = "LGM_WATCHED"  # set in the environment of workers that a dashboard starts: a browser needs a core, too
_LOOK_SECONDS = 0.3


def processor() -> str:
    """The processor's name, as the system tells it."""
    told = Path("/proc/cpuinfo").read_text().splitlines() if Path("/proc/cpuinfo").exists() else []
    named = (line.split(":", 1)[1].strip() for line in told if line.startswith("model name"))
    return next(named, "") or platform.processor() or platform.machine()


def idle_cores() -> int:
    """Threads that a run should compute with: as many as cores that are idle now, at least one.

    One fewer where a dashboard has started it. Where OMP_NUM_THREADS is set, that number: the user has chosen.
    """
    chosen = os.environ.get("OMP_NUM_THREADS", "")
    if chosen.isdigit() and int(chosen):
        return int(chosen)
    busy = psutil.cpu_percent(interval=_LOOK_SECONDS, percpu=True)
    mine = _allowed_cores(len(busy))
    idle = round(sum(1 - busy[core] / 100 for core in mine)) - (1 if os.environ.get(WATCHED) else 0)
    return max(min(idle, _container_cores() or idle), 1)


def _allowed_cores(count: int) -> list[int]:
    """The cores that this process may use, where the system tells."""
    own = psutil.Process()
    return [core for core in own.cpu_affinity() or [] if core < count] if psutil.LINUX else list(range(count))


def _container_cores() -> int:
    """Whole cores that a container may use; 0 where that is not limited."""
    limit = Path("/sys/fs/cgroup/cpu.max")
    quota, period = (limit.read_text().split() if limit.exists() else ["max", "1"])[:2]
    return max(int(quota) // int(period), 1) if quota.isdigit() else 0


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
