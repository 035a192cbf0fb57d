"""What small networks work with: whitened real data at a run's resolution, and the networks' shapes.

>>> real = open_real(bench, config.scratch, config.dataset)
>>> shape_of("conv:batch", config.scratch, real).blocks
3
"""

from dataclasses import replace

import torch

from lgm_core.backbones.abstract_bench import Bench
from lgm_core.backbones.students.networks import StudentShape, student_shape
from lgm_core.base.errors import ConfigError
from lgm_core.base.ranks import first
from lgm_core.base.settings import ScratchConfig
from lgm_core.datasets.catalog import find_row
from lgm_core.datasets.whitened import Whitened, open_whitened

_LARGEST = 12_288  # values of a whitened tile, 64 px in colour: a matrix of 1.2 GB in float64


def open_real(bench: Bench, scratch: ScratchConfig, dataset: str) -> Whitened:
    """Both splits of a run's data set, fitted and transformed as `scratch` asks; opened once per run."""
    return bench.once("whitened", lambda: _open(bench, scratch, grey=find_row(dataset).grey))


def open_standardised(bench: Bench, scratch: ScratchConfig, dataset: str) -> Whitened:
    """Both splits with channels of mean 0 and deviation 1, whatever `scratch.transform` says; opened once per run."""
    plain = replace(scratch, transform="standardise")
    return bench.once("standardised", lambda: _open(bench, plain, grey=find_row(dataset).grey))


def shape_of(name: str, scratch: ScratchConfig, real: Whitened, *, softplus: float = 0.0) -> StudentShape:
    """The network of a name for a run's images."""
    channels = real.train.pixels.shape[1]
    return student_shape(name, scratch, channels=channels, classes=real.classes, softplus=softplus)


def check_whitening(kind: str, channels: int, side: int) -> None:
    """Raise `ConfigError` where the matrix of a whitening transform is too large to be computed."""
    values = channels * (side // (2 if kind == "block_zca" else 1)) ** 2
    if "zca" in kind and values > _LARGEST:
        raise ConfigError(
            f"{kind} at {side} px needs the eigenvectors of a {values} x {values} matrix, and the limit is {_LARGEST}; "
            "use a smaller scratch.resolution, scratch.transform block_zca (up to 128 px) or standardise"
        )


def _open(bench: Bench, scratch: ScratchConfig, *, grey: bool) -> Whitened:
    kind, channels, side = scratch.kind_of_transform(grey), 1 if grey else 3, scratch.resolution
    check_whitening(kind, channels, side)
    if bench.compute.device.type == "cuda":
        torch.backends.cudnn.allow_tf32 = False  # too coarse for a curvature of about 1e-5; off for every judge too
    with first():
        return open_whitened(
            bench.train,
            bench.test,
            side=side,
            channels=channels,
            kind=kind,
            cache=bench.cache,
            device=bench.compute.device,
            progress=bench.phase,
        )
