"""What a run's small networks work with: whitened real data at the run's resolution, and the networks' shapes.

>>> real = open_real(bench)
>>> shape_of(bench.config, "conv:batch", real).blocks
3
"""

import torch

from lgm_core.backbones.students.networks import StudentShape
from lgm_core.backbones.students.student_names import student_name
from lgm_core.base.errors import ConfigError
from lgm_core.config import RunConfig
from lgm_core.datasets.catalog import find_row
from lgm_core.datasets.whitened import Whitened, open_whitened
from lgm_core.methods.rcig.config import TILED_FROM
from lgm_core.workbench import Workbench

_LARGEST = 12_288  # values of a whitened tile, 64 px in colour: a matrix of 1.2 GB in float64


def open_real(bench: Workbench) -> Whitened:
    """Both splits, fitted and whitened as `config.rcig` asks; opened once per run."""
    return bench.once("whitened", lambda: _open(bench))


def shape_of(config: RunConfig, name: str, real: Whitened, *, width: int = 0, softplus: float = 0.0) -> StudentShape:
    """The network of a name for a run's images. `width`: 0 for the run's own."""
    told = student_name(name)
    return StudentShape(
        architecture=told.architecture,
        norm=told.norm,
        side=real.train.pixels.shape[-1],
        channels=real.train.pixels.shape[1],
        classes=real.classes,
        width=width or config.rcig.width,
        depth=config.rcig.depth,
        softplus=softplus,
    )


def transform_kind(config: RunConfig) -> str:
    """`config.rcig.transform`, with "auto" decided: grey images standardised, colour whitened, large ones in tiles."""
    if config.rcig.transform != "auto":
        return config.rcig.transform
    if find_row(config.dataset).grey:
        return "standardise"
    return "block_zca" if config.rcig.resolution >= TILED_FROM else "zca"


def check_whitening(kind: str, channels: int, side: int) -> None:
    """Raise `ConfigError` where the matrix of a whitening transform is too large to be computed."""
    values = channels * (side // (2 if kind == "block_zca" else 1)) ** 2
    if "zca" in kind and values > _LARGEST:
        raise ConfigError(
            f"{kind} at {side} px needs the eigenvectors of a matrix of {values} x {values}, {_LARGEST} are the most; "
            "take a smaller rcig.resolution, rcig.transform block_zca (up to 128 px) or standardise"
        )


def _open(bench: Workbench) -> Whitened:
    config, kind = bench.config, transform_kind(bench.config)
    channels, side = 1 if find_row(config.dataset).grey else 3, config.rcig.resolution
    check_whitening(kind, channels, side)
    if bench.compute.device.type == "cuda":
        torch.backends.cudnn.allow_tf32 = False  # the curvature is of the order of 1e-5; and all are judged alike
    return open_whitened(
        bench.train,
        bench.test,
        side=side,
        channels=channels,
        kind=kind,
        cache=bench.places.cache,
        device=bench.compute.device,
        progress=bench.recorder.phase,
    )
