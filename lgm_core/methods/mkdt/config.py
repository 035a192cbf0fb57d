"""The settings of MKDT, and a check that they fit together.

>>> MKDTConfig(start_epochs=5).epochs
6
"""

from dataclasses import dataclass
from typing import Literal

from lgm_core.backbones.students.student_names import ARCHITECTURES, is_student, student_name
from lgm_core.base.errors import ConfigError
from lgm_core.base.knobs import knob
from lgm_core.base.method_settings import MethodSettings
from lgm_core.base.pretrain_settings import PretrainConfig
from lgm_core.base.settings import ScratchConfig, SharedConfig


@dataclass(frozen=True, kw_only=True)
class MKDTConfig:
    """Matching knowledge distillation trajectories, arXiv 2410.02116. The network is the run's backbone."""

    experts: int = knob(100, "networks whose training is to be matched", low=1, high=10_000)
    expert_rate: float = knob(0.1, "SGD's learning rate of the experts", low=1e-6, high=10)
    expert_momentum: float = knob(0.9, "of the experts", low=0, high=0.999)
    expert_decay: float = knob(1e-4, "weight decay of the experts", low=0, high=1)
    expert_batch: int = knob(256, "images per step of an expert", low=1, high=100_000)
    side_by_side: int = knob(1, "experts trained at once, as one batched computation", low=1, high=100)
    half: bool = knob(False, "keep the experts' snapshots as float16: half the disk")
    store_gigabytes: float = knob(20.0, "disk for the experts of all settings together", low=0.001, unit="GB")
    start_epochs: int = knob(2, "an expert is taken up after 0 epochs, or up to this many less one", low=1, high=1000)
    expert_epochs: int = knob(2, "epochs of an expert that a student's steps are to match", low=1, high=1000)
    one_expert: bool = knob(False, "match one expert all along, which is what the published program does by mistake")
    initial: Literal["high-loss", "random", "indices"] = knob(
        "high-loss", "the real images to begin with: hardest early in training, random, or those of baseline.indices"
    )
    student_steps: int = knob(40, "steps of plain descent that are differentiated through", low=1, high=10_000)
    batch: int = knob(256, "synthetic images in each of them", low=1, high=100_000)
    segment: int = knob(
        0, "of these steps held in memory at once; 0: all, which is a quarter quicker; the gradient is the same", low=0,
        at_once="any time",
    )  # fmt: skip
    image_rate: float = knob(1000.0, "SGD's learning rate of the images", low=0, high=1e9)
    target_rate: float = knob(1.0, "SGD's learning rate of the targets", low=0, high=1e9)
    rate: float = knob(0.1, "the student's first step size, which is learned", low=1e-6, high=100)
    rate_rate: float = knob(1e-4, "SGD's learning rate of the step size", low=0, high=10)
    momentum: float = knob(0.5, "of SGD, for all three", low=0, high=0.999)

    @property
    def epochs(self) -> int:
        """Epochs that an expert is trained for: as many as are matched. One is needed to find the hardest images."""
        return self.start_epochs - 1 + self.expert_epochs


@dataclass(frozen=True, kw_only=True)
class MKDTSettings(MethodSettings):
    """The groups of a run's config that MKDT reads: of `scratch` side, width, depth; of `pretrain` the targets."""

    mkdt: MKDTConfig
    scratch: ScratchConfig
    pretrain: PretrainConfig

    @property
    def side(self) -> int:
        return self.scratch.resolution

    @property
    def balanced(self) -> bool:
        return self.mkdt.initial == "random"

    def labels_used(self, *, chosen: bool = False) -> str:
        if is_student(self.pretrain.teacher):
            return "all training labels (its teacher's)"
        balances = self.balanced and not chosen
        return "labels only to begin with as many images of each class" if balances else "no labels"

    def check(self, shared: SharedConfig) -> None:
        """Raise `ConfigError` for values that are valid one by one, but not together."""
        (network,) = shared.networks()
        if not is_student(network):
            raise ConfigError(
                f"mkdt trains small networks of its own: the backbone is one of {', '.join(ARCHITECTURES)} (with "
                f":instance or so), {network!r} was given; the teacher is pretrain.teacher, as in `lgm distill cifar10 "
                f"conv:instance --preset mkdt_preview --pretrain.teacher {network}`"
            )
        told = student_name(network)
        if told.norm == "batch" or told.augmented:
            raise ConfigError(
                f"{network!r}: mkdt matches parameters, and neither the statistics of batch norm nor augmentation are "
                f"among them; take {told.architecture}:instance"
            )
        if self.mkdt.initial == "indices" and not shared.baseline.indices:
            raise ConfigError("mkdt.initial = indices needs baseline.indices, a file with numbers of training images")
