"""What a frozen backbone sees of a judged set and of the test images, for all protocols on frozen backbones.

Legend: N images, V views, D features, T test images, C classes, H classifiers.

>>> means = ClassMeans(views_of(bench, config, judged, "mobilenet_v2"), classes=10)
>>> held_out(bench, "mobilenet_v2").report(means.scores)["top1"]
0.861
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from jaxtyping import Float, Int
from torch import Tensor

from lgm_core.backbones.abstract_bench import VIEW_AUGMENT, Bench
from lgm_core.backbones.features import view_features
from lgm_core.base.errors import UserError
from lgm_core.base.settings import SharedConfig
from lgm_core.evaluation.judge import Judged
from lgm_core.evaluation.probe import score_best

_RESIDENT_BYTES = 4 * 2**30  # a bank below this goes onto the device whole
_VIEW_SEED = 3407
NO_NUMBERS = (
    "the judge's scores are not finite: the images, or their features, are damaged or beyond the range of the "
    "precision; try --device.precision float32"
)
ROWS = 4096  # of a bank that are looked at together


@dataclass(frozen=True)
class Seen:
    """Features of a judged set, on the device or memory-mapped float16; labels on the device."""

    features: Float[Tensor, "n v d"]
    labels: Int[Tensor, "n"]

    def parts(self) -> list[tuple[Float[Tensor, "b v d"], Int[Tensor, "b"]]]:
        """The set in parts of some thousand images, float32 and on the device when they are used."""
        return [(rows, own) for rows, own in zip(self.features.split(ROWS), self.labels.split(ROWS), strict=True)]

    def mean(self) -> Float[Tensor, "d"]:
        """The mean over all images and views."""
        total = sum(part.to(self.labels.device).double().sum(dim=(0, 1)) for part, _ in self.parts())
        assert isinstance(total, Tensor)
        return (total / (len(self.labels) * self.features.shape[1])).float()


@dataclass(frozen=True)
class HeldOut:
    """Clean features of the test images, float16 or float32, on the device; `groups`: None where there are none."""

    features: Float[Tensor, "t d"]
    labels: Int[Tensor, "t"]
    groups: Int[Tensor, "t"] | None
    group_count: int
    classes: int

    def report(self, scores: Callable[[Float[Tensor, "b d"]], Tensor]) -> dict[str, Any]:
        """`probe.score_best` of the one classifier that gives float32 features [B, D] scores [B, C], highest first."""
        best = []
        for part in self.features.split(ROWS):
            found = scores(part.float())
            if found.isnan().any():
                raise UserError(NO_NUMBERS)
            best.append(found.topk(min(5, self.classes), dim=-1).indices)
        return score_best(
            torch.cat(best)[None], self.labels, classes=self.classes, groups=self.groups, group_count=self.group_count
        )


def views_of(bench: Bench, config: SharedConfig, judged: Judged, network: str) -> Seen:
    """Augmented views of the judged images, `probe.views` of each; or of all training images, `probe.full_views`."""
    return _once(judged, (network, "views"), lambda: _views_of(bench, config, judged, network))


def clean_of(bench: Bench, judged: Judged, network: str) -> Seen:
    """The judged images, or all training images, once each: whole, resized, the centre."""
    return _once(judged, (network, "clean"), lambda: _clean_of(bench, judged, network))


def held_out(bench: Bench, network: str) -> HeldOut:
    """The test images."""
    device, images = bench.compute.device, bench.test
    bank = bench.clean_bank(images, bench.backbone(network))
    groups = None if images.groups is None else images.groups.to(device)
    return HeldOut(
        bank.features[:, 0].to(device), bank.labels.to(device), groups, len(images.group_names), bench.classes
    )


def counts(seen: Seen, test: HeldOut) -> dict[str, int]:
    """How many images a report is about."""
    return {"train_images": len(seen.labels), "test_images": len(test.labels)}


def _once(judged: Judged, wanted: tuple[str, str], make: Callable[[], Seen]) -> Seen:
    """Kept for the further protocols of a network, and let go with the next network."""
    if any(network != wanted[0] for network, _ in judged.seen):
        judged.seen.clear()
    if wanted not in judged.seen:
        judged.seen[wanted] = make()
    return judged.seen[wanted]


def _views_of(bench: Bench, config: SharedConfig, judged: Judged, network: str) -> Seen:
    backbone, device = bench.backbone(network), bench.compute.device
    if judged.images is None:
        bank = bench.view_bank(bench.train, backbone, VIEW_AUGMENT, config.probe.full_views)
        resident = bank.features.nbytes < _RESIDENT_BYTES
        return Seen(bank.features.to(device) if resident else bank.features, bank.labels.to(device))
    bench.phase(f"judging in {backbone.name}: views")
    features = view_features(
        judged.images.images.to(device), backbone, bench.augment(VIEW_AUGMENT, backbone), bench.compute,
        views=config.probe.views, batch=bench.batch, seed=_VIEW_SEED,
    )  # fmt: skip
    return Seen(features, judged.images.labels.to(device))


def _clean_of(bench: Bench, judged: Judged, network: str) -> Seen:
    backbone, device = bench.backbone(network), bench.compute.device
    if judged.images is None:
        bank = bench.clean_bank(bench.train, backbone)
        return Seen(bank.features, bank.labels.to(device))
    return Seen(bench.seen_clean(judged.images.images, backbone)[:, None], judged.images.labels.to(device))
