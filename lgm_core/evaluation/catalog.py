"""The ways to judge a set of images: one row each. Needs no torch.

>>> PROTOCOLS[usual_protocol("mobilenet_v2")].judge
'lgm_core.evaluation.heads:judge'
"""

from dataclasses import dataclass
from typing import Literal

from lgm_core.backbones.students.student_names import is_student


@dataclass(frozen=True, kw_only=True)
class Protocol:
    """One way to judge a set of images.

    networks  what it trains: a head on a "frozen" backbone, or a "student" from scratch
    trained   what is trained, in a word and in a phrase
    judge     "module:function": (bench, config, set, key) -> what was measured
    settings  what an accuracy depends on: accuracies are comparable where these are equal
    further   settings that make another evaluation, but not another measure: how many are trained
    memory_remedy  what to do when the device runs out of memory meanwhile
    full      settings that count only where heads are trained on all real images
    """

    networks: Literal["frozen", "student"]
    trained: tuple[str, str]
    judge: str
    settings: tuple[str, ...]
    further: tuple[str, ...]
    memory_remedy: str
    full: tuple[str, ...] = ()


PROTOCOLS: dict[str, Protocol] = {
    "paper": Protocol(
        networks="frozen",
        trained=("heads", "linear heads on frozen backbones"),
        judge="lgm_core.evaluation.heads:judge",
        settings=(
            "data.test_per_class", "probe.epochs", "probe.batch", "probe.learning_rate", "probe.views", "probe.select",
            "data.resize", "normalisation",
        ),
        further=("probe.seeds",),
        memory_remedy="Lower bank.batch (images per forward pass), or probe.views (kept views of each image).",
        full=("probe.full_epochs", "probe.full_batch", "probe.full_views"),
    ),
    "scratch": Protocol(
        networks="student",
        trained=("networks", "networks from scratch"),
        judge="lgm_core.evaluation.from_scratch:judge",
        settings=(
            "data.test_per_class", "scratch.learning_rate", "scratch.steps", "scratch.warmup", "scratch.tail",
            "scratch.batch", "scratch.resolution", "scratch.depth", "scratch.transform", "scratch.flip",
            "scratch.width",
        ),
        further=("scratch.seeds",),
        memory_remedy="Lower scratch.batch (images per step) or scratch.width, or judge by a smaller network.",
    ),
}  # fmt: skip


def usual_protocol(network: str) -> str:
    """The protocol by which a network judges unless a run names another."""
    return "scratch" if is_student(network) else "paper"
