"""Several processes that do one run together, each on a device of its own: shares of the work, and sums over all.

Rank 0 does the run. The others wait for its orders; while one is carried out all ranks go through the same code, each
with its share of the rows. In a process by itself, and on rank 0 outside of orders, `ranks()` is 1, a share is
everything, and every other function returns what it was given, so that nobody has to ask.

>>> with ranks.together("step", 3):  # the others do the same, as `ranks.serve` tells them to
...     own = network(images[ranks.share(len(images))])
"""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

import torch
import torch.distributed as dist

from lgm_core.base.errors import UserError

_PATIENCE = timedelta(days=30)  # of a rank that waits for an order: rank 0 may judge for hours
_STUCK = timedelta(minutes=30)  # of a sum on the GPUs, where nothing else shows that a rank has died
_OVER = "lgm/over"
_LOOKS_EVERY = 1.0  # seconds
_DEAD = (
    "a process of this run, one of {}, has ended: the last lines of its log, or of torchrun's, say why; `lgm retry` "
    "goes on from the last checkpoint, on as many devices as there are then"
)


class Left(Exception):
    """Rank 0 has left the run: it is done, or was asked to pause or stop."""


class _Otherwise(Exception):
    """Rank 0 has given up what it ordered, and orders something else."""

    def __init__(self, order: tuple[Any, ...]) -> None:
        super().__init__(order)
        self.order = order


@dataclass
class _Group:
    rank: int
    size: int
    local: int  # the number of this rank on its machine
    store: Any
    on_gpu: Any = None  # the group that carries tensors on GPUs, made when first needed
    at_work: bool = False
    is_broken: bool = False  # one has died
    last_look: float = field(default_factory=time.monotonic)


_group: _Group | None = None


def join(store: Any, rank: int, size: int, local: int) -> None:
    """Meet the other ranks through a store of torch.distributed; waits until all are there.

    `local`: which device of this machine is this rank's.
    """
    global _group
    if dist.is_initialized():  # of an earlier run of this process, which failed
        dist.destroy_process_group()
    dist.init_process_group("gloo", store=store, rank=rank, world_size=size, timeout=_PATIENCE)
    _group = _Group(rank, size, local, store)


def leave() -> None:
    """Of rank 0: end the others, which then leave by themselves. Nothing in one process."""
    global _group
    if _group is not None:
        with suppress(RuntimeError, UserError):  # of those that have left already
            _group.store.set(_OVER, "yes")
            _say(("over",))
            dist.destroy_process_group()
    _group = None


def forget() -> None:
    """Of rank 0, where the run has failed: be one process again, without a word to the others."""
    global _group
    _group = None


def processes() -> int:
    """How many processes do this run, whether or not they are at work together now."""
    return _group.size if _group else 1


def local() -> int | None:
    """The number of this process among those of its machine; None for a process by itself."""
    return _group.local if _group else None


def ranks() -> int:
    """How many work together now."""
    return _group.size if _group and _group.at_work else 1


def rank() -> int:
    """The number of this one among them; 0 decides and writes."""
    return _group.rank if _group and _group.at_work else 0


@contextmanager
def together(*order: Any) -> Iterator[None]:
    """Of rank 0: let all ranks carry out an order, this one in the block. Within another order the others come here
    by themselves, and nothing is sent.
    """
    if _group is None or _group.at_work:
        yield
        return
    _say(("order", order))
    _group.at_work = True
    try:
        yield
    finally:
        _group.at_work = False


@contextmanager
def alone() -> Iterator[bool]:
    """In an order: True on rank 0, which works by itself in the block; False on the others, which leave it out."""
    if ranks() == 1:
        yield True
        return
    assert _group is not None
    _group.at_work = _group.rank > 0
    try:
        yield _group.rank == 0
    finally:
        _group.at_work = True


@contextmanager
def first() -> Iterator[None]:
    """In an order: a block that rank 0 goes through first, so that the others find in the cache what it has made."""
    if rank() > 0:
        agree(None)
        yield
    else:
        yield
        agree(None)


def serve(carry_out: Callable[..., None]) -> None:
    """Of the other ranks: carry out what rank 0 orders, one order after another, until it leaves."""
    global _group
    assert _group is not None
    _group.at_work, order = True, ()
    while True:
        try:
            if order:
                now, order = order, ()
                carry_out(*now)
            else:
                agree(None)  # a word within an order that this rank is through with
        except _Otherwise as other:
            order = other.order
        except Left:
            break
    with suppress(RuntimeError):
        dist.destroy_process_group()
    _group = None


def share(count: int) -> slice:
    """Which of so many rows are this rank's: a stretch; all stretches differ by one row at most."""
    return share_of(count, rank(), ranks())


def agree(value: Any) -> Any:
    """Rank 0's value, on all ranks. Wherever rank 0 may leave an order early, this has to be what all ranks do next."""
    if ranks() == 1:
        return value
    word = _say(("value", value))
    if word[0] == "over":
        raise Left
    if word[0] == "order":
        raise _Otherwise(word[1])
    return word[1]


def collect(value: Any) -> list[Any]:
    """Everybody's value, by rank, on all ranks: any that can be pickled."""
    found = [value] * ranks()
    if ranks() > 1:
        with talking():
            dist.all_gather_object(found, value)
    return found


def mourn() -> None:
    """Of rank 0, by whoever has seen another rank die: so that it is noticed where no others are needed."""
    if _group:
        _group.is_broken = True


def heed() -> None:
    """In work that needs no others: raise `Left` where rank 0 has left meanwhile, `UserError` where one has died."""
    if _group and _group.is_broken:
        raise UserError(_DEAD.format(_group.size))
    if rank() and _group and time.monotonic() - _group.last_look > _LOOKS_EVERY:
        _group.last_look = time.monotonic()
        with talking():
            if _group.store.check([_OVER]):
                raise Left


def share_of(count: int, rank: int, ranks: int) -> slice:
    return slice(rank * count // ranks, (rank + 1) * count // ranks)


def _say(word: tuple[Any, ...]) -> tuple[Any, ...]:
    """What rank 0 says, on all ranks."""
    box = [word]
    with talking():
        dist.broadcast_object_list(box, src=0, device=torch.device("cpu"))
    return box[0]


def carrier(on_gpu: bool) -> Any:
    """The group that carries tensors of the CPU, or of the ranks' GPUs."""
    if not on_gpu or _group is None:
        return None
    if _group.on_gpu is None:
        _group.on_gpu = dist.new_group(backend="nccl", timeout=_STUCK)
    return _group.on_gpu


@contextmanager
def talking() -> Iterator[None]:
    """Raise `UserError` where another rank is gone."""
    try:
        yield
    except RuntimeError as error:
        raise UserError(_DEAD.format(processes())) from error
