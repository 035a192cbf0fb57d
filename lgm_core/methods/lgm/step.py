"""Linear Gradient Matching: images from which a linear head on a frozen backbone gets the gradient of the real data.

arXiv 2511.16674; LGM specification, section 1. With several backbones each has its own views, real data and loss
(source.py); a step is taken in all of them, or in one after another. Legend: N synthetic images, C classes.

>>> lgm = assemble(own_settings(config), config, bench)
>>> for step in range(500):
...     lgm.step(step).loss
"""

import math
from collections.abc import Mapping, Sequence

import torch
from jaxtyping import Float, Int
from torch import Tensor
from torch.optim import Adam

from lgm_core.base.interfaces import Distiller, HardSet, State, StepResult
from lgm_core.methods.lgm.config import LGMConfig
from lgm_core.methods.lgm.learned_images import LearnedImages
from lgm_core.methods.lgm.source import Source

_NO_TURN = -1.0  # in place of a loss, which is never negative


class LinearGradientMatching(Distiller):
    """Each step: views of the images -> features -> gradient of a head -> distance to the real one -> Adam."""

    def __init__(
        self,
        config: LGMConfig,
        *,
        steps: int,
        synthetic: LearnedImages,
        sources: Sequence[Source],
        keep_moments: bool,
        rows: Int[Tensor, "n"] | None = None,
    ) -> None:
        """`rows`: the row of the heads that each image teaches; None: its class."""
        self.config, self.steps, self.synthetic, self.sources = config, steps, synthetic, tuple(sources)
        self.keep_moments = keep_moments
        self.rows = synthetic.labels if rows is None else rows.to(synthetic.labels.device)
        self._turns = turns([source.weight for source in self.sources])
        self._losses = torch.full((len(self.sources),), _NO_TURN)  # of each, when last seen
        self._average: Float[Tensor, "n 3 r r"] | None = None
        self._averaged = 0
        self._optimiser = self._new_optimiser()

    def step(self, step: int) -> StepResult:
        if self.synthetic.grow(step):
            self._take_up_new_parameters()
        rate = self._learning_rate(step)
        for group, relative in zip(self._optimiser.param_groups, self.synthetic.rates(), strict=True):
            group["lr"] = rate * relative
        self._optimiser.zero_grad()
        images = self.synthetic.images()
        gradient, losses, notes = self._gradient(images, step)
        for place, loss in losses.items():
            self._losses[place] = loss
        if self.config.flat_radius:  # of the loss a little uphill, as sharpness-aware minimisation has it
            uphill = gradient / gradient.square().mean(dim=(1, 2, 3), keepdim=True).sqrt().clamp_min(1e-12)
            gradient, _, more = self._gradient(images.detach() + self.config.flat_radius * uphill, step)
            notes += more
        images.backward(gradient)
        self._optimiser.step()
        self._take_average(step)
        return StepResult(loss=self._loss(), scalars={"learning_rate": rate, **self._each_loss()}, notes=notes)

    def _gradient(
        self, images: Float[Tensor, "n 3 r r"], step: int
    ) -> tuple[Float[Tensor, "n 3 r r"], dict[int, Float[Tensor, ""]], tuple[str, ...]]:
        """In the images, of this step's backbone or of all of them, each with its share; their losses by place."""
        if self.config.joint == "turn" or len(self.sources) == 1:
            due = {self._turns[step % len(self._turns)]: 1.0}
        else:
            whole = sum(source.weight for source in self.sources)
            due = {place: source.weight / whole for place, source in enumerate(self.sources)}
        total, losses, told = None, dict[int, Float[Tensor, ""]](), tuple[str, ...]()
        for place, share in due.items():
            losses[place], gradient, notes = self.sources[place].gradient(images, self.rows, step)
            gradient = gradient if share == 1 else share * gradient
            total, told = gradient if total is None else total + gradient, told + notes
        assert total is not None
        return total, losses, told

    def _loss(self) -> float:
        """The mean, by weight, of the losses of all backbones that had a turn, each as it was when last seen."""
        seen = [(loss, source.weight) for loss, source in zip(self._losses.tolist(), self.sources, strict=True)]
        seen = [(loss, weight) for loss, weight in seen if loss != _NO_TURN]
        return sum(loss * weight for loss, weight in seen) / sum(weight for _, weight in seen)

    def _each_loss(self) -> dict[str, float]:
        if len(self.sources) == 1:
            return {}
        named = zip(self.sources, self._losses.tolist(), strict=True)
        return {f"loss:{source.backbone.name}": loss for source, loss in named if loss != _NO_TURN}

    @torch.no_grad()
    def _take_average(self, step: int) -> None:
        first = self.config.averages_from(self.steps)
        if step - self._averaged < first:  # of the run that this one was forked from: it began too early
            self._average, self._averaged = None, 0
        if step < first:
            return
        images = self.synthetic.images()
        self._averaged += 1
        self._average = images if self._average is None else self._average.lerp(images, 1 / self._averaged)

    def _learning_rate(self, step: int) -> float:
        if self.config.schedule == "constant":
            return self.config.learning_rate
        return self.config.learning_rate * 0.5 * (1 + math.cos(math.pi * step / self.steps))

    def _new_optimiser(self) -> Adam:
        return Adam([{"params": [p]} for p in self.synthetic.parameters()], lr=self.config.learning_rate)

    def _take_up_new_parameters(self) -> None:
        if not self.keep_moments:
            self._optimiser = self._new_optimiser()
            return
        known = {id(p) for group in self._optimiser.param_groups for p in group["params"]}
        for parameter in self.synthetic.parameters():
            if id(parameter) not in known:
                self._optimiser.add_param_group({"params": [parameter]})

    @torch.no_grad()
    def export(self) -> HardSet:
        images = self.synthetic.images() if self._average is None else self._average
        labels, meaning = self.synthetic.labels, self.sources[-1].meaning
        return HardSet(images, labels, None if meaning is None else meaning.to(labels.device)[labels])

    def state(self) -> State:
        state = {f"synthetic.{name}": tensor for name, tensor in self.synthetic.state().items()}
        state |= {"chunk": torch.tensor([source.chunk for source in self.sources]), "losses": self._losses.clone()}
        if self._average is not None:
            state |= {"average": self._average, "averaged": torch.tensor(self._averaged)}
        for index, parameter in enumerate(self.synthetic.parameters()):
            for name, tensor in self._optimiser.state.get(parameter, {}).items():
                state[f"adam.{index}.{name}"] = tensor
        return state

    def restore(self, state: Mapping[str, Tensor]) -> None:
        own = {name.removeprefix("synthetic."): t for name, t in state.items() if name.startswith("synthetic.")}
        self.synthetic.restore(own)
        device = self.synthetic.labels.device
        if "chunk" in state:  # sums over other chunks are rounded differently; a smaller one was asked for since
            for source, chunk in zip(self.sources, state["chunk"].flatten().tolist(), strict=False):
                source.chunk = min(chunk, self.config.chunk or chunk)
        self._losses = state["losses"].clone() if "losses" in state else self._losses
        if "average" in state:
            self._average, self._averaged = state["average"].clone().to(device), int(state["averaged"])
        self._optimiser = self._new_optimiser()
        for index, parameter in enumerate(self.synthetic.parameters()):
            prefix = f"adam.{index}."
            saved = {name.removeprefix(prefix): t for name, t in state.items() if name.startswith(prefix)}
            if saved:
                moments = {name: t.clone().to(parameter.device) for name, t in saved.items() if name != "step"}
                self._optimiser.state[parameter] = {"step": saved["step"].clone(), **moments}


def turns(weights: Sequence[int]) -> list[int]:
    """Which of several comes when, over one round: each as often as its weight, spread evenly.

    >>> turns([1, 1]), turns([1, 2])
    ([0, 1], [1, 0, 1])
    """
    credit, order = [0] * len(weights), []
    for _ in range(sum(weights)):
        credit = [have + weight for have, weight in zip(credit, weights, strict=True)]
        place = credit.index(max(credit))
        credit[place] -= sum(weights)
        order.append(place)
    return order


def next_turn(step: int, place: int, weights: Sequence[int]) -> int:
    """The first step after this one in which it is a place's turn.

    >>> next_turn(0, 0, [1, 2]), next_turn(1, 0, [1, 2])
    (1, 4)
    """
    order = turns(weights)
    return next(at for at in range(step + 1, step + 1 + len(order)) if order[at % len(order)] == place)
