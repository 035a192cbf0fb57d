"""The paper's loop, written anew from the LGM specification in plain torch, against the engine's preset `paper`.

The oracle is as slow and obvious as the reference: autograd of autograd, `grid_sample`, Adam made anew at each growth.
It shares nothing with the engine but the toy backbone and the random numbers, which both draw from the same streams.
Legend: N images, M views, S side of a view, R side of an image.
"""

import copy
import math
from collections.abc import Iterator

import numpy as np
import pytest
import torch
from torch import Tensor
from torch.nn.functional import affine_grid, cross_entropy, grid_sample, interpolate

from lgm_core.backbones.abstract_bench import Bench
from lgm_core.backbones.augment import Augment
from lgm_core.base.device import Compute
from lgm_core.base.interfaces import generator
from lgm_core.datasets.image_set import ArrayImages
from lgm_core.methods.catalog import own_settings
from lgm_core.methods.lgm.assembly import assemble
from lgm_core.methods.lgm.step import LinearGradientMatching
from lgm_core.presets import preset
from tests.conftest import ToyBackbone
from tests.one_thread import one_thread  # noqa: F401 (a fixture)

STEPS, SIDE, CLASSES, PER_CLASS, VIEWS, SEED = 30, 32, 3, 2, 4, 7
BATCH = PER_CLASS * VIEWS * CLASSES
REAL = 224  # px of a real picture: read without resizing


class Oracle:
    """The reference's step, sections 1 to 6 of the specification,; t counts from 1."""

    def __init__(self, toy: ToyBackbone, pictures: np.ndarray, labels: list[int], zero: bool, every: int) -> None:
        self.net, self.scale = copy.deepcopy(toy.net).requires_grad_(True), toy.scale
        self.side, self.features, self.zero, self.every = toy.input_size, toy.feature_size, zero, every
        self.pictures = torch.from_numpy(pictures).permute(0, 3, 1, 2) / 255
        self.real_labels = torch.tensor(labels)
        self.labels = torch.arange(CLASSES).repeat_interleave(PER_CLASS)
        self.pool = 0.2 * torch.randn(2**23, generator=generator("cpu", SEED, 0x6E6F6973))
        self.levels = [self._values(1)]
        self._begin()

    def _values(self, side: int) -> Tensor:
        random = torch.randn(len(self.labels), 3, side, side, generator=generator("cpu", SEED, side))
        return torch.zeros_like(random) if self.zero else random

    def _begin(self) -> None:
        self.levels = [level.detach().requires_grad_() for level in self.levels]
        self.adam = torch.optim.Adam(self.levels, lr=2e-3)

    def grow(self) -> None:
        m, side = len(self.levels), 2 * self.levels[-1].shape[-1]
        self.levels = [level.detach() * m / (m + 1) for level in self.levels]
        total = sum(interpolate(level, size=(side, side), mode="bilinear") for level in self.levels)
        self.levels.append(total / m if self.zero else self._values(side) / (m + 1))
        self._begin()

    def images(self) -> Tensor:
        root = torch.tensor([[0.26, 0.09, 0.02], [0.27, 0, -0.05], [0.27, -0.09, 0.03]])
        matrix = root / root.norm(dim=0).max()
        total = sum(interpolate(level, size=(SIDE, SIDE), mode="bilinear") for level in self.levels)
        mixed = (total.movedim(1, -1) @ matrix.T).movedim(-1, 1)
        return 0.5 + torch.tanh(mixed) / 2

    def views(self, images: Tensor, random: torch.Generator) -> Tensor:
        """One view of each image. The engine mirrors after the crop, so that a mirrored one has its centre mirrored."""
        m, u = len(images), torch.rand(7, len(images), generator=random)
        flip = u[4] < 0.5
        images = torch.where(flip.view(m, 1, 1, 1), images.flip(-1), images)
        area, aspect = 0.08 + 0.92 * u[0], torch.exp(math.log(3 / 4) + 2 * math.log(4 / 3) * u[1])
        width, height = (area * aspect).sqrt(), (area / aspect).sqrt()
        x, y = (2 * u[3] - 1) * (1 - width), (2 * u[2] - 1) * (1 - height)
        x = torch.where(flip, -x, x)
        nothing = torch.zeros_like(x)
        boxes = torch.stack((width, nothing, x, nothing, height, y), dim=1).view(m, 2, 3)
        grid = affine_grid(boxes, [m, 3, self.side, self.side], align_corners=False)
        views = grid_sample(images, grid, mode="bilinear", padding_mode="zeros", align_corners=False)
        numbers = 3 * self.side**2
        starts = (u[6] * (len(self.pool) - numbers)).long().tolist()
        noise = torch.stack([self.pool[s : s + numbers].view(self.side, self.side, 3) for s in starts])
        return views + noise.movedim(-1, 1) * (u[5] < 0.5).view(m, 1, 1, 1)

    def gradient(self, views: Tensor, labels: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
        """The head's gradient, weights and bias in one vector, with a graph."""
        features = self.net((views - 0.4) * self.scale)
        loss = cross_entropy(features @ weight.T + bias, labels)
        return torch.cat([g.flatten() for g in torch.autograd.grad(loss, (weight, bias), create_graph=True)])

    def step(self, t: int) -> float:
        if t > 1 and (t - 1) % self.every == 0 and self.levels[-1].shape[-1] < SIDE:
            self.grow()
        stream = [generator("cpu", SEED, t - 1, tag) for tag in (0x68656164, 0x7265616C, 0x76696577)]
        weight = (0.01 * torch.randn(CLASSES, self.features, generator=stream[0])).requires_grad_()
        bias = torch.zeros(CLASSES, requires_grad=True)
        epoch, place = divmod(t - 1, len(self.pictures) // BATCH)
        order = torch.randperm(len(self.pictures), generator=generator("cpu", SEED, epoch, 0x65706F63))
        batch = order[place * BATCH : (place + 1) * BATCH]
        real = self.gradient(
            self.views(self.pictures[batch], stream[1]), self.real_labels[batch], weight, bias
        ).detach()
        copies = self.images().repeat(VIEWS, 1, 1, 1)
        ours = self.gradient(self.views(copies, stream[2]), self.labels.repeat(VIEWS), weight, bias)
        loss = 1 - real @ ours / (real.norm() * ours.norm())
        self.adam.zero_grad()
        loss.backward()
        self.adam.step()
        return loss.item()


class PaperBench(Bench):
    """What the preset `paper` asks of a bench: a training set, a backbone, views; it keeps the notes."""

    compute, start, resumes, test = Compute(torch.device("cpu"), "float32"), {}, False, None

    def __init__(self, toy: ToyBackbone, train: ArrayImages) -> None:
        self._toy, self._train, self.notes = toy, train, []

    train = property(lambda self: self._train)
    clean_bank = view_bank = seen_clean = pictures = once = phase = further = None
    show_start = staticmethod(lambda images: None)

    def backbone(self, name):
        return self._toy

    def augment(self, augment, backbone):
        return Augment(augment, side=backbone.input_size, seed=SEED, device="cpu")

    def note(self, text):
        self.notes.append(text)


@pytest.fixture
def in_double(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Both compute in float64, so that rounding does not blur the comparison: the engine's float() is double here."""
    monkeypatch.setattr(Tensor, "float", Tensor.double)
    torch.set_default_dtype(torch.float64)
    yield
    torch.set_default_dtype(torch.float32)


def _both(toy: ToyBackbone, initial: str, every: int) -> tuple[LinearGradientMatching, Oracle, PaperBench]:
    random = np.random.default_rng(0)
    coarse = random.integers(0, 255, (2 * BATCH + 5, 14, 14, 3), dtype=np.uint8)
    pictures = coarse.repeat(REAL // 14, axis=1).repeat(REAL // 14, axis=2)
    labels = random.choice(CLASSES, len(pictures), p=[0.5, 0.3, 0.2]).tolist()  # a prior of its own
    train = ArrayImages(name="toy/train", shards=[pictures], labels=labels, classes=("a", "b", "c"))
    bench = PaperBench(toy.double(), train)
    config = preset(
        "paper", images_per_class=PER_CLASS, seed=SEED, steps=STEPS, data={"resize": REAL}, lgm={"views": VIEWS},
        pyramid={"grow_every": every}, synthetic={"resolution": SIDE, "initial": initial},
    )  # fmt: skip
    engine = assemble(own_settings(config), config, bench)
    engine.synthetic.double()  # the colour matrix is a float32 constant
    return engine, Oracle(toy, pictures, labels, initial == "zero", every), bench


@pytest.mark.parametrize(
    ("initial", "every", "sides", "notes"),
    [
        ("noise", 5, [1, 2, 4, 8, 16, 32], []),
        ("zero", 5, [1, 2, 4, 8, 16, 32], []),
        ("noise", 8, [1, 2, 4, 8], ["The pyramid ends 2 levels short of 32 px: it grows every 8 steps"]),
    ],
    ids=["noise", "zero", "fewer steps than the pyramid wants"],
)
def test_the_preset_paper_draws_the_images_of_the_literal_loop(
    initial: str, every: int, sides: list[int], notes: list[str], toy: ToyBackbone, in_double: None
):
    engine, oracle, bench = _both(toy, initial, every)
    for step in range(STEPS):
        assert engine.step(step).loss == pytest.approx(oracle.step(step + 1), abs=1e-7), step
        torch.testing.assert_close(engine.export().images, oracle.images(), atol=1e-6, rtol=0)
    assert engine.synthetic.sides == sides and [note.split(",")[0] for note in bench.notes] == notes
