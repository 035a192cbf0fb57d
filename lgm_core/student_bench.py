"""What a run's small networks work with: whitened real data at the run's resolution, and the networks' shapes.

>>> real = open_real(bench)
>>> shape_of(bench.config, "conv:batch", real).blocks
3
"""

from lgm_core.backbones.student_names import student_name
from lgm_core.backbones.students import StudentShape
from lgm_core.config import RunConfig
from lgm_core.datasets.catalog import find_row
from lgm_core.whitened import Whitened, open_whitened
from lgm_core.workbench import Workbench

_TILED_FROM = 128  # px; a whole image's covariance would be too large


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
    return "block_zca" if config.rcig.resolution >= _TILED_FROM else "zca"


def _open(bench: Workbench) -> Whitened:
    config = bench.config
    return open_whitened(
        bench.train,
        bench.test,
        side=config.rcig.resolution,
        channels=1 if find_row(config.dataset).grey else 3,
        kind=transform_kind(config),
        cache=bench.places.cache,
        device=bench.compute.device,
        progress=bench.recorder.phase,
    )
