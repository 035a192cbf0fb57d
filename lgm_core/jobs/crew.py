"""The processes of a run that computes on several devices. Needs no torch on import.

The worker of a run with `device.device all` is the first of them and starts the others, as `lgm work RUN_DIR` with the
variables that torchrun would set. With `torchrun -m lgm_core work RUN_DIR` all of them are there already. They end with
the first one however it ends: they read its pipe, and whoever is left over is killed.

>>> with crew(run, places(), count=2, heart=heart):
...     engine.work(run, places())
"""

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import NoReturn

from lgm_core.base.errors import UserError
from lgm_core.base.places import Places, worker_environment
from lgm_core.base.regular_files import require_own, require_regular
from lgm_core.jobs.slots import takes_all, wanted_slots
from lgm_core.runs.heart import Heart
from lgm_core.runs.store import RunFolder

_NAMES = ("RANK", "WORLD_SIZE", "LOCAL_RANK", "LOCAL_WORLD_SIZE", "MASTER_ADDR", "MASTER_PORT")
_FOLLOWS = "LGM_FOLLOWS"  # set for those that a worker has started
_HERE = "127.0.0.1"
_GRACE_SECONDS = 20.0  # for the first process to notice by itself that another one has died
_LEAVE_SECONDS = 10.0

_launched = 0  # processes of torchrun on this machine, once they have met


def is_launched() -> bool:
    """Is this process one of several that were started together, by torchrun or by a worker?"""
    return all(name in os.environ for name in _NAMES[:2] + _NAMES[4:]) and int(os.environ["WORLD_SIZE"]) > 1


def require_by_itself(verb: str) -> None:
    """Raise `UserError` where several processes were started for a verb that is for one."""
    if is_launched() and "TORCHELASTIC_RUN_ID" in os.environ:
        raise UserError(
            f"torchrun starts several processes, and `lgm {verb}` is for one: use `torchrun ... -m lgm_core work "
            "RUN_DIR` for a run that is there, or `--device.device all`"
        )


def join_launched() -> int:
    """Meet the other processes; returns this one's rank. What it starts itself later on knows nothing of them."""
    global _launched
    if int(os.environ["RANK"]):  # the first process alone hears signals, and decides
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, signal.SIG_IGN)
    from torch.distributed.rendezvous import rendezvous

    from lgm_core.base import ranks

    if os.environ.pop(_FOLLOWS, ""):
        threading.Thread(target=_end_with_parent, daemon=True).start()
    store, rank, size = next(iter(rendezvous("env://")))
    here = int(os.environ.get("LOCAL_RANK", rank))
    _launched = int(os.environ.get("LOCAL_WORLD_SIZE", size))
    ranks.join(store, rank, size, here)
    for name in [name for name in os.environ if name in _NAMES or name.startswith("TORCHELASTIC_")]:
        del os.environ[name]
    return rank


def follow_first(run: RunFolder, places: Places) -> NoReturn:
    """What all processes do but the first. Ends the process."""
    from lgm_core.jobs.following import follow

    follow(run, places)
    for stream in (sys.stdout, sys.stderr):
        stream.flush()
    os._exit(0)  # it has written nothing, and taking torch down would keep the first one waiting for seconds


def dismiss_launched() -> None:
    """End the other processes of torchrun where the run was not begun: it was paused, or cannot be."""
    if _launched:
        from lgm_core.base import ranks

        ranks.leave()


def wanted_together(device: str) -> tuple[list[str], bool]:
    """The slots that a run with this `device.device` wants, and whether all of them; as many as there are processes."""
    if _launched:
        return wanted_slots("cpu" if device == "cpu" else "all")[:_launched], True
    return wanted_slots(device), takes_all(device)


@contextmanager
def crew(run: RunFolder, places: Places, count: int, heart: Heart) -> Iterator[None]:
    """Have `count` processes do the run in the block, this one among them. Loads torch where there are several."""
    if count == 1 and not _launched:
        yield
        return
    from lgm_core.base import ranks

    others = [] if _launched else _start(run, places, count, heart)
    try:
        yield
        ranks.leave()
    finally:
        ranks.forget()
        for other in others:
            _end(other)


def _start(run: RunFolder, places: Places, count: int, heart: Heart) -> list[subprocess.Popen[bytes]]:
    """Start the others, and meet them."""
    from torch.distributed import TCPStore  # type: ignore[attr-defined]

    from lgm_core.base import ranks

    if sys.platform == "linux":  # all are on this machine, and nobody else need be able to speak to them
        os.environ.setdefault("GLOO_SOCKET_IFNAME", "lo")
    store = TCPStore(_HERE, 0, is_master=True, wait_for_workers=False)
    names = {"WORLD_SIZE": str(count), "LOCAL_WORLD_SIZE": str(count), "MASTER_ADDR": _HERE, _FOLLOWS: "yes"}
    names |= {"MASTER_PORT": str(store.port)}
    command, others = [sys.executable, "-m", "lgm_core", "work", str(run.path)], []
    require_own(run.path)
    require_regular(run.log_file)
    for rank in range(1, count):
        own = worker_environment(places) | names | {"RANK": str(rank), "LOCAL_RANK": str(rank)}
        with run.log_file.open("ab") as log:
            other = subprocess.Popen(
                command, env=own, stdin=subprocess.PIPE, stdout=log, stderr=log, start_new_session=True
            )
        others.append(other)
        threading.Thread(target=_watch, args=(others[-1], heart), daemon=True).start()
    ranks.join(store, 0, count, 0)
    return others


def _watch(other: subprocess.Popen[bytes], heart: Heart) -> None:
    """Where it dies, and this process still waits for it a while later, the run has failed."""
    if other.wait() == 0 or not heart.status.active:
        return
    from lgm_core.base import ranks

    ranks.mourn()
    time.sleep(_GRACE_SECONDS)
    if heart.status.active:
        words = f"a process of this run died ({other.returncode}); `lgm retry` goes on from the last checkpoint"
        heart.end(UserError(words))
        os._exit(1)


def _end(other: subprocess.Popen[bytes]) -> None:
    """It leaves by itself when the run is over, and at the latest when its pipe is closed."""
    if other.stdin is not None:
        other.stdin.close()
    with suppress(subprocess.TimeoutExpired):
        other.wait(_LEAVE_SECONDS)
    other.kill()
    other.wait()


def _end_with_parent() -> None:
    """The pipe from the parent never brings anything but its end."""
    os.read(0, 1)  # not sys.stdin, whose lock would be in the way at the end
    os._exit(1)
