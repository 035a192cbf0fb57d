"""The settings of RCIG, and a check that they fit together.

>>> RCIGConfig(batch=256).pool
30
"""

from dataclasses import dataclass
from typing import Literal

from lgm_core.backbones.students.student_names import ARCHITECTURES, is_student, student_name
from lgm_core.base.errors import ConfigError
from lgm_core.base.knobs import knob
from lgm_core.base.method_settings import MethodSettings
from lgm_core.base.settings import ScratchConfig, SharedConfig

_SUBSETS = ("direct_rows", "direct_real_rows", "implicit_rows", "solve_rows", "inner_rows", "forward_chunk")


@dataclass(frozen=True, kw_only=True)
class RCIGConfig:
    """Reparameterised convexified implicit gradients, arXiv 2302.06755. The network is the run's backbone."""

    softplus: float = knob(60.0, "beta of the smooth activation while distilling; 0: ReLU", low=0, high=1000)
    initial: Literal["real", "noise"] = knob("real", "initial values of the images")
    learn_labels: bool = knob(True, "learn the labels; off: one-hot, centred")
    margin: bool = knob(True, "reward labels whose largest entry leads by 1 / (2 C)")
    implicit: bool = knob(True, "the gradient through the inner problem; off: the direct gradient alone (ablation)")
    linearise: bool = knob(True, "linearise the network; off: the network itself (ablation, slow)")
    analytic_head: bool = knob(True, "a ridge-regressed last layer; off: the naive plain network (ablation, slow)")
    batch: int = knob(1024, "real images per step", low=1, high=100_000)
    image_rate: float = knob(3e-3, "AdaBelief's learning rate of images and labels", low=1e-7, high=1)
    temperature_rate: float = knob(0.03, "AdaBelief's learning rate of the log temperature", low=0, high=1)
    ema: float = knob(0.99, "decay of the running mean that is published", low=0, high=0.99999)
    l2_rate: float = knob(5e-4, "ridge and weight decay, times the number of images", low=1e-9, high=10)
    inner_steps: int = knob(20, "Adam steps of the inner problem; 0: the features alone", low=0, high=10_000)
    solve_steps: int = knob(20, "Adam steps of the inverse-Hessian product", low=2, high=10_000)
    inner_rate: float = knob(0.0, "Adam's initial rate in the inner problem; 0: found by search", low=0, high=10)
    solve_rate: float = knob(0.0, "Adam's rate in the inverse-Hessian product; 0: found by search", low=0, high=1000)
    search_leap: int = knob(4, "factors of 1.2 per leap of the searches, refined at the end; paper: 1", low=1, high=20)
    pool: int = knob(30, "networks in the pool", low=1, high=1000)
    pool_steps: int = knob(15, "a drawn network is trained for 1 to this many steps", low=1, high=1000)
    pool_life: int = knob(100, "training steps after which a network is replaced by a fresh one", low=1)
    pool_rate: float = knob(5e-5, "Adam's learning rate in the pool", low=1e-8, high=1)
    repeats: int = knob(1, "subsets over which the gradients are averaged", low=1, high=100)
    direct_rows: int = knob(0, "synthetic images that carry the direct gradient; 0: all", low=0)
    direct_real_rows: int = knob(0, "real images that carry the direct gradient; 0: all", low=0)
    implicit_rows: int = knob(0, "synthetic images that carry the implicit gradient; 0: all", low=0)
    solve_rows: int = knob(0, "synthetic images in each product with the Hessian; 0: all", low=0)
    inner_rows: int = knob(0, "synthetic images that carry each inner gradient; 0: all", low=0)
    pool_rows: int = knob(0, "synthetic images per training step in the pool; 0: all", low=0)
    forward_chunk: int = knob(
        0, "synthetic images in memory at once; 0: all, which is quicker", low=0, at_once="any time"
    )
    chunk: int = knob(128, "real images per pass", low=1, high=100_000, at_once="any time")
    float64: bool = knob(False, "compute in float64, as the reference can: several times slower")
    published: str = knob("", "the authors' checkpoint file to start from, instead of real images")


@dataclass(frozen=True, kw_only=True)
class RCIGSettings(MethodSettings):
    """The groups of a run's config that RCIG reads. Of `scratch` it takes resolution, width, depth, transform, flip."""

    rcig: RCIGConfig
    scratch: ScratchConfig

    @property
    def side(self) -> int:
        return self.scratch.resolution

    def check(self, shared: SharedConfig) -> None:
        """Raise `ConfigError` for values that are valid one by one, but not together."""
        (network,) = shared.networks()
        if not is_student(network):
            raise ConfigError(
                f"rcig trains small networks of its own: the backbone is one of {', '.join(ARCHITECTURES)} (with "
                f":batch or so), {network!r} was given; for example `lgm distill cifar10 conv --preset rcig_depth_3`"
            )
        if student_name(network).augmented:
            raise ConfigError(f"{network!r}: rcig distils without augmentation; ask for it in evaluate_on")
        rcig = self.rcig
        subsets = [name for name in _SUBSETS if getattr(rcig, name)]
        if subsets and not (rcig.linearise and rcig.analytic_head):
            raise ConfigError(
                f"subsets (here {', '.join(f'rcig.{name}' for name in subsets)}) are made for the convexified problem; "
                "leave them at 0 with rcig.linearise or rcig.analytic_head off"
            )
        if rcig.inner_steps == 1 and not rcig.inner_rate:
            raise ConfigError(
                "rcig.inner_steps = 1: the search for a learning rate checks whether losses fall, and one step has "
                "one loss; use 2 or more, or give rcig.inner_rate"
            )
        if not rcig.analytic_head and not rcig.implicit:
            raise ConfigError("without its analytic head rcig has no direct gradient: leave rcig.implicit on")
