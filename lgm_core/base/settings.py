"""The settings that all methods share: groups of data, device, views, banks, judging and recording, and the run itself.

>>> ProbeConfig(seeds=3).views
100
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal

from lgm_core.base.align_settings import AlignConfig
from lgm_core.base.knobs import knob
from lgm_core.base.look_settings import LookConfig
from lgm_core.base.pretrain_settings import PretrainConfig
from lgm_core.base.real_settings import BankConfig, BaselineConfig, DataConfig

Kind = Literal["distill", "baseline", "evaluate", "embed", "align", "layers", "backbone", "patches", "style"]
TILED_FROM = 128  # px: from here on images are whitened in four tiles; the covariance of whole ones is too large
LIVE_RATE = 10  # times scratch.learning_rate: the live accuracy of a network from scratch trains for few steps only
LIVE_VIEWS = 10  # of each image, for the live accuracy in frozen backbones
LIVE_SHARE = 0.05  # of a run's time, at most, for live judges beside the run's own network


@dataclass(frozen=True, kw_only=True)
class DeviceConfig:
    """Where and how precisely a run computes."""

    device: str = knob(
        "auto", "auto, cpu, cuda or cuda:N: one device; all: one run on all GPUs of this machine, each a process"
    )
    precision: Literal["auto", "float32", "bfloat16"] = knob(
        "auto", "autocast of the backbone; auto: whichever is faster here, measured once"
    )
    compile: bool = knob(
        False, "torch.compile the network of the steps, with CUDA graphs on a GPU: slow to start, then faster"
    )
    threads: int = knob(
        0, "CPU threads; 0: as many as there are idle cores at the start, kept for the whole run", low=0, high=1024
    )


@dataclass(frozen=True, kw_only=True)
class AugmentConfig:
    """Differentiable views: flip, crop, noise."""

    flip: bool = knob(True, "mirror half of the views")
    crop: bool = knob(True, "random resized crops; off: the whole image, resized")
    area_low: float = knob(0.08, "smallest crop, as a share of the image's area", low=0.01, high=1)
    crop_inside: bool = knob(True, "keep crops inside the image; off: the reference's crops, which spill into black")
    noise_std: float = knob(0.2, "standard deviation of the noise", low=0, high=1, unit="of the range [0, 1]")
    noise_mean: float = knob(0.0, "mean of the noise; the reference's first release had 0.5", low=-1, high=1)
    noise_probability: float = knob(0.5, "share of views with noise", low=0, high=1)
    colour_jitter: float = knob(
        0.0, "brightness, contrast and saturation of each view times 1 - this to 1 + this; 0: off", low=0, high=0.95
    )


@dataclass(frozen=True, kw_only=True)
class ProbeConfig:
    """The linear head that measures what a set of images is worth."""

    epochs: int = knob(1000, "epochs on distilled or chosen images", low=1)
    full_epochs: int = knob(100, "epochs on the full data", low=1)
    batch: int = knob(100, "images per step on distilled or chosen images", low=1)
    full_batch: int = knob(128, "images per step on the full data", low=1)
    learning_rate: float = knob(1e-3, "Adam's learning rate at batch 256; scaled by batch / 256", low=1e-7, high=10)
    views: int = knob(100, "cached augmented views per chosen image, from which the epochs draw", low=1, high=1000)
    full_views: int = knob(4, "cached augmented views per image of the full data", low=1, high=1000)
    seeds: int = knob(5, "heads trained, each with its own start and order", low=1, high=100)
    select: Literal["last", "best"] = knob("last", "best: the best test accuracy during training; biased")


@dataclass(frozen=True, kw_only=True)
class ScratchConfig:
    """Networks trained from scratch on a set, tested on real images: conv, resnet, vgg, alexnet."""

    resolution: int = knob(
        32, "side of the images; real ones are cropped and averaged down to it", low=8, high=256, unit="px"
    )
    width: int = knob(
        128, "channels of a ConvNet's first block, where its name has no width; they double per block", low=1, high=1024
    )
    depth: int = knob(
        0, "blocks of a ConvNet, where its name has no depth; 0: 2 at 8 px, 3 at 32, 4 at 64, 5 at 128", low=0, high=7
    )
    transform: Literal["auto", "identity", "standardise", "zca", "block_zca"] = knob(
        "auto", "preprocessing of real images; auto: standardise grey ones, whiten colour, in four tiles from 128 px"
    )
    flip: bool = knob(True, "also train on the mirrored images")
    learning_rate: float = knob(1e-4, "Adam's peak learning rate", low=1e-8, high=1)
    steps: int = knob(0, "training steps; 0: 1000 for 10 images, otherwise 2000", low=0, high=1_000_000)
    warmup: int = knob(500, "steps over which the rate rises from 0; at most half of all", low=0)
    tail: float = knob(
        0.0, "extra steps at the last rate without augmentation, as a share; reference: 1.5", low=0, high=10
    )
    batch: int = knob(256, "images per step, at most", low=1, high=100_000)
    seeds: int = knob(5, "networks trained", low=1, high=100)

    def steps_for(self, images: int) -> int:
        """Training steps on a set of so many images; mirror images do not count."""
        return self.steps or (1000 if images == 10 else 2000)

    def tail_for(self, images: int, *, augmented: bool) -> int:
        """Further steps at the last rate without augmentation; none where all steps are augmented."""
        return 0 if augmented else round(self.tail * self.steps_for(images))

    def kind_of_transform(self, grey: bool) -> str:
        """`transform`, with "auto" decided: grey images standardised, colour whitened, large ones in tiles."""
        if self.transform != "auto":
            return self.transform
        return "standardise" if grey else "block_zca" if self.resolution >= TILED_FROM else "zca"


@dataclass(frozen=True, kw_only=True)
class LiveConfig:
    """How the set is judged during a distillation, for monitoring only: nothing is selected by it."""

    times: int = knob(25, "how often the set is judged during the run; 0: never", low=0, high=10000)
    test_images: int = knob(500, "test images used, spread over the classes", low=1)
    steps: int = knob(200, "training steps of a network from scratch", low=1)


@dataclass(frozen=True, kw_only=True)
class RecordConfig:
    """What is written during a run."""

    frames: int = knob(120, "frames of the synthetic set per run, dense early, sparse late", low=2, high=2000)
    checkpoint_seconds: float = knob(20.0, "time between checkpoints", low=0, unit="s")
    log_lines: int = knob(1000, "lines of metrics per run, at most", low=1)
    map_images: int = knob(
        2000, "real images on the map drawn beside a distillation, at most 4 per step; 0: no map, no trail", low=0
    )
    thumbnails: bool = knob(True, "thumbnails of the real images, for the maps; made once per data set")


@dataclass(frozen=True, kw_only=True)
class EmbedConfig:
    """A map of the real images of one split in one backbone, with the images of other runs placed on it."""

    split: Literal["train", "test"] = knob("test", "which real images")
    images: int = knob(5000, "real images on the map, at most, spread over the classes", low=10, high=10_000_000)
    umap_neighbours: int = knob(15, "UMAP's neighbours: more show the whole, fewer the detail", low=2, high=200)
    umap_min_dist: float = knob(0.1, "UMAP's minimum distance between points", low=0, high=0.99)
    k: int = knob(12, "nearest real images listed per synthetic image", low=1, high=1000)


@dataclass(frozen=True, kw_only=True)
class SharedConfig:
    """A run but for what belongs to its method: what it does, on what, and how it is judged and recorded."""

    kind: Kind = knob("distill", "what the run does")
    dataset: str = knob("scenes", "data set: a name of `lgm list datasets`, folder:PATH, or groups:NAME")
    backbone: str = knob("tf_efficientnet_lite0", "backbone: a name of `lgm list backbones`, timm:NAME, ...")
    method: str = knob("lgm", "distiller")
    preset: str = knob("standard", "the preset that the other values start from")
    steps: int = knob(1000, "optimisation steps", low=1, high=10_000_000)
    images_per_class: int = knob(1, "synthetic or chosen images per class", low=1, high=1000)
    seed: int = knob(0, "seed of all randomness", low=0, high=2**31 - 1)
    normalisation: Literal["native", "imagenet"] = knob("native", "the backbone's own mean and std, or ImageNet's")
    evaluate_on: tuple[str, ...] = knob((), "backbones to evaluate the result on; for align: to compare")
    protocol: tuple[str, ...] = knob(
        ("nearest-mean", "scratch"),
        "how it is judged: nearest-mean, paper, converged or 1-nn on frozen backbones, scratch on other networks",
        before=("paper", "scratch"),
    )
    evaluate_data: tuple[str, ...] = knob(
        (), "data sets that pre-trained networks are tested on (protocol pretrain); none: the run's own"
    )
    label_fraction: tuple[float, ...] = knob(
        (1.0,), "shares of the labels that a probe on a pre-trained network is given", low=1e-6, high=1
    )
    labels_per_class: tuple[int, ...] = knob(
        (), "numbers of labelled images of each class that such a probe is given, besides the shares", low=1
    )
    source: str = knob("", "the run that this one uses (evaluate, neighbours) or was forked from", names="a run")
    fork_step: int = knob(0, "the step of the source from which this run starts", low=0)
    sources: tuple[str, ...] = knob((), "runs whose images are placed on the map (embed)", names="a run")
    study: str = knob("", "name of the study that this run belongs to", names="a study")
    variant: str = knob("", "what sets this run apart from the others of its study, as a table says it")
    name: str = knob("", "name of the run; default: date, method, data set, backbone", names="a run")

    data: DataConfig = field(default_factory=DataConfig)
    device: DeviceConfig = field(default_factory=DeviceConfig)
    bank: BankConfig = field(default_factory=BankConfig)
    baseline: BaselineConfig = field(default_factory=BaselineConfig)
    probe: ProbeConfig = field(default_factory=ProbeConfig)
    scratch: ScratchConfig = field(default_factory=ScratchConfig)
    pretrain: PretrainConfig = field(default_factory=PretrainConfig)
    live: LiveConfig = field(default_factory=LiveConfig)
    record: RecordConfig = field(default_factory=RecordConfig)
    embed: EmbedConfig = field(default_factory=EmbedConfig)
    align: AlignConfig = field(default_factory=AlignConfig)
    look: LookConfig = field(default_factory=LookConfig)

    def networks(self) -> tuple[str, ...]:
        """The networks that the run distils with, by which it chooses or maps real images: "A+B" names two.

        A plus sign that belongs to a name, as in a path, is written %2B.
        """
        return taken_apart(self.backbone)


def taken_apart(backbone: str) -> tuple[str, ...]:
    """The networks that a config's `backbone` names.

    >>> taken_apart("mobilenet_v2+file:/a%2Bb.safetensors")
    ('mobilenet_v2', 'file:/a+b.safetensors')
    """
    return tuple(name.replace("%2B", "+") for name in backbone.split("+"))


def joined(names: Sequence[str]) -> str:
    """Networks that one set is learned in together, as a config names them."""
    return "+".join(name.replace("+", "%2B") for name in names)


def all_but_one(names: Sequence[str]) -> list[str]:
    """For each of several networks, the others together, as `joined` has them: sets in which it takes no part.

    Fewer than three have none: what is left would be learned in one network alone.

    >>> all_but_one(["mobilenet_v2", "resnet18", "dinov2_vits14"])
    ['resnet18+dinov2_vits14', 'mobilenet_v2+dinov2_vits14', 'mobilenet_v2+resnet18']
    """
    names = list(dict.fromkeys(names))
    return [joined([other for other in names if other != name]) for name in names] if len(names) > 2 else []
