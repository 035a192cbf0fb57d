"""The pool of partly trained networks, one of which each outer step looks at and then trains a little further.

RCIG specification, section 3, steps 1 and 8. Networks that were never chosen are not kept: their weights are a
function of the seed, their place and how often the place was refilled. Legend: N images, C classes.

>>> pool = Pool(student, size=30, life=100, most_steps=15, rate=5e-5, seed=0)
>>> place = pool.choose(step)
>>> pool.train(place, images, targets, step)
"""

from collections.abc import Mapping
from typing import final

import torch
from jaxtyping import Float
from torch import Tensor
from torch.func import functional_call

from lgm_core.backbones.students.networks import Student, build_student
from lgm_core.backbones.students.parameters import flatten, named
from lgm_core.base.interfaces import State, generator
from lgm_core.base.rank_sums import of_first
from lgm_core.methods.rcig.adam import Adam
from lgm_core.methods.rcig.linearised import Frozen


class _Member:
    """One network: a flat vector of parameters, its buffers, Adam's moments; as many steps as Adam has counted."""

    def __init__(self, parameters: Tensor, buffers: dict[str, Tensor]) -> None:
        self.parameters, self.buffers, self.adam = parameters, buffers, Adam(parameters)


@final
class Pool:
    """`student` gives the shape; its own weights are not used."""

    def __init__(
        self, student: Student, *, size: int, life: int, most_steps: int, rate: float, seed: int, rows: int = 0,
        compiled: bool = False,
    ) -> None:  # fmt: skip
        """`rows`: images per training step, 0 for all; `compiled`: see `Frozen`."""
        self._student, self._size, self._life, self._most_steps = student, size, life, most_steps
        self._rate, self._seed, self._rows, self._compiled = rate, seed, rows, compiled
        self._generations = [0] * size
        self._members: dict[int, _Member] = {}

    def choose(self, step: int) -> int:
        """The place that a step looks at, uniformly drawn."""
        return int(torch.randint(self._size, (), generator=generator("cpu", self._seed, step, 0x706F6F6C)))

    def frozen(self, place: int) -> Frozen:
        """The network at a place as it is now, as data."""
        return self._as_data(self._member(place))

    def fresh(self) -> Frozen:
        """A network that no place will ever hold, for the search of learning rates."""
        return self._as_data(self._new(-1))

    def _as_data(self, member: _Member) -> Frozen:
        return Frozen(self._student, member.parameters, member.buffers, compiled=self._compiled)

    def train(self, place: int, images: Float[Tensor, "n k r r"], targets: Float[Tensor, "n c"], step: int) -> int:
        """Train all weights for a random number of steps; returns that number. A network past its life is replaced."""
        random = generator("cpu", self._seed, step, 0x74726169)
        member, count = self._member(place), int(torch.randint(1, self._most_steps + 1, (), generator=random))
        self._student.train()
        for _ in range(count):
            rows = torch.arange(len(images))
            if 0 < self._rows < len(images):
                rows = torch.randperm(len(images), generator=random)[: self._rows]
            rows = rows.to(images.device)
            self._train_once(member, images[rows], targets[rows])
        if member.adam.count >= self._life:
            self._generations[place] += 1
            del self._members[place]
        return count

    def _train_once(self, member: _Member, images: Tensor, targets: Tensor) -> None:
        buffers = {name: buffer.clone() for name, buffer in member.buffers.items()}
        with torch.enable_grad():
            flat = member.parameters.detach().requires_grad_()
            outputs = functional_call(self._student, named(self._student, flat) | buffers, (images,))
            loss = (outputs - targets).square().mean() / 2
            gradient = torch.autograd.grad(loss, flat)[0]
        member.parameters = member.parameters + member.adam.move(of_first(gradient), self._rate)
        member.buffers = buffers  # batch norm has written into them

    def state(self) -> State:
        state: State = {"generations": torch.tensor(self._generations)}
        for place, member in self._members.items():
            state[f"{place}.parameters"] = member.parameters
            state |= {f"{place}.buffers.{name}": buffer for name, buffer in member.buffers.items()}
            state |= {f"{place}.adam.{name}": value for name, value in member.adam.state().items()}
        return state

    def restore(self, state: Mapping[str, Tensor]) -> None:
        self._generations = state["generations"].tolist()
        self._members = {}
        for place in range(self._size):
            if f"{place}.parameters" in state:
                member = self._new(place)
                member.parameters = state[f"{place}.parameters"].to(member.parameters)
                member.buffers = {
                    name: state[f"{place}.buffers.{name}"].to(buffer) for name, buffer in member.buffers.items()
                }
                prefix = f"{place}.adam."
                member.adam.restore({n.removeprefix(prefix): t for n, t in state.items() if n.startswith(prefix)})
                self._members[place] = member

    def _member(self, place: int) -> _Member:
        if place not in self._members:
            self._members[place] = self._new(place)
        return self._members[place]

    def _new(self, place: int) -> _Member:
        generation = self._generations[place] if place >= 0 else 0
        random = generator("cpu", self._seed, place & 0xFFFF, generation, 0x6E657477)
        made = build_student(self._student.shape, random=random).to(self._student.head.weight)
        return _Member(flatten(made), {name: buffer.clone() for name, buffer in made.named_buffers()})
