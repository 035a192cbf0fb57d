"""The live accuracy: a short evaluation of the set as it is now, during a distillation. For watching only.

>>> live = LiveProbe(bench, config)
>>> live.probe(distiller.export())
{'live_top1': 0.71}
"""

from torch import Tensor

from lgm_core.backbones.abstract_bench import VIEW_AUGMENT, Bench
from lgm_core.backbones.features import view_features
from lgm_core.backbones.students.real_data import open_real, shape_of
from lgm_core.backbones.students.student_names import is_student
from lgm_core.backbones.students.training import ScratchRecipe, predicted, train_networks, with_flips
from lgm_core.base.interfaces import LearnedSet
from lgm_core.base.settings import LIVE_RATE, SharedConfig
from lgm_core.datasets.spread import spread_over_classes
from lgm_core.evaluation.from_scratch import values_of
from lgm_core.evaluation.probe import HeadRecipe, score, train_heads


class LiveProbe:
    """A short probe in the run's own network, on a fixed part of the test images."""

    def __init__(self, bench: Bench, config: SharedConfig) -> None:
        live, steps = config.live, config.steps
        self._bench, self._config, self._name = bench, config, config.networks()[0]
        self._steps = {round(k * (steps - 1) / live.times) for k in range(1, live.times + 1)} if live.times else set()
        if not self._steps or is_student(self._name):
            return
        self._backbone = bench.backbone(self._name)
        bank = bench.clean_bank(bench.test, self._backbone)
        rows = spread_over_classes(bank.labels, live.test_images)
        self._features = bank.features[rows, 0].to(bench.compute.device)
        self._labels = bank.labels[rows].to(bench.compute.device)
        self._augment = bench.augment(VIEW_AUGMENT, self._backbone)

    def due(self, step: int) -> bool:
        return step in self._steps

    def probe(self, learned: LearnedSet) -> dict[str, float]:
        """`live_top1` in [0, 1]: of one head, or one network from scratch, trained for a few hundred steps."""
        top1 = self._of_student(learned) if is_student(self._name) else self._of_head(learned.images, learned.labels)
        return {"live_top1": top1}

    def _of_head(self, images: Tensor, labels: Tensor) -> float:
        bench, steps = self._bench, self._config.live.steps
        features = view_features(
            images, self._backbone, self._augment, bench.compute, views=10, batch=bench.batch, seed=0
        )
        recipe = HeadRecipe(epochs=steps, batch=len(images), learning_rate=256e-3 / len(images), seeds=1)
        heads = train_heads(features, labels, classes=bench.classes, recipe=recipe)
        return score(heads, self._features, self._labels)["top1"]

    def _of_student(self, learned: LearnedSet) -> float:
        config, scratch, device = self._config, self._config.scratch, self._bench.compute.device
        real = open_real(self._bench, scratch, config.dataset)
        values, targets = (part.to(device) for part in values_of(learned, real))
        if scratch.flip:
            values, targets = with_flips(values, targets)
        recipe = ScratchRecipe(steps=config.live.steps, learning_rate=LIVE_RATE * scratch.learning_rate, seeds=1)
        shape = shape_of(self._name, scratch, real)
        networks = train_networks(lambda rows: values[rows.to(device)], targets, shape, recipe=recipe)
        some = spread_over_classes(real.test.labels, config.live.test_images)
        best, true = predicted(networks, [(real.test.values(some), real.test.labels[some].to(device))])
        return (best[0, :, 0] == true).double().mean().item()
