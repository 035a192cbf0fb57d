"""The ways to judge a set of images: one row each. Needs no torch.

>>> PROTOCOLS[usual_protocol("mobilenet_v2")].judge
'lgm_core.evaluation.nearest_mean:judge'
"""

from dataclasses import dataclass
from typing import Literal

from lgm_core.backbones.students.student_names import is_student
from lgm_core.base.settings import SharedConfig


@dataclass(frozen=True, kw_only=True)
class Protocol:
    """One way to judge a set of images.

    networks  what it judges in: a "frozen" backbone, or a "student" that is trained from scratch
    words     what has the accuracy, in a phrase
    many      what a run trains several of, so that its accuracy has a spread; "": the protocol is exact
    judge     "module:function": (bench, config, set, key) -> what was measured
    seconds   "module:function": (key, images, data, seconds per image) -> what it takes
    settings  what an accuracy depends on: accuracies are comparable where these are equal
    further   settings that make another evaluation, but not another measure: how many are trained
    memory_remedy  what to do when the device runs out of memory meanwhile
    full      settings that count only where all real images are judged
    transfers tests on `evaluate_data` with some of their labels; needs no class numbers of the set, and no images
    """

    networks: Literal["frozen", "student"]
    words: str
    many: str
    judge: str
    seconds: str
    settings: tuple[str, ...]
    further: tuple[str, ...]
    memory_remedy: str
    full: tuple[str, ...] = ()
    transfers: bool = False

    def suits(self, network: str) -> bool:
        """Can it judge in a network of this name?"""
        return is_student(network) == (self.networks == "student")


_SEEN = ("data.test_per_class", "data.resize", "normalisation")
_LOWER_VIEWS = "Lower bank.batch (images per forward pass), or probe.views (kept views of each image)."

PROTOCOLS: dict[str, Protocol] = {
    "nearest-mean": Protocol(
        networks="frozen",
        words="the nearest class mean in frozen backbones",
        many="",
        judge="lgm_core.evaluation.nearest_mean:judge",
        seconds="lgm_core.evaluation.work:seconds_of_means",
        settings=("probe.views", *_SEEN),
        further=(),
        memory_remedy=_LOWER_VIEWS,
        full=("probe.full_views",),
    ),
    "paper": Protocol(
        networks="frozen",
        words="linear heads on frozen backbones, trained as in the paper",
        many="heads",
        judge="lgm_core.evaluation.heads:judge",
        seconds="lgm_core.evaluation.work:seconds_of_heads",
        settings=(
            "data.test_per_class", "probe.epochs", "probe.batch", "probe.learning_rate", "probe.views", "probe.select",
            "data.resize", "normalisation",
        ),
        further=("probe.seeds",),
        memory_remedy=_LOWER_VIEWS,
        full=("probe.full_epochs", "probe.full_batch", "probe.full_views"),
    ),
    "converged": Protocol(
        networks="frozen",
        words="regularised linear heads on frozen backbones, at their optimum",
        many="",
        judge="lgm_core.evaluation.converged:judge",
        seconds="lgm_core.evaluation.work:seconds_of_optimum",
        settings=("probe.views", *_SEEN),
        further=(),
        memory_remedy=_LOWER_VIEWS,
        full=("probe.full_views",),
    ),
    "1-nn": Protocol(
        networks="frozen",
        words="the nearest judged image in frozen backbones",
        many="",
        judge="lgm_core.evaluation.nearest_image:judge",
        seconds="lgm_core.evaluation.work:seconds_of_nearest",
        settings=_SEEN,
        further=(),
        memory_remedy="Lower bank.batch (images per forward pass).",
    ),
    "scratch": Protocol(
        networks="student",
        words="networks trained from scratch",
        many="networks",
        judge="lgm_core.evaluation.from_scratch:judge",
        seconds="lgm_core.evaluation.work:seconds_of_networks",
        settings=(
            "data.test_per_class", "scratch.learning_rate", "scratch.steps", "scratch.warmup", "scratch.tail",
            "scratch.batch", "scratch.resolution", "scratch.depth", "scratch.transform", "scratch.flip",
            "scratch.width",
        ),
        further=("scratch.seeds",),
        memory_remedy="Lower scratch.batch (images per step) or scratch.width, or judge by a smaller network.",
    ),
    "pretrain": Protocol(
        networks="student",
        words="linear heads, trained on few labels, on networks pre-trained on the set",
        many="networks",
        judge="lgm_core.evaluation.pretraining:judge",
        seconds="lgm_core.evaluation.work:seconds_of_pretraining",
        settings=(
            "data.train_per_class", "data.test_per_class", "data.resize", "pretrain.teacher",
            "pretrain.teacher_steps", "pretrain.scale",
            "pretrain.epochs", "pretrain.steps", "pretrain.batch", "pretrain.optimiser", "pretrain.learning_rate",
            "pretrain.learned_rate", "pretrain.momentum", "pretrain.weight_decay", "pretrain.probe",
            "scratch.resolution", "scratch.depth", "scratch.width",
        ),
        further=("pretrain.seeds",),
        memory_remedy="Lower pretrain.batch (images per step) or scratch.width, or judge by a smaller network.",
        transfers=True,
    ),
}  # fmt: skip
HEADLINE = SharedConfig().protocol  # what judges unless a run says otherwise


def usual_protocol(network: str) -> str:
    """The protocol by which a network judges unless a run names another."""
    return next(name for name in HEADLINE if PROTOCOLS[name].suits(network))


def first_protocol(network: str) -> str:
    """The protocol of runs and reports that name none: those of versions that had one for each kind of network."""
    return "scratch" if is_student(network) else "paper"
