"""Every knob, once. A run is its config: frozen, keyword-only dataclasses with units, limits and help.

The command line, the Launch page, validation and `config.json` are all made from these fields.

>>> config = RunConfig(dataset="scenes", backbone="mobilenet_v2", steps=250)
>>> from_dict(RunConfig, to_dict(config)) == config
True
"""

from dataclasses import dataclass, field
from typing import Literal

from lgm_core.base.errors import ConfigError
from lgm_core.base.knobs import from_dict, knob, to_dict
from lgm_core.methods.rcig.config import RCIGConfig, ScratchConfig, check_rcig, check_sides

Kind = Literal["distill", "baseline", "evaluate", "embed", "align"]


@dataclass(frozen=True, kw_only=True)
class DataConfig:
    """How much of the data set is read, and how."""

    train_per_class: int = knob(0, "real training images per class; 0 takes all", low=0)
    test_per_class: int = knob(0, "real test images per class; 0 takes all", low=0)
    resize: int = knob(
        256, "short side of real images, for an input of 224 px; scaled with it", low=224, high=1024, unit="px"
    )


@dataclass(frozen=True, kw_only=True)
class DeviceConfig:
    """Where and how precisely a run computes."""

    device: str = knob("auto", "auto, cpu, cuda or cuda:N")
    precision: Literal["auto", "float32", "bfloat16"] = knob(
        "auto", "autocast of the backbone; auto: whichever is faster here, measured once"
    )
    compile: bool = knob(
        False, "the steps' network through torch.compile, on a GPU with CUDA graphs: slow at first, then quicker"
    )
    threads: int = knob(0, "CPU threads; 0: as many as cores", low=0, high=1024)


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


@dataclass(frozen=True, kw_only=True)
class SyntheticConfig:
    """The learned images."""

    parameterisation: Literal["pyramid", "pixels"] = knob("pyramid", "sum of levels from 1 px up, or plain pixels")
    resolution: int = knob(128, "side of a synthetic image; 256 in the paper", low=8, high=1024, unit="px")
    initial: Literal["noise", "zero", "real"] = knob("noise", "first values; real: a random training image per class")
    noise_scale: float = knob(0.1, "amplitude of the first noise; 1 in the paper", low=0, high=10)
    decorrelate_colour: bool = knob(True, "optimise in a decorrelated colour space")


@dataclass(frozen=True, kw_only=True)
class PyramidConfig:
    """When and how the pyramid of levels grows."""

    start: int = knob(1, "side of the finest level at the start", low=1, high=1024, unit="px")
    grow_every: int = knob(0, "steps between two levels; 0: full resolution after `grow_share` of the steps", low=0)
    grow_share: float = knob(0.2, "share of the steps after which all levels are there", low=0, high=1)
    fine_rate: float = knob(1.0, "learning rate of a level, relative to the next coarser one's", low=0.1, high=2)
    rescale: bool = knob(False, "shrink the old levels as a new one comes, as the paper does; off: the image stays")
    keep_moments: bool = knob(True, "keep Adam's moments of the old levels as a new one comes; the paper drops them")
    cascade: bool = knob(True, "up-sample level by level; off: each level straight to full size, as the paper does")


@dataclass(frozen=True, kw_only=True)
class LGMConfig:
    """Linear Gradient Matching, arXiv 2511.16674."""

    views: int = knob(5, "views per synthetic image and step; lower it when memory is short", low=1, high=1000)
    learning_rate: float = knob(4e-2, "Adam's learning rate", low=1e-6, high=10)
    schedule: Literal["constant", "cosine"] = knob("cosine", "learning rate over the steps")
    target: Literal["mean", "bank", "batch"] = knob(
        "mean", "real side: expectation at zero head, gradient over the whole feature bank, or a fresh batch each step"
    )
    balance: bool = knob(True, "weigh the real classes equally; off: the data set's own prior, as the paper does")
    head_std: float = knob(0.01, "standard deviation of the random head's weights", low=0, high=10)
    bank_rows: int = knob(65536, "rows of the bank that one step looks at, drawn anew each step", low=16)
    chunk: int = knob(
        0, "views per forward pass, of all images together; 0: as many as fit. Same gradient, less memory", low=0
    )


@dataclass(frozen=True, kw_only=True)
class BankConfig:
    """Features of augmented views of the real images, computed once and kept."""

    views: int = knob(4, "augmented views per real image", low=1, high=1000)
    batch: int = knob(64, "images per forward pass", low=1, high=4096)


@dataclass(frozen=True, kw_only=True)
class BaselineConfig:
    """Ways of choosing real images instead of learning synthetic ones."""

    choice: Literal["random", "centroids", "neighbours", "full"] = knob("random", "how the real images are chosen")


@dataclass(frozen=True, kw_only=True)
class ProbeConfig:
    """The linear head that says what a set of images is worth."""

    epochs: int = knob(1000, "epochs on distilled or chosen images", low=1)
    full_epochs: int = knob(100, "epochs on the full data", low=1)
    batch: int = knob(100, "images per step on distilled or chosen images", low=1)
    full_batch: int = knob(128, "images per step on the full data", low=1)
    learning_rate: float = knob(1e-3, "Adam's learning rate at batch 256; scaled by batch / 256", low=1e-7, high=10)
    views: int = knob(100, "cached augmented views per chosen image, from which the epochs draw", low=1, high=1000)
    full_views: int = knob(4, "cached augmented views per image of the full data", low=1, high=1000)
    seeds: int = knob(5, "heads trained, each with its own start and order", low=1, high=100)
    select: Literal["last", "best"] = knob("last", "best: the best test accuracy on the way; biased")


@dataclass(frozen=True, kw_only=True)
class LiveConfig:
    """The probe that runs beside a distillation, for watching only: nothing is chosen by it."""

    times: int = knob(25, "live probes per run; 0 switches them off", low=0, high=10000)
    test_images: int = knob(500, "test images that they look at, spread over the classes", low=1)
    steps: int = knob(200, "training steps of a live probe", low=1)


@dataclass(frozen=True, kw_only=True)
class RecordConfig:
    """What is written while a run goes."""

    frames: int = knob(120, "pictures of the synthetic set per run, dense early, sparse late", low=2, high=2000)
    checkpoint_seconds: float = knob(20.0, "time between checkpoints", low=0, unit="s")
    log_lines: int = knob(1000, "lines of metrics per run, at most", low=1)
    map_images: int = knob(
        2000, "real images on the map drawn beside a distillation, at most 4 per step; 0: no map, no trail", low=0
    )
    thumbnails: bool = knob(True, "small pictures of the real images, for the maps; made once per data set")


@dataclass(frozen=True, kw_only=True)
class EmbedConfig:
    """A map of the real images of one split in one backbone, with the images of other runs placed on it."""

    split: Literal["train", "test"] = knob("test", "which real images")
    images: int = knob(5000, "real images on the map, at most, spread over the classes", low=10, high=1_000_000)
    umap_neighbours: int = knob(15, "UMAP's neighbours: more shows the whole, fewer the detail", low=2, high=200)
    umap_min_dist: float = knob(0.1, "UMAP's least distance between points", low=0, high=0.99)
    k: int = knob(12, "nearest real images listed per synthetic image", low=1, high=1000)


@dataclass(frozen=True, kw_only=True)
class AlignConfig:
    """How alike backbones see a data set: linear CKA and mutual nearest neighbours, pair by pair."""

    images: int = knob(2000, "test images compared, at most, spread over the classes", low=10, high=1_000_000)
    largest_k: int = knob(50, "largest number of neighbours compared", low=1, high=1000)


@dataclass(frozen=True, kw_only=True)
class RunConfig:
    """One run: what it does, on what, and every knob of it."""

    kind: Kind = knob("distill", "what the run does")
    dataset: str = knob("scenes", "data set: a name of `lgm list datasets` or folder:PATH")
    backbone: str = knob("tf_efficientnet_lite0", "backbone: a name of `lgm list backbones`, timm:NAME, ...")
    method: str = knob("lgm", "distiller")
    preset: str = knob("standard", "the preset that the other values departed from")
    steps: int = knob(1000, "optimisation steps", low=1, high=10_000_000)
    images_per_class: int = knob(1, "synthetic or chosen images per class", low=1, high=1000)
    seed: int = knob(0, "seed of everything random", low=0, high=2**31 - 1)
    normalisation: Literal["native", "imagenet"] = knob("native", "the backbone's own mean and std, or ImageNet's")
    evaluate_on: tuple[str, ...] = knob((), "backbones that the result is probed on; for align: that are compared")
    source: str = knob("", "the run that this one looks at (evaluate, neighbours) or was forked from")
    fork_step: int = knob(0, "the step of the source at which this run takes over", low=0)
    sources: tuple[str, ...] = knob((), "runs whose images are placed on the map (embed)")
    study: str = knob("", "name of the set of runs that this one belongs to")
    name: str = knob("", "name of the run; default: date, method, data set, backbone")

    data: DataConfig = field(default_factory=DataConfig)
    device: DeviceConfig = field(default_factory=DeviceConfig)
    augment: AugmentConfig = field(default_factory=AugmentConfig)
    synthetic: SyntheticConfig = field(default_factory=SyntheticConfig)
    pyramid: PyramidConfig = field(default_factory=PyramidConfig)
    lgm: LGMConfig = field(default_factory=LGMConfig)
    rcig: RCIGConfig = field(default_factory=RCIGConfig)
    bank: BankConfig = field(default_factory=BankConfig)
    baseline: BaselineConfig = field(default_factory=BaselineConfig)
    probe: ProbeConfig = field(default_factory=ProbeConfig)
    scratch: ScratchConfig = field(default_factory=ScratchConfig)
    live: LiveConfig = field(default_factory=LiveConfig)
    record: RecordConfig = field(default_factory=RecordConfig)
    embed: EmbedConfig = field(default_factory=EmbedConfig)
    align: AlignConfig = field(default_factory=AlignConfig)

    def grow_every(self) -> int:
        """Steps between two levels of the pyramid: as asked for, or from the share of the steps."""
        if self.pyramid.grow_every:
            return self.pyramid.grow_every
        levels = max((self.synthetic.resolution - 1).bit_length() - (self.pyramid.start - 1).bit_length(), 1)
        return max(int(self.pyramid.grow_share * self.steps / levels), 1)


def validate(config: RunConfig) -> RunConfig:
    """Check all limits and what only several values together can get wrong; return the config. Raises `ConfigError`."""
    config = from_dict(RunConfig, to_dict(config))
    if config.kind in ("distill", "baseline", "evaluate"):
        check_sides((config.backbone, *config.evaluate_on), config.rcig.resolution)
    if config.kind == "distill" and config.method == "rcig":
        check_rcig(config.rcig, config.backbone)
    elif config.kind == "distill" and config.synthetic.parameterisation == "pyramid":
        side, start, every = config.synthetic.resolution, config.pyramid.start, config.grow_every()
        if start > side:
            raise ConfigError(f"pyramid.start ({start} px) is larger than synthetic.resolution ({side} px)")
        due = ((side - 1).bit_length() - (start - 1).bit_length()) * every
        if due >= config.steps:
            raise ConfigError(
                f"the pyramid reaches its full {side} px at step {due} only, but the run has {config.steps} steps; "
                f"raise steps above {due}, or lower pyramid.grow_every ({every}) or synthetic.resolution"
            )
    if config.kind == "evaluate" and not config.source:
        raise ConfigError("an evaluate run needs a source: the name of the run whose images it evaluates")
    if config.kind == "baseline" and config.baseline.choice == "neighbours" and not config.source:
        raise ConfigError("the neighbours baseline needs a source: the distilled run whose neighbours are chosen")
    if config.kind == "align" and len(set(config.evaluate_on)) < 2:
        raise ConfigError("an align run compares at least two backbones: name them in evaluate_on")
    if config.fork_step >= config.steps:
        raise ConfigError(
            f"the fork begins at step {config.fork_step}, but the run ends at {config.steps}; raise steps above it"
        )
    return config
