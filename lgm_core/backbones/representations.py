"""A network's representations as targets that a small network regresses to: vectors, never class probabilities.

MKDT specification, section 1. Those of a frozen backbone come from the banks of features, so that each image is seen
once per backbone; a small network is trained here first (students/small_teacher.py).
Legend: N images, D features.

>>> teacher = open_teacher(bench, config)
>>> teacher.of_rows(torch.arange(4)).shape, teacher.of_images(images).shape
(torch.Size([4, 384]), torch.Size([10, 384]))
"""

from collections.abc import Callable
from typing import final

import torch
from jaxtyping import Float, Int
from torch import Tensor

from lgm_core.backbones.abstract_bench import Bench
from lgm_core.backbones.students.networks import build_student
from lgm_core.backbones.students.real_data import open_standardised
from lgm_core.backbones.students.small_teacher import small_teacher, teacher_shape
from lgm_core.backbones.students.student_names import is_student
from lgm_core.base.interfaces import generator
from lgm_core.base.ranks import first
from lgm_core.base.settings import SharedConfig
from lgm_core.datasets.catalog import find_row
from lgm_core.datasets.whitened import whitened_pictures

_ROWS, _BATCH = 8192, 500


def open_teacher(bench: Bench, config: SharedConfig) -> "Teacher":
    """The representations of a run's training images in the network `pretrain.teacher`; computed once per run."""
    name, scale = config.pretrain.teacher, config.pretrain.scale
    make = _of_student if is_student(name) else _of_backbone
    return bench.once(f"teacher {name} {scale}", lambda: make(bench, config))


def target_size(bench: Bench, config: SharedConfig) -> int:
    """Entries of a target, known before a teacher is trained or has seen an image."""
    if not is_student(config.pretrain.teacher):
        return bench.backbone(config.pretrain.teacher).feature_size
    shape = teacher_shape(config, 1 if find_row(config.dataset).grey else 3, bench.classes)
    return build_student(shape, random=generator("cpu", 0)).head.in_features


def _of_backbone(bench: Bench, config: SharedConfig) -> "Teacher":
    backbone = bench.backbone(config.pretrain.teacher)
    return Teacher(
        bench.clean_bank(bench.train, backbone).features,
        lambda images: bench.seen_clean(images, backbone),
        names=(backbone.name, backbone.weights_hash), scale=config.pretrain.scale, device=bench.compute.device,
    )  # fmt: skip


def _of_student(bench: Bench, config: SharedConfig) -> "Teacher":
    real = open_standardised(bench, config.scratch, config.dataset)
    with first():
        network, key = small_teacher(bench, config, real)
    found = []
    for rows in torch.arange(len(real.train)).split(_BATCH):
        bench.phase(f"the teacher {config.pretrain.teacher} on its images", int(rows[0]), len(real.train))
        with torch.no_grad():
            found.append(network.features(real.train.values(rows)).cpu())
    return Teacher(
        torch.cat(found)[:, None],
        lambda images: network.features(whitened_pictures(images, real)),
        names=(config.pretrain.teacher, key), scale=config.pretrain.scale, device=bench.compute.device,
    )  # fmt: skip


@final
class Teacher:
    """Targets of real images by their rows, and of any other images.

    `scale` "raw": as the network gives them, as in the reference; "unit": less their mean over the training images,
    and divided by one number, so that the mean squared entry is 1: then a learning rate suits every network.
    """

    def __init__(
        self, features: Float[Tensor, "n 1 d"], see: Callable[[Tensor], Tensor], *, names: tuple[str, str], scale: str,
        device: torch.device,
    ) -> None:  # fmt: skip
        """`see`: features of images in [0, 1]; `names`: the network's, and one that its weights have alone."""
        self._features, self._see, self._names, self._device = features, see, names, device
        self.size = features.shape[-1]
        self.centre, self.length = torch.zeros(self.size), 1.0
        if scale == "unit":
            self.centre, self.length = _centre_and_length(features)

    @property
    def facts(self) -> list[str | float]:
        """What the targets' bits depend on, besides the images."""
        return [*self._names, self.length, float(self.centre.sum())]

    def __len__(self) -> int:
        return len(self._features)

    def of_rows(self, rows: Int[Tensor, "n"]) -> Float[Tensor, "n d"]:
        """Targets of training images, float32, on the device."""
        return self._scaled(self._features[rows.cpu(), 0])

    @torch.no_grad()
    def of_images(self, images: Float[Tensor, "n 3 r r"]) -> Float[Tensor, "n d"]:
        """Targets of images in [0, 1], which are seen as the real ones are."""
        return self._scaled(self._see(images))

    def _scaled(self, features: Tensor) -> Tensor:
        features = features.to(self._device).float()
        return (features - self.centre.to(features)) / self.length


def _centre_and_length(features: Float[Tensor, "n 1 d"]) -> tuple[Float[Tensor, "d"], float]:
    """Mean feature, and the root of the mean squared entry around it; summed in float64."""
    parts = [part[:, 0].double() for part in features.split(_ROWS)]
    centre = torch.stack([part.sum(dim=0) for part in parts]).sum(dim=0) / len(features)
    squared = sum(float((part - centre).square().sum()) for part in parts)
    return centre.float(), max((squared / (len(features) * len(centre))) ** 0.5, 1e-12)
