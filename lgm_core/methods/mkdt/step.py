"""MKDT: images, targets and a step size with which a student's plain descent follows experts early in their training.

Joshi, Ni, Mirzasoleiman, Dataset distillation via knowledge distillation, arXiv 2410.02116; MKDT specification,
section 4. Each step: the next expert, from a random early epoch -> a student descends on the set from there -> how far
it ends from where the expert was some epochs later -> SGD on images, targets and step size.
Legend: M synthetic images, K channels, R side, D entries of a target.

>>> mkdt = MKDT(config.mkdt, learned=learned, labels=labels, decode=decode, student=student, store=store, seed=0)
>>> mkdt.step(0).loss
1.07
"""

import math
from collections.abc import Callable, Mapping
from typing import Any, final

import torch
from jaxtyping import Int
from torch import Tensor

from lgm_core.backbones.students.networks import Student
from lgm_core.base.errors import UserError
from lgm_core.base.interfaces import Distiller, State, StepResult, TargetSet, generator
from lgm_core.methods.mkdt.config import MKDTConfig
from lgm_core.methods.mkdt.trajectories import Trajectories
from lgm_core.methods.mkdt.unrolled import Chunks, Learnables, match

_VISITS, _STARTS, _CHUNKS = 0x76697369, 0x73746172, 0x6368756E  # streams of random numbers
_NAMES = ("pixels", "targets", "rate")


@final
class MKDT(Distiller):
    """Everything random is a function of the seed and the step."""

    def __init__(
        self, config: MKDTConfig, *, learned: Learnables, labels: Int[Tensor, "m"],
        decode: Callable[[Tensor], Tensor], student: Student, store: Trajectories, seed: int,
        stages: Mapping[str, Any] | None = None,
    ) -> None:  # fmt: skip
        """`decode`: values of the images to images in [0, 1]; `student` gives the shape, its weights are not used.

        `stages`: what came before, for reports (`told.stage_facts`).
        """
        self.config, self.labels, self.seed = config, labels, seed
        self._decode, self._student, self._store = decode, student.requires_grad_(False), store
        self._leaves = {name: leaf.detach().clone() for name, leaf in zip(_NAMES, learned.leaves(), strict=True)}
        self._velocity = {name: torch.zeros_like(leaf) for name, leaf in self._leaves.items()}
        self._last: dict[str, Any] = {}
        self._stages = {"stages": dict(stages)} if stages else {}

    @property
    def learned(self) -> Learnables:
        return Learnables(**self._leaves)

    def step(self, step: int) -> StepResult:
        config, (expert, start) = self.config, self.visit(step)
        first, goal = self._store.pair(expert, start, start + config.expert_epochs)
        found = match(self._student, first, goal, self.learned, self.chunks(step), segment=config.segment)
        if not math.isfinite(found.loss):
            raise UserError(
                f"matching diverged at step {step + 1}: the student's step size is {self._leaves['rate'].item():.3g}; "
                "lower mkdt.rate, mkdt.rate_rate or mkdt.image_rate, and begin anew"
            )
        rate, moved = self._leaves["rate"].item(), self._move(found.gradient)
        self._last = {"loss": found.loss, "rate": rate, "expert": expert, "start": start, **self._stages}
        scalars = {
            "rate": rate,
            "expert": float(expert),
            "start_epoch": float(start),
            "experts_used": float(1 if config.one_expert else min(step + 1, config.experts)),
            "pixels_moved": moved["pixels"],
            "targets_moved": moved["targets"],
        }
        return StepResult(loss=found.loss, scalars=scalars)

    def visit(self, step: int) -> tuple[int, int]:
        """The expert of a step, and the epoch at which it is taken up. All are visited before one comes again."""
        turn, place = divmod(step, self.config.experts)
        if self.config.one_expert:
            turn, place = 0, 0
        order = torch.randperm(self.config.experts, generator=generator("cpu", self.seed, turn, _VISITS))
        start = torch.randint(self.config.start_epochs, (), generator=generator("cpu", self.seed, step, _STARTS))
        return int(order[place]), int(start)

    def chunks(self, step: int) -> Chunks:
        """Rows of each of the student's steps: shuffled passes through the set, in each the short rest first."""
        random, found = generator("cpu", self.seed, step, _CHUNKS), []
        while len(found) < self.config.student_steps:
            order = torch.randperm(len(self.labels), generator=random)
            found += reversed(order.split(self.config.batch))
        return [rows.to(self._leaves["pixels"].device) for rows in found[: self.config.student_steps]]

    def details(self) -> dict[str, Any]:
        """The last step's loss, expert, its epoch, the step size that the student had, and the stages before."""
        return self._last

    @torch.no_grad()
    def export(self) -> TargetSet:
        pixels = self._leaves["pixels"]
        images = self._decode(pixels).clamp(0, 1)
        images = images.expand(-1, 3, -1, -1) if images.shape[1] == 1 else images
        return TargetSet(images, self.labels, *(leaf.clone() for leaf in self._leaves.values()))

    def state(self) -> State:
        velocity = {f"velocity.{name}": tensor for name, tensor in self._velocity.items()}
        return {f"synthetic.{name}": leaf for name, leaf in self._leaves.items()} | velocity

    def restore(self, state: Mapping[str, Tensor]) -> None:
        for name, leaf in self._leaves.items():
            leaf.copy_(state[f"synthetic.{name}"])
            self._velocity[name].copy_(state[f"velocity.{name}"])

    @torch.no_grad()
    def _move(self, gradient: Learnables) -> dict[str, float]:
        """A step of SGD with momentum; how far each went."""
        rates = (self.config.image_rate, self.config.target_rate, self.config.rate_rate)
        moved = {}
        for name, slope, rate in zip(_NAMES, gradient.leaves(), rates, strict=True):
            self._velocity[name].mul_(self.config.momentum).add_(slope)
            self._leaves[name].sub_(self._velocity[name], alpha=rate)
            moved[name] = rate * self._velocity[name].norm().item()
        return moved
