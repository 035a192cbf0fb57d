"""Work that one process does, or two share: run by tests in both of two processes.

python -m tests.shared_work PORT    # the second one, which carries out the first one's orders
"""

import os
import sys
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from lgm_core.backbones.augment import Augment
from lgm_core.backbones.features import Bank, Recipe
from lgm_core.base import rank_sums, ranks
from lgm_core.base.device import Compute
from lgm_core.base.errors import UserError
from lgm_core.base.interfaces import generator
from lgm_core.base.settings import AugmentConfig
from lgm_core.datasets.image_set import ArrayImages
from lgm_core.methods.lgm.config import LGMConfig, SyntheticConfig
from lgm_core.methods.lgm.gradients import LinearHead
from lgm_core.methods.lgm.metric import metric_of
from lgm_core.methods.lgm.objectives.catalog import OBJECTIVES, Side
from lgm_core.methods.lgm.pixels import PixelSet
from lgm_core.methods.lgm.source import Source
from lgm_core.methods.lgm.step import LinearGradientMatching
from lgm_core.methods.lgm.targets import BatchTarget, MeanTarget
from lgm_core.methods.mkdt.unrolled import match
from tests.conftest import ToyBackbone
from tests.test_mkdt_matching import CHUNKS, _learned, _student
from tests.test_rcig import _rcig

C, WIDTH, VIEWS, STEPS = 3, 12, 3, 20  # nine views: four and five
COMPUTE = Compute(torch.device("cpu"), "float32")
AUGMENT = Augment(AugmentConfig(), side=16, seed=0, device="cpu")


class Tight(ToyBackbone):
    """Has no memory for more than three views at once, on the second process; `when`: "forward" or "backward"."""

    when = ""

    def encode(self, normalised: Tensor) -> Tensor:
        features, short = super().encode(normalised), ranks.rank() == 1 and len(normalised) > 3
        if short and self.when == "forward":
            self.fail(features)
        if short and self.when == "backward" and features.requires_grad:
            features.register_hook(self.fail)
        return features

    @staticmethod
    def fail(gradient: Tensor) -> None:
        raise torch.OutOfMemoryError


def lgm(objective: str, steps: int = STEPS, when: str = "") -> list[Tensor]:
    """The images after some steps in two networks at once, the second of which sees two views at a time; `when`: in
    what memory is short on the second process.
    """
    config = LGMConfig(objective=objective, views=VIEWS, learning_rate=0.02, source_weights=(1, 2), joint="all")
    sources = []
    for place, weight in enumerate(config.weights(2)):
        features = torch.randn(20, 1, WIDTH, generator=generator("cpu", place))
        bank = Bank(features, torch.arange(20) % C, C)
        side = Side(
            config=config, bank=lambda bank=bank: bank, rows=C, width=WIDTH, steps=STEPS, seed=0,
            target=lambda bank=bank: MeanTarget(bank, balanced=True, device=COMPUTE.device), device=COMPUTE.device,
            metric=lambda bank=bank: metric_of(config, lambda: bank, device=COMPUTE.device, note=print),
        )  # fmt: skip
        network = Tight(place)
        network.when = when if place == 0 else ""
        sources.append(
            Source(
                network,
                augment=AUGMENT,
                objective=OBJECTIVES[objective](side),
                compute=COMPUTE,
                views=VIEWS,
                seed=0,
                weight=weight,
                place=place,
                chunk=2 * place,
            )  # fmt: skip
        )
    pixels = PixelSet(SyntheticConfig(resolution=18), classes=C, images_per_class=1, random=generator("cpu", 3))
    distiller = LinearGradientMatching(config, steps=STEPS, synthetic=pixels, sources=sources, keep_moments=True)
    losses = [distiller.step(step).loss for step in range(steps)]
    if when:
        assert sources[0].chunk == (2 if ranks.rank() == 1 else 0), sources[0].chunk
    return [distiller.export().images, torch.tensor(losses)]


def fresh_batches() -> list[Tensor]:
    """The real gradient of three steps, each of a new batch."""
    target = BatchTarget(pictures(), ToyBackbone(), AUGMENT, COMPUTE, batch=5, resize=18, balanced=True, seed=0)
    head = LinearHead.draw(classes=C, features=WIDTH, std=0.1, random=generator("cpu", 0))
    return [target.gradient(head, step) for step in range(3)]


def mkdt() -> list[Tensor]:
    """Gradient of the matching loss, in segments; one chunk has fewer images than there are processes."""
    student, chunks = _student(torch.float64), [*CHUNKS, torch.tensor([5])]
    start, goal = (torch.randn(_size(student), generator=generator("cpu", seed)).double() for seed in (0, 1))
    found = match(student, 0.1 * start, 0.1 * goal, _learned(torch.float64), chunks, segment=2)
    return [torch.tensor(found.loss), *found.gradient.leaves()]


def rcig() -> list[Tensor]:
    """What is learned after five steps, the real batch in chunks of four."""
    distiller = _rcig(chunk=4, temperature_rate=0.05)
    losses = [distiller.step(step).loss for step in range(5)]
    return [*(leaf.detach() for leaf in distiller.synthetic.leaves().values()), torch.tensor(losses)]


def bank(folder: Path, unreadable: int = -1, last: int = 10**9) -> list[Tensor]:
    """Features of eleven images, three views of each; the first process gives up after `last` of them."""

    def progress(done: int, total: int) -> None:
        if ranks.rank() == 0 and done >= last:
            raise KeyboardInterrupt

    recipe = Recipe(views=3, augment=AugmentConfig(), resize=252, batch=2)
    opened = Bank.open_or_compute(pictures(unreadable), ToyBackbone(), recipe, folder, COMPUTE, progress)
    return [opened.features]


class Pictures(ArrayImages):
    """One of them cannot be read."""

    unreadable = -1

    def picture(self, index: int) -> Image.Image:
        if index == self.unreadable:
            raise UserError(f"image {index} cannot be read")
        return super().picture(index)


def pictures(unreadable: int = -1) -> ArrayImages:
    pixels = np.random.default_rng(0).integers(0, 255, (11, 20, 26, 3), dtype=np.uint8)
    made = Pictures(name="toy/train", shards=[pixels], labels=[0, 0, 0, 0, 0, 1, 1, 2, 2, 2, 2], classes=tuple("abc"))
    made.unreadable = unreadable
    return made


def third_derivative() -> list[Tensor]:
    """Of a sum of shared parts, as a loss that is differentiated twice along the way."""
    x, whole = torch.tensor([0.3, -0.7, 1.1], dtype=torch.float64, requires_grad=True), torch.arange(1.0, 8.0).double()
    part = whole[ranks.share(len(whole))]
    slope = torch.autograd.grad((rank_sums.spread(x).sin() ** 3 * part.sum()).sum(), x, create_graph=True)[0]
    bend = torch.autograd.grad((slope**2).sum(), x, create_graph=True)[0]
    return [slope, bend, torch.autograd.grad(bend.exp().sum(), x)[0]]


WORK = {one.__name__: one for one in (lgm, fresh_batches, mkdt, rcig, bank, third_derivative)}


def carry_out(name: str, *given: object) -> None:
    """Of the second process: do it, and show that it has come to the same bits."""
    ranks.collect(WORK[name](*given))


def _size(student: torch.nn.Module) -> int:
    return sum(parameter.numel() for parameter in student.parameters())


if __name__ == "__main__":
    from torch.distributed import TCPStore

    torch.set_num_threads(1)
    ranks.join(TCPStore("127.0.0.1", int(sys.argv[1])), 1, 2, 1)
    ranks.serve(carry_out)
    os._exit(0)  # as the others of a run end: threads of gloo may abort a process that takes its interpreter down
