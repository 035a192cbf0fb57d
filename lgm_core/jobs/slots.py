"""One run per device at a time, by file locks: a queue without a server, where a worker's death frees its place.

`cache/slots/cuda-0.lock` is held by the run that computes there; `cache/slots/queue/<time>-<run>` by one that waits.

>>> with take_slot(places().slots, wanted_slots("auto"), run.id, waiting=print) as slot:
...     os.environ.update(environment_of(slot, config.device.device))  # before torch is imported
"""

import os
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from lgm_core.base.locks import is_held, take

POLL_SECONDS = 0.3


def device_slots() -> list[str]:
    """A slot per CUDA device that this process may use, such as ["cuda-0", "cuda-1"], or ["cpu-0"]."""
    visible = os.environ.get("CUDA_VISIBLE_DEVICES")
    names = _cuda_devices() if visible is None else [part.strip() for part in visible.split(",") if part.strip()]
    if names and names[0].startswith("-"):  # -1 hides all
        names = []
    return [f"cuda-{name}" for name in names] or ["cpu-0"]


def wanted_slots(device: str) -> list[str]:
    """The slots that suit a config's `device.device`: auto, cpu, cuda or cuda:N."""
    kind, _, index = device.partition(":")
    slots = device_slots()
    if kind == "cpu" or slots == ["cpu-0"]:
        return ["cpu-0"]
    return [slots[int(index)]] if index.isdigit() and int(index) < len(slots) else slots


def environment_of(slot: str, device: str) -> dict[str, str]:
    """Variables that make the slot's device the only one torch sees; {} where the config names its device itself."""
    kind, _, name = slot.partition("-")
    return {"CUDA_VISIBLE_DEVICES": name} if kind == "cuda" and device in ("auto", "cuda") else {}


@contextmanager
def take_slot(folder: Path, wanted: list[str], run_id: str, waiting: Callable[[int, str], None]) -> Iterator[str]:
    """Wait for one of the wanted slots, first come, first served, and hold it; yields its name.

    `waiting(position, words)` is called while waiting, position 1 being next, with words on who holds the slots; it
    ends the wait by raising.
    """
    with _ticket(folder / "queue", wanted, run_id) as ticket:
        while True:
            before = [line for line in _waiting(folder / "queue", ticket.name) if set(line) & set(wanted)]
            held = None if before else _first_free(folder, wanted, run_id)
            if held is not None:
                break
            waiting(len(before) + 1, _who_holds(folder, wanted))
            time.sleep(POLL_SECONDS)
    slot, lock = held
    try:
        yield slot
    finally:
        lock.close()


def try_slot(folder: Path, wanted: list[str]) -> tuple[str, IO[str]] | None:
    """A free slot and its open lock (close it to free the slot), or None."""
    return _first_free(folder, wanted, "a measurement")


def _who_holds(folder: Path, wanted: list[str]) -> str:
    """Such as "cpu-0, where the run demo computes"."""
    holders = [(slot, (folder / f"{slot}.lock").read_text().strip()) for slot in wanted]
    return " or ".join(f"{slot}, where {holder or 'another run'} computes" for slot, holder in holders)


def _first_free(folder: Path, wanted: list[str], holder: str) -> tuple[str, IO[str]] | None:
    folder.mkdir(parents=True, exist_ok=True)
    for slot in wanted:
        lock = take(folder / f"{slot}.lock")
        if lock is not None:
            lock.truncate(0)
            lock.write(holder)
            lock.flush()
            return slot, lock
    return None


@contextmanager
def _ticket(queue: Path, wanted: list[str], run_id: str) -> Iterator[Path]:
    """A place in the queue: a file, locked before it gets its name, so that an unlocked one is a dead worker's."""
    queue.mkdir(parents=True, exist_ok=True)
    new = queue / f".{run_id}.{os.getpid()}"
    lock = take(new)
    assert lock is not None  # the name is this process's own
    lock.write("\n".join(wanted))
    lock.flush()
    ticket = queue / f"{time.time_ns()}-{run_id}"
    new.rename(ticket)
    try:
        yield ticket
    finally:
        ticket.unlink(missing_ok=True)
        lock.close()


def _waiting(queue: Path, before: str) -> list[list[str]]:
    """What the living tickets before this one want; dead ones are cleared away."""
    found = []
    for path in sorted(queue.iterdir()):
        if path.name.startswith(".") or path.name >= before:
            continue
        try:
            wanted = path.read_text().split()
        except FileNotFoundError:
            continue  # its owner has just got its device
        if is_held(path):
            found.append(wanted)
        else:
            path.unlink(missing_ok=True)
    return found


def _cuda_devices() -> list[str]:
    try:
        listed = subprocess.run(["nvidia-smi", "-L"], capture_output=True, text=True, timeout=20)
    except (FileNotFoundError, subprocess.TimeoutExpired):
        return []
    lines = [line for line in listed.stdout.splitlines() if line.startswith("GPU ")]
    return [str(number) for number in range(len(lines))]
