"""One run per device at a time, by file locks: a worker's death frees its place.

`cache/slots/cuda-0.lock` is held by the run that computes there; `tickets` is the queue of those that wait.

>>> slots, locks = try_slots(places().slots, wanted_slots("auto"), run.id, together=False)  # None where all are taken
>>> os.environ.update(environment_of(slots, config.device.device))  # before torch is imported
"""

import os
import subprocess
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import IO

from lgm_core.base.errors import ConfigError
from lgm_core.base.locks import is_held, take

_AMD = Path("/dev/kfd")


def device_slots() -> list[str]:
    """A slot per CUDA device that this process may use, such as ["cuda-0", "cuda-1"], or ["cpu-0"]."""
    visible = os.environ.get("CUDA_VISIBLE_DEVICES")
    names = _cuda_devices() if visible is None else [part.strip() for part in visible.split(",") if part.strip()]
    if names and names[0].startswith("-"):  # -1 hides all
        names = []
    return [f"cuda-{name}" for name in names] or ["cpu-0"]


def wanted_slots(device: str) -> list[str]:
    """The slots that suit a config's `device.device`: auto, all, cpu, cuda or cuda:N."""
    kind, _, index = device.partition(":")
    slots = device_slots()
    if kind == "cpu" or slots == ["cpu-0"]:
        return ["cpu-0"]
    return [slots[int(index)]] if index.isdigit() and int(index) < len(slots) else slots


def require_device(device: str) -> None:
    """Raise `ConfigError` for a CUDA device that this machine surely lacks. With an AMD GPU, the worker tells."""
    kind, _, index = device.partition(":")
    count = sum(slot.startswith("cuda") for slot in device_slots()) if kind == "cuda" else 0
    if kind == "cuda" and (not index or index.isdigit()) and int(index or 0) >= count and not _AMD.exists():
        raise ConfigError(
            f"device {device!r} was requested, but this machine has {count} CUDA devices; use device.device=cpu"
        )


def takes_all(device: str) -> bool:
    """Does a run with this `device.device` take all the slots that it wants together, or just one of them?"""
    return device == "all"


def processes_of(device: str) -> int:
    """How many processes a run with this `device.device` is here: one for each slot that it takes."""
    return len(wanted_slots(device)) if takes_all(device) else 1


def environment_of(slots: Sequence[str], device: str) -> dict[str, str]:
    """Variables that make the slots' devices the only ones torch sees; {} where the config names its device itself."""
    names = [name for kind, _, name in (slot.partition("-") for slot in slots) if kind == "cuda"]
    return {"CUDA_VISIBLE_DEVICES": ",".join(names)} if names and device in ("auto", "cuda", "all") else {}


def slot_lock(folder: Path, slot: str) -> Path:
    """Held by the run that computes on the slot's device, which has written its name into it."""
    return folder / f"{slot}.lock"


def try_slot(folder: Path, wanted: Sequence[str], holder: str) -> tuple[str, IO[str]] | None:
    """A free slot and its open lock (close it to free the slot), or None. `holder`: who is said to compute there."""
    folder.mkdir(parents=True, exist_ok=True)
    for slot in wanted:
        lock = take(slot_lock(folder, slot))
        if lock is not None:
            lock.truncate(0)
            lock.write(holder)
            lock.flush()
            return slot, lock
    return None


def try_slots(
    folder: Path, wanted: Sequence[str], holder: str, *, together: bool
) -> tuple[list[str], ExitStack] | None:
    """The first free slot, or `together` all of them, and what frees them when it is closed; None where there is none,
    or where one is taken.
    """
    if together and any(is_held(slot_lock(folder, slot)) for slot in wanted):
        return None
    with ExitStack() as locks:
        taken = []
        for slots in [[slot] for slot in wanted] if together else [wanted]:
            held = try_slot(folder, slots, holder)
            if held is None:
                return None
            locks.enter_context(held[1])
            taken.append(held[0])
        return taken, locks.pop_all()


def who_holds(folder: Path, wanted: Sequence[str], *, together: bool = False) -> str:
    """Such as "cpu-0, where the run demo computes"; `together`: all that are taken."""
    if together:
        taken = [slot for slot in wanted if is_held(slot_lock(folder, slot))]
        return " and ".join(who_holds(folder, [slot]) for slot in taken) or "a turn on all devices"
    files = [(slot, slot_lock(folder, slot)) for slot in wanted]
    holders = [(slot, file.read_text(errors="replace").strip() if file.is_file() else "") for slot, file in files]
    return " or ".join(f"{slot}, where {holder or 'another run'} is running" for slot, holder in holders)


def _cuda_devices() -> list[str]:
    try:
        listed = subprocess.run(["nvidia-smi", "-L"], capture_output=True, text=True, timeout=20)
    except (FileNotFoundError, subprocess.TimeoutExpired):
        return []
    lines = [line for line in listed.stdout.splitlines() if line.startswith("GPU ")]
    return [str(number) for number in range(len(lines))]
