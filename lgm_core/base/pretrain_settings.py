"""The settings of pre-training by regression to a teacher's representations, for judging any set and for MKDT.

>>> PretrainConfig(teacher="dinov2_vits14").epochs
20
"""

from dataclasses import dataclass
from typing import Literal

from lgm_core.base.knobs import knob


@dataclass(frozen=True, kw_only=True)
class PretrainConfig:
    """Networks pre-trained on a set with a teacher's representations as targets, then a linear head on few labels."""

    teacher: str = knob(
        "mobilenet_v3_small",
        "backbone whose representations are the targets; or a small network that is trained here "
        "on the classes, such as conv:batch",
    )
    teacher_steps: int = knob(1000, "training steps of such a network, of 64 images each", low=1, high=1_000_000)
    scale: Literal["unit", "raw"] = knob(
        "unit", "of the targets; unit: centred, of mean square 1, so that rates suit any teacher; raw: as they are"
    )
    epochs: int = knob(20, "epochs over the set", low=1, high=100_000)
    steps: int = knob(0, "training steps, however many epochs these are; 0: as many as the epochs have", low=0)
    batch: int = knob(256, "images per step", low=1, high=100_000)
    optimiser: Literal["sgd", "adamw"] = knob("sgd", "SGD with momentum, or AdamW; the rate is constant")
    learning_rate: float = knob(0.1, "where the set has no learned one", low=1e-7, high=100)
    learned_rate: bool = knob(True, "take the step size that a set was learned with; off: learning_rate for all sets")
    momentum: float = knob(0.9, "of SGD", low=0, high=0.999)
    weight_decay: float = knob(1e-4, "per step", low=0, high=1)
    probe: Literal["reference", "robust"] = knob(
        "reference", "linear head by L-BFGS; reference: without line search; robust: standardised features, line search"
    )
    seeds: int = knob(3, "networks, each with its own labelled images", low=1, high=100)
