"""What every further process of a run does: its share of what the first one orders (`base.ranks`). Loads torch.

>>> follow(RunFolder(folder), places())  # after `ranks.join`; returns when the first one leaves
"""

import logging
from functools import cached_property
from typing import Any, cast, final

import torch
from torch import Tensor

from lgm_core.backbones.features import Recipe
from lgm_core.base import ranks
from lgm_core.base.interfaces import Distiller, State
from lgm_core.base.machine import idle_cores
from lgm_core.base.names import load
from lgm_core.base.places import Places
from lgm_core.methods.catalog import method_of, own_settings
from lgm_core.runs.recorder import Recorder
from lgm_core.runs.store import RunFolder
from lgm_core.workbench import Workbench

_warn = logging.getLogger("lgm").warning  # into the run's log, as all that a worker says


def follow(run: RunFolder, places: Places) -> None:
    """Carry out all orders."""
    own = _Following(run, places)
    orders = {"bank": own.bank, "assemble": own.assemble, "take up": own.take_up, "step": own.step}
    ranks.serve(lambda what, *values: orders[what](*values))


@final
class _Silent:
    """In place of the recorder: it writes nothing, and hears of the run's end."""

    def __init__(self, run: RunFolder) -> None:
        self.run = run

    def phase(self, name: str, done: int = 0, total: int = 0) -> None:
        """Raises `Left` where the first process has left the run."""
        ranks.heed()

    def note(self, text: str) -> None:
        """The first process says the same."""

    def weights(self, network: str, values: dict[str, Any]) -> None:
        """The first process has recorded them."""

    def data(self, values: dict[str, Any]) -> None:
        """The first process has recorded them."""

    def frame(self, step: int, images: Tensor) -> None:
        """The first process shows them."""

    def advise(self, memory_remedy: str) -> str:
        """The first process says what to do where memory runs out."""
        return ""

    def threads(self, asked: int) -> int:
        """CPU threads: as many as the first process has."""
        return asked or self.run.status().threads or idle_cores()


@final
class _Following:
    """The run's data, networks and distiller, as this process has them."""

    def __init__(self, run: RunFolder, places: Places) -> None:
        self._run, self._places = run, places
        self._distiller: Distiller | None = None

    @cached_property
    def _bench(self) -> Workbench:  # opened with the first order: the first process has chosen the threads by then
        recorder = cast(Recorder, _Silent(self._run))
        return Workbench(self._run.config_to_work_on(), self._places, recorder)

    def bank(self, chosen: dict[str, str], split: tuple[str, int], network: str, recipe: Recipe) -> None:
        self._bench.compute.chosen.update(chosen)
        self._bench.share_bank(split, network, recipe)

    def assemble(self, chosen: dict[str, str], resumes: bool) -> None:
        self._bench.compute.chosen.update(chosen)
        self._bench.resumes, config = resumes, self._bench.config
        self._distiller = load(method_of(config).assemble)(own_settings(config), config, self._bench)

    def take_up(self, state: State, at_first: bool) -> None:
        """Go on with the run's state; says so where this process's own was another one, which it never should be."""
        assert self._distiller is not None
        if not at_first and (others := _differing(self._distiller.state(), state)):
            _warn("process %d had come to another state than the first one: %s", ranks.rank(), ", ".join(others))
        self._distiller.restore(state)

    def step(self, step: int) -> None:
        assert self._distiller is not None
        for note in self._distiller.step(step).notes:
            _warn("process %d: %s", ranks.rank(), note)


def _differing(own: State, state: State) -> list[str]:
    """The names of the tensors that differ by a bit."""

    def same(name: str, tensor: Tensor) -> bool:
        return name in own and torch.equal(own[name].cpu(), tensor)

    return [name for name, tensor in state.items() if name != "chunk" and not same(name, tensor)]
