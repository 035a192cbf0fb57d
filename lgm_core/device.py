"""Device, precision, threads and determinism of a run.

>>> compute = open_compute(DeviceConfig(device="auto"))
>>> features = compute.features(backbone, images)  # under the run's autocast, float32 out
"""

import ctypes
import ctypes.util
import os
import platform
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from lgm_core.config import DeviceConfig
from lgm_core.errors import ConfigError
from lgm_core.interfaces import Backbone


@dataclass(frozen=True)
class Compute:
    """A device and the precision in which backbones run on it; heads and losses are float32 everywhere."""

    device: torch.device
    precision: str

    def autocast(self) -> torch.autocast:
        return torch.autocast(self.device.type, dtype=torch.bfloat16, enabled=self.precision == "bfloat16")

    def features(self, backbone: Backbone, images: Float[Tensor, "n 3 s s"]) -> Float[Tensor, "n d"]:
        """Features of images in [0, 1], float32."""
        with self.autocast():
            return backbone(images).float()

    def title(self) -> str:
        """The device in a few words: "cuda, NVIDIA H200", "cpu, 8 threads"."""
        if self.device.type == "cuda":
            return f"{self.device}, {torch.cuda.get_device_name(self.device)}"
        return f"{self.device}, {torch.get_num_threads()} threads"

    def describe(self) -> dict[str, str | int]:
        """What a record of the run should say about the machine."""
        name = torch.cuda.get_device_name(self.device) if self.device.type == "cuda" else platform.processor()
        return {
            "device": str(self.device),
            "device_name": name or platform.machine(),
            "precision": self.precision,
            "threads": torch.get_num_threads(),
        }


def open_compute(config: DeviceConfig) -> Compute:
    """Choose the device, fix threads, tune the allocator. Raises `ConfigError` for a device that is not here."""
    if config.threads:
        torch.set_num_threads(config.threads)
    device = torch.device(_device_name(config.device))
    precision = config.precision
    if precision == "auto":
        precision = "bfloat16" if device.type == "cuda" else "float32"
    if device.type == "cpu":
        keep_freed_memory()
    return Compute(device, precision)


def _device_name(wanted: str) -> str:
    if wanted == "auto":
        return "cuda" if torch.cuda.is_available() else "cpu"
    kind, _, index = wanted.partition(":")
    if kind not in ("cpu", "cuda") or (index and not index.isdigit()):
        raise ConfigError(f"device.device is auto, cpu, cuda or cuda:N; {wanted!r} was given")
    count = torch.cuda.device_count()
    if kind == "cuda" and int(index or 0) >= count:
        raise ConfigError(
            f"device {wanted!r} was asked for, but this machine shows {count} CUDA devices; use device.device=cpu"
        )
    return wanted


def keep_freed_memory() -> None:
    """Tell glibc's malloc to keep freed memory instead of handing it back to the kernel at every step.

    Activations of a step are hundreds of megabytes; mapping and clearing their pages anew each time costs more than
    half of a small network's forward + backward on CPU (docs/log.md, 2026-11-20). No effect on other C libraries.
    """
    if platform.libc_ver()[0] != "glibc":
        return
    libc = ctypes.CDLL(ctypes.util.find_library("c") or "libc.so.6")
    m_trim_threshold, m_top_pad, m_mmap_max = -1, -2, -4
    libc.mallopt(m_mmap_max, 0)
    libc.mallopt(m_trim_threshold, 2**31 - 1)
    libc.mallopt(m_top_pad, 64 * 2**20)


def peak_memory(device: torch.device) -> int:
    """Bytes: the device's peak allocation on CUDA, the process's peak resident size on CPU."""
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device)
    import resource

    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if os.uname().sysname == "Darwin" else 1024)
