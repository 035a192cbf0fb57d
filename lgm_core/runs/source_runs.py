"""The runs that a run looks at, and their images.

>>> images, labels = images_of(open_source(bench, bench.config.source))
>>> images.shape, labels.shape
(torch.Size([10, 3, 256, 256]), torch.Size([10]))
"""

from safetensors.torch import load_file
from torch import Tensor

from lgm_core.base.errors import UserError
from lgm_core.runs.store import RunFolder, RunStore
from lgm_core.workbench import Workbench


def open_source(bench: Workbench, name: str) -> RunFolder:
    """A run with images, made from the classes of this run's data set. Raises `UserError` otherwise."""
    source = RunStore(bench.places.runs).open(name)
    if not source.synthetic.exists():
        if source.status().state == "finished":
            raise UserError(f"the run {source.id!r} has no images of its own; name one that distilled or chose some")
        raise UserError(f"the run {source.id!r} is {source.status().state} and has no images yet; let it finish first")
    return source


def images_of(run: RunFolder) -> tuple[Tensor, Tensor]:
    """Images [N, 3, R, R] in [0, 1] and labels [N] of a finished run, on the CPU."""
    tensors = load_file(run.synthetic)
    return tensors["images"], tensors["labels"]
