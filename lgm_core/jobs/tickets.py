"""The queue of the devices on disk: a small file for each run that waits, in the order in which they are served.

No process belongs to a ticket that `write_ticket` leaves: the one that waits for a device takes the next run from here.
A ticket of a run in the foreground is locked by its own process, and means nothing once that has died.

>>> write_ticket(new_ticket(queue, run), run, ["cpu-0"], os.environ)  # cache/slots/queue/1-<time>-<run>.json
>>> [ticket.run.id for ticket in waiting_tickets(queue)]
['demo-lgm-mobilenet_v2-s0', 'demo-full']
"""

import json
import os
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from lgm_core.base.errors import DamagedFile, result_or_why
from lgm_core.base.files import read_json, write_json
from lgm_core.base.locks import is_held, take
from lgm_core.base.names import LONGEST_FILE_NAME, why_no_name
from lgm_core.runs.store import RunFolder

KEPT = ("LGM_", "OMP_NUM_THREADS", "CUDA_VISIBLE_DEVICES")  # what a run takes along from where it was asked for
_NAME_LONGEST = 120  # characters of the run's name in a ticket's


@dataclass(frozen=True, kw_only=True)
class Ticket:
    """A run that waits for one of the slots `wanted`, or for all of them `together`. `attended`: by a process of its
    own.
    """

    file: Path
    run: RunFolder
    wanted: tuple[str, ...]
    environment: Mapping[str, str]
    attended: bool
    together: bool = False

    def waits_for_runs(self) -> list[str]:
        """The runs that must end before this one can begin; see `unfinished_sources`."""
        return unfinished_sources(self.run)


def unfinished_sources(run: RunFolder) -> list[str]:
    """The runs that must end before this one can begin; a source that failed or is missing is not waited for."""
    sources = [RunFolder(run.path.parent / name) for name in sources_of(run)]
    unfinished = ("queued", "running", "paused")
    return [source.id for source in sources if source.config_file.exists() and source.status().state in unfinished]


def sources_of(run: RunFolder) -> tuple[str, ...]:
    """The names of the runs that this one looks at; () where it cannot be read: whoever does it says what is wrong."""
    config, _ = result_or_why(run.config)
    if config is None:
        return ()
    return config.sources + ((config.source,) if config.kind != "distill" and config.source else ())


def new_ticket(queue: Path, run: RunFolder, *, first: bool = False) -> Path:
    """The file of the next ticket, not written yet. `first`: before all that were not first.

    After all that are there, also where the clock was set back since.
    """
    latest = max((_place(file)[1] for file in _files(queue)), default=0)
    return queue / f"{0 if first else 1}-{max(time.time_ns(), latest + 1)}-{run.id[:_NAME_LONGEST]}.json"


def write_ticket(
    file: Path, run: RunFolder, wanted: Sequence[str], environment: Mapping[str, str], *, together: bool = False
) -> None:
    """Put the run into the queue, for the next process that waits for one of the wanted slots, or for the first of
    those that are wanted `together`.
    """
    file.parent.mkdir(parents=True, exist_ok=True)
    write_json(file, _values(run, wanted, environment, attended=False, together=together))


def withdraw(run: RunFolder) -> bool:
    """Take the run out of the queue, so that nobody begins it from there; False where it is not in the queue.

    Told by the tickets, not by the run's status, which may be damaged.
    """
    gone, queue = False, run.path.parent.parent / "slots" / "queue"
    for ticket in waiting_tickets(queue):
        if ticket.run.path == run.path.absolute() and not ticket.attended:
            with suppress(FileNotFoundError):  # its turn has just come
                ticket.file.unlink()
                gone = True
    return gone


@contextmanager
def attended(queue: Path, run: RunFolder, wanted: Sequence[str], *, together: bool = False) -> Iterator[Path]:
    """A place in the queue for this process itself: locked before it gets its name, and gone at the end."""
    queue.mkdir(parents=True, exist_ok=True)
    file = new_ticket(queue, run)
    new = queue / f".{file.name}.{os.getpid()}.new"
    lock = take(new)
    assert lock is not None  # the name is this process's own
    json.dump(_values(run, wanted, {}, attended=True, together=together), lock)
    lock.flush()
    new.rename(file)
    try:
        yield file
    finally:
        file.unlink(missing_ok=True)
        lock.close()


def waiting_tickets(queue: Path) -> list[Ticket]:
    """All that wait, the next one first. What a dead process or a deleted run has left is cleared away."""
    found = []
    for file in sorted(_files(queue), key=_place):
        ticket = _read(file)
        if ticket is None or (ticket.attended and not is_held(file)) or not ticket.run.config_file.exists():
            with suppress(OSError):  # also where it is a folder
                file.unlink()
        else:
            found.append(ticket)
    return found


def _files(queue: Path) -> list[Path]:
    try:
        return [path for path in queue.iterdir() if path.suffix == ".json" and not path.name.startswith(".")]
    except FileNotFoundError:
        return []


def _place(file: Path) -> tuple[bool, int, str]:
    """What the queue is ordered by: first or not, the time, which may have fewer digits than another, and the name."""
    first, _, rest = file.name.partition("-")
    digits = rest.partition("-")[0]
    return first != "0", int(digits) if digits.isdecimal() and len(digits) < 30 else 0, file.name


def _values(
    run: RunFolder, wanted: Sequence[str], environment: Mapping[str, str], *, attended: bool, together: bool
) -> dict[str, object]:
    kept = {name: value for name, value in environment.items() if name.startswith(KEPT)}
    facts = {"environment": kept, "attended": attended, "together": together}
    return {"run": str(run.path.absolute()), "wanted": list(wanted), **facts}


@lru_cache(maxsize=4096)  # a ticket is written once
def _read(file: Path) -> Ticket | None:
    """None for one that was taken meanwhile, or that nobody could use."""
    try:
        values = read_json(file)
        run = Path(values["run"])
        environment = {str(name): str(value) for name, value in values["environment"].items()}
        if why_no_name(run.name, LONGEST_FILE_NAME) or "\0" in "".join((str(run), *environment, *environment.values())):
            return None
        return Ticket(
            file=file,
            run=RunFolder(run),
            wanted=tuple(map(str, values["wanted"])),
            environment=environment,
            attended=bool(values["attended"]),
            together=bool(values.get("together")),
        )
    except (DamagedFile, KeyError, TypeError, AttributeError):
        return None
