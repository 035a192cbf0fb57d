"""What is known of a run's cost: measured steps, runs of the past, the sizes of the data, and what follows from them.

>>> cost = Cost(seconds_per_step=0.4, seconds_prepare=12.0, seconds_beside=3.0, bytes=2 * 10**9)
>>> cost.seconds_prepare + 500 * cost.seconds_per_step
212.0
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

BASE_BYTES = {"cpu": 700 * 2**20, "cuda": 300 * 2**20}  # a process with torch loaded; a CUDA context
DECODE_SECONDS = 0.003  # per real image
HEAD_SECONDS = 0.002  # per training step of a probe's heads


@dataclass(frozen=True, kw_only=True)
class DataSize:
    """How many classes and images a run reads, and whether they are grey."""

    classes: int
    train: int
    test: int
    grey: bool


@dataclass(frozen=True, kw_only=True)
class Room:
    """Where a run will compute: "cpu" or "cuda", and how many bytes are free there; 0 where that is not known.

    `cache`: the folder in which finished parts of other runs lie; None: there are none.
    """

    kind: str
    free: int
    cache: Path | None = None


@dataclass(frozen=True, kw_only=True)
class Measured:
    """Two sizes of a step: views in all, seconds, peak bytes; and a forward pass, in seconds per image.

    `row_seconds`: of a step's real side, beside its views, for each row of a bank that it reads.
    `judges`: seconds per image of a forward pass (frozen) or of a training step (student), by network.
    """

    views: tuple[int, int]
    seconds: tuple[float, float]
    bytes: tuple[int, int]
    forward_seconds: float
    device: str
    judges: Mapping[str, float] = field(default_factory=dict)
    row_seconds: float = 0.0


@dataclass(frozen=True, kw_only=True)
class Past:
    """A distillation of the past that cost the same per view or per step; `own`: the settings of its method."""

    own: Any
    shared: Any
    data: DataSize
    seconds_per_step: float
    bytes: int
    step: int


@dataclass(frozen=True, kw_only=True)
class Cost:
    """What a distillation takes without its evaluations. `largest`: views that would fit; 0: not told by views."""

    seconds_per_step: float
    seconds_prepare: float
    seconds_beside: float
    bytes: int
    seconds_per_image: float = 0.0  # a forward pass through its network, or a training step
    largest: int = 0
