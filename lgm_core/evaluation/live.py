"""The live accuracy: what the set is worth as it is now, during a distillation. For watching only.

Frozen backbones judge by the nearest class mean: first those that the run learns in, then those that will judge the
result, as long as all this takes less than LIVE_SHARE of the time. A network from scratch is trained for a short while.

>>> live = LiveJudges(bench, config)
>>> live.judge(distiller.export(), step=30)
{'live:mobilenet_v2': 0.71, 'live:tf_efficientnet_lite0': 0.78}
"""

import time
from dataclasses import dataclass
from typing import Any

from lgm_core.backbones.abstract_bench import VIEW_AUGMENT, Bench
from lgm_core.backbones.augment import Augment
from lgm_core.backbones.features import view_features
from lgm_core.backbones.students.real_data import open_real, shape_of
from lgm_core.backbones.students.student_names import is_student
from lgm_core.backbones.students.training import ScratchRecipe, predicted, train_networks, with_flips
from lgm_core.base.errors import Unmeasured
from lgm_core.base.interfaces import LearnedSet, TargetSet
from lgm_core.base.settings import LIVE_RATE, LIVE_SHARE, LIVE_VIEWS, SharedConfig
from lgm_core.datasets.image_set import Subset
from lgm_core.datasets.spread import spread_over_classes
from lgm_core.evaluation.contrast import other_meaning, sides
from lgm_core.evaluation.from_scratch import values_of
from lgm_core.evaluation.nearest_mean import ClassMeans
from lgm_core.evaluation.pretraining import live_accuracy
from lgm_core.evaluation.seen import HeldOut, Seen


@dataclass(frozen=True)
class _Judge:
    augment: Augment
    held: HeldOut


class LiveJudges:
    """Judges on a fixed part of the test images; a backbone's features of these are computed when it first judges."""

    def __init__(self, bench: Bench, config: SharedConfig) -> None:
        live, steps = config.live, config.steps
        self._bench, self._config, self._own = bench, config, config.networks()
        self._steps = {round(k * (steps - 1) / live.times) for k in range(1, live.times + 1)} if live.times else set()
        others = [name for name in config.evaluate_on if not is_student(name)]
        self._names = tuple(dict.fromkeys([*self._own, *others]))
        self._judges: dict[str, _Judge] = {}
        self._began, self._spent = time.perf_counter(), 0.0

    def due(self, step: int) -> bool:
        return step in self._steps

    def opens(self, step: int) -> bool:
        """Are features of test images to be computed at this step?"""
        return self.due(step) and any(name not in self._judges and not is_student(name) for name in self._names)

    def open(self, step: int) -> None:
        """Compute them, where they are due. Raises where the run was asked to pause or stop."""
        for name in self._names if self.opens(step) else ():
            self._open(name)

    def judge(self, learned: LearnedSet, step: int) -> dict[str, float]:
        """Accuracies in [0, 1], by "live:" and a network's name: its own always, others at last and as time allows.

        Of a contrast set also by "live_other:", read with the second backbone's classes.
        """
        is_last = step == max(self._steps)
        found: dict[str, float] = {}
        for name in self._names:
            if name not in self._own and not is_last and self._spent > LIVE_SHARE * (time.perf_counter() - self._began):
                continue
            began = time.perf_counter()
            try:
                found |= self._judged(learned, name)
            except Unmeasured as error:  # the steps go on, and may mend it
                self._bench.note(f"no accuracy of {name} on the way: {error}")
            self._spent += time.perf_counter() - began if name not in self._own else 0.0
        return found

    def _judged(self, learned: LearnedSet, name: str) -> dict[str, float]:
        if is_student(name):
            return {f"live:{name}": self._of_student(learned, name)}
        report = self._of_means(learned, name)
        meaning = other_meaning(learned, self._bench.classes)
        other = {f"live_other:{name}": sides(report["confusion"], meaning)["top1_other"]} if meaning else {}
        return {f"live:{name}": report["top1"], **other}

    def _open(self, name: str) -> None:
        if name in self._judges or is_student(name):
            return
        bench, test = self._bench, self._bench.test
        backbone, rows = bench.backbone(name), spread_over_classes(test.labels, self._config.live.test_images)
        some = test if len(rows) == len(test) else Subset(test, rows, f"{test.name}:live-{len(rows)}")
        bank, device = bench.clean_bank(some, backbone), bench.compute.device
        held = HeldOut(bank.features[:, 0].to(device), bank.labels.to(device), None, 0, bench.classes)
        self._judges[name] = _Judge(bench.augment(VIEW_AUGMENT, backbone), held)

    def _of_means(self, learned: LearnedSet, name: str) -> dict[str, Any]:
        bench, judge = self._bench, self._judges[name]
        features = view_features(
            learned.images,
            bench.backbone(name),
            judge.augment,
            bench.compute,
            views=LIVE_VIEWS,
            batch=bench.batch,
            seed=0,
        )
        means = ClassMeans(Seen(features, learned.labels), classes=bench.classes)
        return judge.held.report(means.scores)

    def _of_student(self, learned: LearnedSet, name: str) -> float:
        config, scratch, device = self._config, self._config.scratch, self._bench.compute.device
        if isinstance(learned, TargetSet):
            return live_accuracy(self._bench, config, learned, name)
        real = open_real(self._bench, scratch, config.dataset)
        values, targets = (part.to(device) for part in values_of(learned, real))
        if scratch.flip:
            values, targets = with_flips(values, targets)
        recipe = ScratchRecipe(steps=config.live.steps, learning_rate=LIVE_RATE * scratch.learning_rate, seeds=1)
        shape = shape_of(name, scratch, real)
        networks = train_networks(lambda rows: values[rows.to(device)], targets, shape, recipe=recipe)
        some = spread_over_classes(real.test.labels, config.live.test_images)
        best, true = predicted(networks, [(real.test.values(some), real.test.labels[some].to(device))])
        return (best[0, :, 0] == true).double().mean().item()
