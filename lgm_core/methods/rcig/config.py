"""The knobs of RCIG, and of the training from scratch that says what its sets are worth.

>>> RCIGConfig(width=32).pool
30
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

from lgm_core.backbones.students.student_names import ARCHITECTURES, is_student, student_name
from lgm_core.base.errors import ConfigError
from lgm_core.base.knobs import knob

LIVE_RATE = 10  # times scratch.learning_rate: the accuracy on the way has few steps
TILED_FROM = 128  # px; a whole image's covariance would be too large
_SUBSETS = ("direct_rows", "direct_real_rows", "implicit_rows", "solve_rows", "inner_rows", "forward_chunk")


@dataclass(frozen=True, kw_only=True)
class RCIGConfig:
    """Reparameterised convexified implicit gradients, arXiv 2302.06755. The network is the run's backbone."""

    resolution: int = knob(
        32, "side of the images; real ones are cropped and averaged to it", low=8, high=256, unit="px"
    )
    width: int = knob(128, "channels of the network's first block; they double per block", low=1, high=1024)
    depth: int = knob(0, "blocks of the network; 0: 2 at 8 px, 3 at 32, 4 at 64, 5 at 128", low=0, high=7)
    softplus: float = knob(60.0, "beta of the smooth activation while distilling; 0: ReLU", low=0, high=1000)
    transform: Literal["auto", "identity", "standardise", "zca", "block_zca"] = knob(
        "auto", "what real images go through; auto: standardise grey ones, whiten colour, in four tiles from 128 px"
    )
    initial: Literal["real", "noise"] = knob("real", "first values of the images")
    flip: bool = knob(True, "learn from the mirror images too")
    learn_labels: bool = knob(True, "learn the labels; off: one-hot, centred")
    margin: bool = knob(True, "reward labels whose largest entry leads by 1 / (2 C)")
    implicit: bool = knob(True, "the gradient through what was learned; off: the direct gradient alone (ablation)")
    linearise: bool = knob(True, "the network's tangent; off: the network itself (ablation, slow)")
    analytic_head: bool = knob(True, "a ridge-regressed last layer; off: the naive plain network (ablation, slow)")
    batch: int = knob(1024, "real images per step", low=1, high=100_000)
    image_rate: float = knob(3e-3, "AdaBelief's learning rate of images and labels", low=1e-7, high=1)
    temperature_rate: float = knob(0.03, "AdaBelief's learning rate of the log temperature", low=0, high=1)
    ema: float = knob(0.99, "decay of the running mean that is published", low=0, high=0.99999)
    l2_rate: float = knob(5e-4, "ridge and weight decay, times the number of images", low=1e-9, high=10)
    inner_steps: int = knob(20, "Adam steps of the inner problem; 0: the features alone", low=0, high=10_000)
    solve_steps: int = knob(20, "Adam steps of the inverse-Hessian product", low=2, high=10_000)
    inner_rate: float = knob(0.0, "Adam's first rate of the inner problem; 0: searched for", low=0, high=10)
    solve_rate: float = knob(0.0, "Adam's rate of the inverse-Hessian product; 0: searched for", low=0, high=1000)
    search_leap: int = knob(4, "factors of 1.2 per leap of the searches, refined at the end; paper: 1", low=1, high=20)
    pool: int = knob(30, "networks in the pool", low=1, high=1000)
    pool_steps: int = knob(15, "a chosen network is trained for 1 to so many steps", low=1, high=1000)
    pool_life: int = knob(100, "training steps after which a network is replaced by a fresh one", low=1)
    pool_rate: float = knob(5e-5, "Adam's learning rate in the pool", low=1e-8, high=1)
    repeats: int = knob(1, "subsets over which the gradients are averaged", low=1, high=100)
    direct_rows: int = knob(0, "synthetic images that carry the direct gradient; 0: all", low=0)
    direct_real_rows: int = knob(0, "real images that carry the direct gradient; 0: all", low=0)
    implicit_rows: int = knob(0, "synthetic images that carry the implicit gradient; 0: all", low=0)
    solve_rows: int = knob(0, "synthetic images in each product with the Hessian; 0: all", low=0)
    inner_rows: int = knob(0, "synthetic images that carry each inner gradient; 0: all", low=0)
    pool_rows: int = knob(0, "synthetic images per training step in the pool; 0: all", low=0)
    forward_chunk: int = knob(0, "synthetic images in memory at once; 0: all, which is quicker", low=0)
    chunk: int = knob(128, "real images per pass", low=1, high=100_000)
    float64: bool = knob(False, "compute in float64, as the reference can: several times as slow")
    published: str = knob("", "file of the authors' checkpoint to take up, instead of real images")


@dataclass(frozen=True, kw_only=True)
class ScratchConfig:
    """Networks trained from scratch on a distilled set, tested on real images: what conv, resnet, vgg, alexnet mean."""

    learning_rate: float = knob(1e-4, "Adam's peak learning rate", low=1e-8, high=1)
    steps: int = knob(0, "training steps; 0: 1000 for 10 images, 2000 for others", low=0, high=1_000_000)
    warmup: int = knob(500, "steps in which the rate rises from 0; at most half of all", low=0)
    tail: float = knob(
        0.0, "further steps at the last rate without augmentation, as a share; reference: 1.5", low=0, high=10
    )
    batch: int = knob(256, "images per step, where there are more", low=1, high=100_000)
    seeds: int = knob(5, "networks trained", low=1, high=100)
    width: int = knob(0, "channels of a ConvNet's first block; 0: those of rcig.width", low=0, high=1024)


def check_sides(names: Iterable[str], resolution: int) -> None:
    """Raise `ConfigError` for a network that images of `resolution` px are too small for."""
    small = [name for name in names if is_student(name) and student_name(name).architecture == "vgg"]
    if small and resolution < 28:
        raise ConfigError(
            f"{small[0]} halves its images five times and needs 32 px, rcig.resolution is {resolution}; take conv, "
            "resnet or alexnet"
        )


def check_rcig(config: RCIGConfig, backbone: str) -> None:
    """Raise `ConfigError` for what only several values together can get wrong."""
    if not is_student(backbone):
        raise ConfigError(
            f"rcig trains small networks of its own: the backbone is one of {', '.join(ARCHITECTURES)} (with :batch or "
            f"so), {backbone!r} was given; for example `lgm distill cifar10 conv --preset rcig_depth_3`"
        )
    if student_name(backbone).augmented:
        raise ConfigError(f"{backbone!r}: rcig distils without augmentation; ask for it in evaluate_on")
    side = 32 if config.resolution == 28 else config.resolution  # grey images of 28 px get a margin first
    if config.depth and side % 2**config.depth:
        raise ConfigError(
            f"rcig.depth = {config.depth} halves the images {config.depth} times, and {config.resolution} px cannot be "
            f"halved so often; take a resolution that {2**config.depth} divides, or fewer blocks"
        )
    subsets = [name for name in _SUBSETS if getattr(config, name)]
    if subsets and not (config.linearise and config.analytic_head):
        raise ConfigError(
            f"subsets (here {', '.join(f'rcig.{name}' for name in subsets)}) are made for the convexified problem; "
            "leave them at 0 with rcig.linearise or rcig.analytic_head off"
        )
    if config.inner_steps == 1 and not config.inner_rate:
        raise ConfigError(
            "rcig.inner_steps = 1: the search for a learning rate looks at whether losses fall, and one step has one "
            "loss; take 2 or more, or give rcig.inner_rate"
        )
    if config.resolution % 2 and (config.transform == "block_zca" or config.resolution >= TILED_FROM):
        raise ConfigError(f"block_zca takes images apart into four grids, and {config.resolution} px is odd")
    if not config.analytic_head and not config.implicit:
        raise ConfigError("without its analytic head rcig has no direct gradient: leave rcig.implicit on")
