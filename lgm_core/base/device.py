"""Device, precision, threads and determinism of a run.

>>> compute = open_compute(DeviceConfig(device="auto"))
>>> features = compute.features(backbone, images)  # under the run's autocast, float32 out
"""

import ctypes
import ctypes.util
import os
import platform
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import torch
from jaxtyping import Float
from torch import Tensor

from lgm_core.base import ranks
from lgm_core.base.errors import ConfigError
from lgm_core.base.interfaces import Backbone
from lgm_core.base.machine import free_memory
from lgm_core.base.settings import DeviceConfig


@dataclass(frozen=True)
class Compute:
    """A device and the precision in which backbones run on it; heads and losses are float32 everywhere.

    `chosen`: the precision of single backbones, by name, where that was measured (precision.py).
    """

    device: torch.device
    precision: str
    chosen: dict[str, str] = field(default_factory=dict)

    def precision_of(self, backbone: Backbone) -> str:
        """ "float32" or "bfloat16"."""
        return self.chosen.get(backbone.name, self.precision)

    def autocast(self, backbone: Backbone) -> torch.autocast:
        half = self.precision_of(backbone) == "bfloat16"
        return torch.autocast(self.device.type, dtype=torch.bfloat16, enabled=half)

    def features(self, backbone: Backbone, images: Float[Tensor, "n 3 s s"]) -> Float[Tensor, "n d"]:
        """Features of images in [0, 1], float32."""
        return self.encode(backbone, backbone.normalise(images))

    def encode(self, backbone: Backbone, normalised: Float[Tensor, "n 3 s s"]) -> Float[Tensor, "n d"]:
        """Features of images that the backbone has normalised, float32."""
        with self.autocast(backbone):
            return backbone.encode(normalised).float()

    def title(self) -> str:
        """The device in a few words: "cuda, NVIDIA H200", "cpu, 8 threads"."""
        count, several = torch.get_num_threads(), ranks.processes()
        what = torch.cuda.get_device_name(self.device) if self.device.type == "cuda" else f"{count} threads"
        what = "1 thread" if what == "1 threads" else what
        return f"{self.device}, {what}" + (f", {several} processes" if several > 1 else "")

    def describe(self) -> dict[str, str | int]:
        """What a record of the run should say about the machine."""
        name = torch.cuda.get_device_name(self.device) if self.device.type == "cuda" else platform.processor()
        return {
            "device": str(self.device),
            "device_name": name or platform.machine(),
            "precision": self.precision,
            "threads": torch.get_num_threads(),
        }


def open_compute(config: DeviceConfig, threads: int = 0) -> Compute:
    """Choose the device, fix threads, tune the allocator. Raises `ConfigError` for a device that is not here.

    `threads`: as many as the run began with, since results depend on it to the last bit; 0 takes the config's.
    """
    if threads or config.threads:
        torch.set_num_threads(threads or config.threads)
    device = torch.device(_device_name(config.device))
    precision = config.precision
    if precision == "auto":
        precision = "bfloat16" if device.type == "cuda" else "float32"
    if device.type == "cpu":
        keep_freed_memory()
    else:
        compute_alike()
    return Compute(device, precision)


def compute_alike() -> None:
    """Let a GPU add up in the same order each time, so that a resumed run has the bits of one that was never stopped.

    For the whole process. torch warns where it has no such kernel; this costs a few per cent (docs/log.md, 2026-11-26).
    """
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
    torch.use_deterministic_algorithms(True, warn_only=True)
    torch.utils.deterministic.fill_uninitialized_memory = False  # type: ignore[attr-defined]


def _device_name(wanted: str) -> str:
    own = ranks.local()
    if own is not None and wanted != "cpu" and torch.cuda.is_available():  # each of several processes has one
        wanted = f"cuda:{own}"
    elif wanted in ("auto", "all"):
        return "cuda" if torch.cuda.is_available() else "cpu"
    kind, _, index = wanted.partition(":")
    if kind not in ("cpu", "cuda") or (index and not index.isdigit()):
        raise ConfigError(f"device.device must be auto, all, cpu, cuda or cuda:N; {wanted!r} was given")
    count = torch.cuda.device_count()
    if kind == "cuda" and int(index or 0) >= count:
        raise ConfigError(
            f"device {wanted!r} was requested, but this machine has {count} CUDA devices; use device.device=cpu"
        )
    if own is not None and kind == "cuda":
        torch.cuda.set_device(own)
    return wanted


def keep_freed_memory() -> None:
    """Tell glibc's malloc to keep freed memory instead of handing it back to the kernel at every step.

    Activations of a step are hundreds of megabytes; mapping and clearing their pages anew each time costs more than
    half of a small network's forward + backward on CPU (docs/log.md, 2026-11-20). No effect on other C libraries.
    """
    _tune_malloc(mmap_max=0, trim_threshold=2**31 - 1, top_pad=64 * 2**20)


def usual_memory() -> None:
    """Undo `keep_freed_memory`: glibc's settings, with the thresholds that it reaches itself with large tensors."""
    _tune_malloc(mmap_max=65536, trim_threshold=64 * 2**20, top_pad=128 * 2**10)


def _tune_malloc(*, mmap_max: int, trim_threshold: int, top_pad: int) -> None:
    m_trim_threshold, m_top_pad, m_mmap_threshold, m_mmap_max = -1, -2, -3, -4
    if (libc := _glibc()) is not None:
        libc.mallopt(m_mmap_threshold, 32 * 2**20)
        libc.mallopt(m_mmap_max, mmap_max)
        libc.mallopt(m_trim_threshold, trim_threshold)
        libc.mallopt(m_top_pad, top_pad)


def _glibc() -> ctypes.CDLL | None:
    if platform.libc_ver()[0] != "glibc":
        return None
    return ctypes.CDLL(ctypes.util.find_library("c") or "libc.so.6")


def free_bytes(device: torch.device) -> int:
    """Bytes that are free for this process now; 0 where that cannot be told."""
    if device.type == "cuda":
        unused = torch.cuda.memory_reserved(device) - torch.cuda.memory_allocated(device)
        return torch.cuda.mem_get_info(device)[0] + unused
    return free_memory("cpu")


def is_out_of_memory(error: RuntimeError) -> bool:
    """Did an allocation fail, on the device or (which torch says in words only) on the CPU?"""
    return isinstance(error, torch.OutOfMemoryError) or "DefaultCPUAllocator: can't allocate memory" in str(error)


def peak_memory(device: torch.device) -> int:
    """Bytes: the device's peak allocation on CUDA, the process's peak resident size on CPU."""
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device)
    import resource

    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if os.uname().sysname == "Darwin" else 1024)


def step_memory(run: Callable[[], object], device: torch.device) -> int:
    """Bytes that a call takes at its peak, over what is held before it. On CPU as the kernel counts them; 0 if not."""
    if device.type == "cuda":
        torch.cuda.reset_peak_memory_stats(device)
        before = torch.cuda.memory_allocated(device)
        run()
        return torch.cuda.max_memory_allocated(device) - before
    status, clear = Path("/proc/self/status"), Path("/proc/self/clear_refs")
    if not clear.exists():
        return 0
    if (libc := _glibc()) is not None:
        libc.malloc_trim(0)
    clear.write_text("5")  # resets the peak
    before = _kilobytes(status, "VmRSS:")
    run()
    return max(_kilobytes(status, "VmHWM:") - before, 0) * 1024


def _kilobytes(status: Path, name: str) -> int:
    return next(int(line.split()[1]) for line in status.read_text().splitlines() if line.startswith(name))
