"""What reaches a given accuracy soonest? One variant of the loop at a time, probed after equal numbers of views.

    python docs/experiments/schedules.py mobilenet_v3_small 4500 9000 18000              # all variants
    python docs/experiments/schedules.py mobilenet_v3_small 4500 9000 18000 "3 views"    # one

Imagenette, 200 training and 60 test photographs per class, target mean over one augmented view each, 128 px, Adam. The
pyramid is at full size after a fifth of the views. A view is a forward + backward at the backbone's own input, the cost
that all else is small beside (`lgm bench` says how many a second there are); one at half the side counts a quarter: so
the table does not depend on what else the machine does. Needs Imagenette ($LGM_DATASETS).
"""

import sys
from dataclasses import dataclass, replace
from typing import Any

import torch

from lgm_core.backbones.augment import Augment
from lgm_core.backbones.features import Bank, Recipe, view_features
from lgm_core.backbones.frozen import open_backbone
from lgm_core.base.device import open_compute
from lgm_core.base.places import places
from lgm_core.base.real_settings import BankConfig
from lgm_core.base.settings import AugmentConfig, DeviceConfig
from lgm_core.datasets.open import open_dataset
from lgm_core.evaluation.probe import HeadRecipe, score, train_heads
from lgm_core.methods.lgm.config import LGMConfig, PyramidConfig, SyntheticConfig
from lgm_core.methods.lgm.objectives.gradient import GradientMatching
from lgm_core.methods.lgm.pyramid import PyramidSet
from lgm_core.methods.lgm.source import Source
from lgm_core.methods.lgm.step import LinearGradientMatching
from lgm_core.methods.lgm.targets import MeanTarget

BASIC = AugmentConfig(noise_std=0.0)


@dataclass(frozen=True)
class Variant:
    """A way to run the loop."""

    lgm: LGMConfig = LGMConfig(views=3)
    pyramid: PyramidConfig = PyramidConfig()
    synthetic: SyntheticConfig = SyntheticConfig()
    last_views: int = 0  # 0: as many as at first; else this many in the last half
    average: float = 0.0  # decay of a moving average of the levels; 0: none
    small_share: float = 0.0  # share of the views at half of the backbone's input side, with a target of its own
    cosine: bool = False


def lgm(**values: Any) -> LGMConfig:
    return replace(Variant().lgm, **values)


VARIANTS = {
    "3 views": Variant(),
    "1 view": Variant(lgm=lgm(views=1)),
    "5 views": Variant(lgm=lgm(views=5)),
    "10 views": Variant(lgm=lgm(views=10)),
    "1 view, then 5": Variant(lgm=lgm(views=1), last_views=5),
    "rate 4e-2": Variant(lgm=lgm(learning_rate=4e-2)),
    "rate 4e-2, cosine": Variant(lgm=lgm(learning_rate=4e-2), cosine=True),
    "moving average 0.95": Variant(average=0.95),
    "half input for 40 %": Variant(small_share=0.4),
    "half input for 80 %": Variant(small_share=0.8),
    "full size at once": Variant(pyramid=PyramidConfig(start=128)),
    "the paper's growth": Variant(
        pyramid=PyramidConfig(rescale=True, keep_moments=False, cascade=False), synthetic=SyntheticConfig(noise_scale=1)
    ),
    "the paper's rate 2e-3": Variant(lgm=lgm(learning_rate=2e-3)),
}


class Race:
    """Data, banks and probes of one backbone, opened once for all variants."""

    def __init__(self, name: str) -> None:
        self.compute, where = open_compute(DeviceConfig(precision="float32")), places()
        self.train, self.test = open_dataset(
            "imagenette", where.datasets, train_per_class=200, test_per_class=60, seed=0
        )
        self.backbone = open_backbone(name, where)
        self.size, self.classes = self.backbone.input_size, len(self.train.classes)
        self.banks: dict[int, Bank] = {}
        recipe = Recipe(batch=BankConfig().batch)
        self.tests = Bank.open_or_compute(self.test, self.backbone, recipe, where.features, self.compute)

    def target(self, side: int) -> MeanTarget:
        """The mean of one augmented view of each image, seen at `side` px."""
        if side not in self.banks:
            self.backbone.input_size = side
            recipe = Recipe(views=1, augment=AugmentConfig(), batch=BankConfig().batch)
            self.banks[side] = Bank.open_or_compute(self.train, self.backbone, recipe, places().features, self.compute)
            self.backbone.input_size = self.size
        return MeanTarget(self.banks[side], balanced=True, device=self.compute.device)

    def distiller(self, variant: Variant, pyramid: PyramidSet, views: int, side: int) -> LinearGradientMatching:
        device = self.compute.device
        config = replace(variant.lgm, views=views)
        objective = GradientMatching(
            self.target(side), config=config, rows=self.classes, width=self.backbone.feature_size, steps=10**6, seed=0,
            device=device,
        )  # fmt: skip
        augment = Augment(AugmentConfig(), side=side, seed=0, device=device)
        source = Source(self.backbone, augment=augment, objective=objective, compute=self.compute, views=views, seed=0)
        return LinearGradientMatching(
            config, steps=10**6, synthetic=pyramid, sources=[source], keep_moments=variant.pyramid.keep_moments
        )

    def accuracy(self, images: torch.Tensor) -> float:
        labels = torch.arange(self.classes)
        augment = Augment(BASIC, side=self.size, seed=0, device=self.compute.device)
        features = view_features(images, self.backbone, augment, self.compute, views=40, batch=64, seed=3407)
        heads = train_heads(features, labels, classes=self.classes, recipe=HeadRecipe(epochs=1000, batch=100, seeds=3))
        return 100 * score(heads, self.tests.features[:, 0], self.test.labels)["top1"]


def run(race: Race, variant: Variant, marks: list[float]) -> tuple[list[float], int]:
    """Accuracy at each of the marks (views seen), and the steps done."""
    pyramid = PyramidSet(variant.synthetic, variant.pyramid, grow_every=10**9, classes=race.classes, images_per_class=1)
    small, whole = race.size // 2, race.size
    ways = {
        side: race.distiller(variant, pyramid, variant.lgm.views, side)
        for side in ((small, whole) if variant.small_share else (whole,))
    }
    late = race.distiller(variant, pyramid, variant.last_views or variant.lgm.views, whole)
    ways[whole].step(0), late.step(0)  # warm up; both change the images as good as not at all
    spent, step, found, levels = 0.0, 0, [], 8
    average: dict[str, torch.Tensor] = {}
    distiller = ways[whole]
    while len(found) < len(marks):
        share = spent / marks[-1]
        following = ways[small] if share < variant.small_share else late if share > 0.5 else ways[whole]
        if following is not distiller:
            following.restore(distiller.state())
            distiller = following
        pyramid.grow_every = 1 if share > 0.2 * len(pyramid.sides) / levels else 10**9
        if variant.cosine:
            half = 0.5 * (1 + torch.cos(torch.tensor(torch.pi * min(share, 1.0))).item())
            distiller.config = replace(distiller.config, learning_rate=variant.lgm.learning_rate * max(half, 1e-3))
        step += 1
        distiller.step(step)
        spent += distiller.config.views * race.classes * (distiller.sources[0].augment.side / whole) ** 2
        if variant.average:
            for name, level in pyramid.state().items():
                average[name] = torch.lerp(level, average.get(name, level), variant.average)
        if spent >= marks[len(found)]:
            saved = {name: tensor.clone() for name, tensor in distiller.state().items()}
            if average:
                pyramid.restore(average)
            found.append(race.accuracy(pyramid.images().detach()))
            distiller.restore(saved)
    return found, step


def main() -> None:
    if len(sys.argv) < 3:
        sys.exit(__doc__)
    marks = [float(word) for word in sys.argv[2:] if word.replace(".", "").isdigit()]
    names = [word for word in sys.argv[2:] if word in VARIANTS] or list(VARIANTS)
    race = Race(sys.argv[1])
    rows = []
    for name in names:
        found, steps = run(race, VARIANTS[name], marks)
        rows.append(f"| {name} | {' | '.join(f'{value:.1f}' for value in found)} | {steps} |")
        print(rows[-1], flush=True)
    print(
        f"\n| {sys.argv[1]} | {' | '.join(f'{mark:g} s' for mark in marks)} | steps |\n|---|{'---|' * (len(marks) + 1)}"
    )
    print("\n".join(rows))


if __name__ == "__main__":
    main()
