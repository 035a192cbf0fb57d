"""RCIG: images and labels from which a network, trained to the end, classifies real data well.

Loo et al., Dataset distillation with convexified implicit gradients, arXiv 2302.06755; RCIG specification, section 3.
Each step: a network of the pool, its training on the set made convex -> 20 Adam steps -> the loss on real images ->
20 Adam steps for the inverse Hessian -> direct and implicit gradient -> AdaBelief -> the network is trained a little.
Legend: N synthetic images with flips, C classes, P parameters.

>>> rcig = RCIG(config.rcig, synthetic=learned, real=whitened.train, pool=pool, seed=0)
>>> rcig.search(progress)
>>> rcig.step(0).scalars["batch_top1"]
0.152
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, final

import torch
from jaxtyping import Float
from torch import Tensor

from lgm_core.base.interfaces import Distiller, SoftSet, State, StepResult, generator
from lgm_core.base.rank_sums import of_first
from lgm_core.datasets.whitened import WhitenedSplit
from lgm_core.methods.rcig.adam import AdaBelief, Adam
from lgm_core.methods.rcig.autograd_problem import Literal
from lgm_core.methods.rcig.config import RCIGConfig
from lgm_core.methods.rcig.convexified import Convexified
from lgm_core.methods.rcig.inner_problem import Gradients, InnerProblem, Outer, RealBatch, Rows, Setting, mean_of
from lgm_core.methods.rcig.labelled import LabelledSet
from lgm_core.methods.rcig.linearised import Frozen
from lgm_core.methods.rcig.pool import Pool
from lgm_core.methods.rcig.rate_search import Rates, is_falling, largest_monotone, status_of
from lgm_core.methods.rcig.traces import Traces, share_of_implicit

_FIRST_INNER, _FIRST_SOLVE = 1e-5, 5e-5  # where the searches begin

Progress = Callable[[str, int, int], None]


@final
class RCIG(Distiller):
    """One outer step after another; everything random is a function of the seed and the step."""

    synthetic: LabelledSet

    def __init__(
        self, config: RCIGConfig, *, synthetic: LabelledSet, real: WhitenedSplit, pool: Pool, seed: int
    ) -> None:
        self.config, self.synthetic, self.seed = config, synthetic, seed
        self.rates = Rates(config.inner_rate, config.solve_rate)
        self._real, self._pool = real, pool
        self._batch = min(config.batch, len(real))
        self._optimisers = {name: AdaBelief(leaf) for name, leaf in synthetic.leaves().items()}
        self._traces = Traces()

    def step(self, step: int) -> StepResult:
        place = self._pool.choose(step)
        problem = self._problem(self._pool.frozen(place))
        displacement, losses = self._descend(problem, self.rates.inner, step)
        inner_rate = self.rates.inner
        if losses:
            self.rates.watch(step, losses)
        outer = self._outer(problem, displacement, step)
        free, residuals = self._implicit(problem, displacement, outer, step)
        clip = self.config.analytic_head  # the naive problem has no direct gradient to clip by
        implicit = {name: clipped(free[name], outer.direct[name]) if clip else free[name] for name in free}
        moved = self._update(outer.direct, implicit)
        with torch.no_grad():
            self._pool.train(place, *self.synthetic.materialise(), step)
        self._traces.note(losses, residuals, outer.direct, free)
        scalars = {
            "batch_top1": outer.top1,
            "temperature": self.synthetic.log_temperature.exp().item(),
            "inner_rate": inner_rate,
            "solve_rate": self.rates.solve,
            "implicit_share": share_of_implicit(outer.direct, free),
            "pixels_moved": moved["pixels"],
            "targets_moved": moved["targets"],
        }
        if losses:
            scalars |= {"inner_first": losses[0], "inner_last": losses[-1], "inner_status": status_of(losses)}
        if residuals:
            scalars["solve_status"] = status_of(residuals)
        return StepResult(loss=outer.loss, scalars=scalars)

    def search(self, progress: Progress = lambda what, done, total: None) -> None:
        """Find the rates that the config leaves open, with a fresh network and one real batch. Section 3.1."""
        problem, trials = self._problem(self._pool.fresh()), 0

        def tried(name: str) -> None:
            nonlocal trials
            progress(f"searching the {name} learning rate", trials, 0)
            trials += 1

        def inner_falls(rate: float) -> bool:
            tried("inner")
            return is_falling(self._descend(problem, rate, 0)[1])

        if not self.rates.inner and self.config.inner_steps:
            self.rates.inner = largest_monotone(inner_falls, first=_FIRST_INNER, leap=self.config.search_leap)
        if self.rates.solve or not self.config.implicit:
            return
        displacement, _ = self._descend(problem, self.rates.inner, 0)
        outer = self._outer(problem, displacement, 0)

        def solve_falls(rate: float) -> bool:
            tried("inverse Hessian's")
            return is_falling(self._solve(problem, outer.gradient, displacement, rate, 0)[1])

        self.rates.solve = largest_monotone(solve_falls, first=_FIRST_SOLVE, leap=self.config.search_leap)

    def details(self) -> dict[str, Any]:
        """Labels, loss traces and gradient norms of the last step, which the Watch page draws."""
        return self._traces.details(self.synthetic)

    @torch.no_grad()
    def export(self) -> SoftSet:
        """The published set: as pictures, and as networks are trained on it."""
        published = self.synthetic.published()
        return SoftSet(
            self.synthetic.images(), self.synthetic.labels, published.pixels, published.targets,
            published.log_temperature,
        )  # fmt: skip

    def state(self) -> State:
        state = {f"synthetic.{name}": tensor for name, tensor in self.synthetic.state().items()}
        state |= {f"pool.{name}": tensor for name, tensor in self._pool.state().items()}
        state |= {f"rates.{name}": tensor for name, tensor in self.rates.state().items()}
        for leaf, optimiser in self._optimisers.items():
            state |= {f"belief.{leaf}.{name}": tensor for name, tensor in optimiser.state().items()}
        return state

    def restore(self, state: Mapping[str, Tensor]) -> None:
        self.synthetic.restore(_below(state, "synthetic."))
        self._pool.restore(_below(state, "pool."))
        self.rates.restore(_below(state, "rates."))
        for leaf, optimiser in self._optimisers.items():
            optimiser.restore(_below(state, f"belief.{leaf}."))

    def _problem(self, frozen: Frozen) -> InnerProblem:
        config = self.config
        images, targets = self.synthetic.materialise()
        penalty = config.l2_rate * len(self.synthetic.labels)  # M, not N: flips do not count
        setting = Setting(
            images=images, targets=targets, learned=self.synthetic.leaves(), penalty=penalty, margin=config.margin
        )
        if config.linearise and config.analytic_head:
            return Convexified(frozen, setting, chunk=config.chunk, forward_chunk=config.forward_chunk)
        return Literal(frozen, setting, linearise=config.linearise, naive=not config.analytic_head)

    @torch.no_grad()
    def _descend(self, problem: InnerProblem, rate: float, step: int) -> tuple[Float[Tensor, "p"], list[float]]:
        """The displacement after the inner steps, and the loss before each."""
        displacement, losses = problem.start(), []
        adam = Adam(displacement)
        for turn in range(self.config.inner_steps):
            loss, gradient = problem.loss_and_gradient(displacement, self._rows(self.config.inner_rows, step, 1, turn))
            losses.append(loss)
            displacement = displacement + adam.move(gradient, rate)
        return displacement, numbers(losses)

    @torch.no_grad()
    def _solve(
        self, problem: InnerProblem, right: Tensor, displacement: Tensor, rate: float, step: int
    ) -> tuple[Float[Tensor, "p"], list[float]]:
        """H^-1 right by Adam from 0, and v'(H v - 2 right) before each step."""
        vector, residuals = torch.zeros_like(right), []
        adam = Adam(vector)
        for turn in range(self.config.solve_steps):
            moved = problem.curvature(vector, displacement, self._rows(self.config.solve_rows, step, 2, turn))
            residuals.append(vector @ (moved - 2 * right))
            vector = vector + adam.move(moved - right, rate)
        return vector, numbers(residuals)

    def _outer(self, problem: InnerProblem, displacement: Tensor, step: int) -> Outer:
        """Loss on the step's real batch, averaged over subsets where the config asks for some."""
        rows = self._real_rows(step)
        images, labels = self._real.values(rows).to(displacement), self._real.labels[rows].to(displacement.device)
        found = []
        for turn in range(self.config.repeats):
            part = self._rows(self.config.direct_real_rows, step, 3, turn, total=self._batch)
            if not self.config.implicit:  # the gradient in the displacement is not needed then
                part = torch.empty(0, dtype=torch.int64, device=images.device)
            real = RealBatch(images=images, labels=labels, rows=part)
            found.append(problem.outer(displacement, real, self._rows(self.config.direct_rows, step, 4, turn)))
        if len(found) == 1:
            return found[0]
        gradient = torch.stack([one.gradient for one in found]).mean(0)
        direct = mean_of([one.direct for one in found])
        return Outer(loss=found[0].loss, top1=found[0].top1, gradient=gradient, direct=direct)

    def _implicit(
        self, problem: InnerProblem, displacement: Tensor, outer: Outer, step: int
    ) -> tuple[Gradients, list[float]]:
        if not self.config.implicit:
            return {name: torch.zeros_like(leaf) for name, leaf in self.synthetic.leaves().items()}, []
        vector, residuals = self._solve(problem, outer.gradient, displacement, self.rates.solve, step)
        rows = [self._rows(self.config.implicit_rows, step, 5, turn) for turn in range(self.config.repeats)]
        return mean_of([problem.implicit(vector, displacement, part) for part in rows]), residuals

    @torch.no_grad()
    def _update(self, direct: Gradients, implicit: Gradients) -> dict[str, float]:
        """AdaBelief's step, and its length for each of what is learned."""
        moved = dict.fromkeys(self.synthetic.leaves(), 0.0)
        for name, leaf in self.synthetic.leaves().items():
            if name == "targets" and not self.synthetic.learn_labels:
                continue
            rate = self.config.temperature_rate if name == "log_temperature" else self.config.image_rate
            move = self._optimisers[name].move(of_first(direct[name] + implicit[name]), rate)
            leaf.add_(move)
            moved[name] = move.norm().item()
        self.synthetic.update_mean()
        return moved

    def _real_rows(self, step: int) -> Tensor:
        """The step's real images: every epoch is a new shuffle; the few that fill no batch are left out."""
        epoch, place = divmod(step, max(len(self._real) // self._batch, 1))
        order = torch.randperm(len(self._real), generator=generator("cpu", self.seed, epoch, 0x65706F63))
        return order[place * self._batch : (place + 1) * self._batch]

    def _rows(self, count: int, step: int, what: int, turn: int, total: int = 0) -> Rows:
        """A random subset without replacement; None where it would be all."""
        total = total or len(self.synthetic.labels) * (2 if self.synthetic.flip else 1)
        if not 0 < count < total:
            return None
        random = generator("cpu", self.seed, step, what, turn, 0x726F7773)
        return torch.randperm(total, generator=random)[:count].to(self.synthetic.pixels.device)


def number_type(config: RCIGConfig) -> torch.dtype:
    """The dtype of networks, learned values and both inner problems; what is published is float32."""
    return torch.float64 if config.float64 else torch.float32


def clipped(implicit: Tensor, direct: Tensor) -> Tensor:
    """The implicit gradient of one leaf, no longer than the direct one; 0 where it is 0 or no number."""
    length = implicit.norm()
    factor = torch.minimum(length, direct.norm()) / length
    return torch.nan_to_num(implicit * factor, nan=0.0, posinf=0.0, neginf=0.0)


def numbers(several: Sequence[Tensor]) -> list[float]:
    """Scalars on the device as floats, waiting for the device only once."""
    return torch.stack(list(several)).tolist() if several else []


def _below(state: Mapping[str, Tensor], prefix: str) -> State:
    return {name.removeprefix(prefix): tensor for name, tensor in state.items() if name.startswith(prefix)}
