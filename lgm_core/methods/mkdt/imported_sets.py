"""Published sets with targets, in their authors' layouts: MKDT's results, and those of KRR-ST. No code in them is run.

MKDT specification, sections 4 and 5. Of MKDT a folder with images_T.pt, labels_T.pt and synlr_T.pt for some steps T;
the last of them is taken, or that whose images_T.pt is named. Of KRR-ST a folder with x_syn.pt and y_syn.pt.
Legend: M images, K channels, R side, D entries of a target.

>>> found = read_published(Path("logged_files/CIFAR10/2024-10-01_12:00:00"))
>>> found.updates, found.images.shape, found.targets.shape
(4999, torch.Size([1000, 3, 32, 32]), torch.Size([1000, 512]))
"""

import re
from dataclasses import dataclass
from pathlib import Path

import torch
from jaxtyping import Float
from torch import Tensor

from lgm_core.backbones.abstract_bench import Bench
from lgm_core.backbones.stored import read_tensor
from lgm_core.backbones.students.real_data import open_standardised
from lgm_core.base.errors import UserError
from lgm_core.base.interfaces import TargetSet
from lgm_core.base.settings import SharedConfig
from lgm_core.datasets.catalog import find_row
from lgm_core.methods.catalog import ImportedSet
from lgm_core.methods.mkdt.config import MKDTSettings
from lgm_core.methods.mkdt.presets import paper_preset

_LAYOUTS = "images_T.pt, labels_T.pt and synlr_T.pt (MKDT), or x_syn.pt and y_syn.pt (KRR-ST)"
_CHANNELS = {  # mean and deviation by which MKDT's authors normalise images; specification, section 6
    "cifar10": ((0.4914, 0.4822, 0.4465), (0.2023, 0.1994, 0.2010)),
    "cifar100": ((0.5071, 0.4865, 0.4409), (0.2009, 0.1984, 0.2023)),
    "tiny_imagenet": ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225)),
}


@dataclass(frozen=True, kw_only=True)
class PublishedTargets:
    """Images as the authors' networks see them; `rate`, `updates`: None of KRR-ST, which has no step size."""

    images: Float[Tensor, "m k r r"]
    targets: Float[Tensor, "m d"]
    rate: Float[Tensor, ""] | None
    updates: int | None


def read_published(path: Path) -> PublishedTargets:
    """Read a folder, or that of a file in it. Raises `UserError` for what is not there, or does not go together."""
    folder, step = (path, _last_step(path)) if path.is_dir() else (path.parent, _step_of(path))
    names = [f"{kind}_{step}.pt" for kind in ("images", "labels", "synlr")] if step else ["x_syn.pt", "y_syn.pt"]
    lost = [name for name in names if not (folder / name).is_file()]
    if lost:
        raise UserError(f"{folder} lacks {' and '.join(lost)}; wanted: {_LAYOUTS}")
    images, targets, *rates = (read_tensor(folder / name) for name in names)
    rate = rates[0] if rates else None
    if wrong := _what_misfits(images, targets, rate):
        raise UserError(f"{folder} is not a set that can be imported: {wrong}")
    rate = None if rate is None else rate.reshape(())
    return PublishedTargets(images=images, targets=targets, rate=rate, updates=None if step is None else step - 1)


def imported(path: Path, dataset: str, classes: int | None) -> ImportedSet:
    """What a run has to be told to take the set up, as a baseline. Raises `UserError` where it cannot be."""
    found = read_published(path)
    count, side = len(found.images), found.images.shape[-1]
    settings = {
        "kind": "baseline", "baseline": {"choice": "imported", "folder": str(path)}, "scratch": {"resolution": side},
        "images_per_class": min(max(count // (classes or count), 1), 1000),
    }  # fmt: skip
    preset = paper_preset(find_row(dataset).name, count)
    return ImportedSet(preset=preset, network="conv:instance", steps=0, settings=settings)


def published_set(own: MKDTSettings, shared: SharedConfig, bench: Bench) -> TargetSet:
    """The set that `baseline.folder` names, in this run's values; its images have no class numbers.

    MKDT's values are normalised by its authors' constants, and put into those of this run. KRR-ST's networks see its
    images as they are, unnormalised, beside real ones that are: they are values already.
    """
    found, name = read_published(Path(shared.baseline.folder)), find_row(shared.dataset).name
    real = open_standardised(bench, own.scratch, shared.dataset)
    values, pixels = found.images.to(bench.compute.device), real.train.pixels
    if values.shape[1:] != pixels.shape[1:]:
        raise UserError(
            f"the images of {shared.baseline.folder} are {list(values.shape[1:])}, those of {name} at "
            f"scratch.resolution are {list(pixels.shape[1:])}: give the data set that the set was made from"
        )
    images = values
    if found.updates is not None:
        if name not in _CHANNELS:
            raise UserError(f"MKDT's authors published sets of {', '.join(_CHANNELS)}; {name} was given")
        mean, std = (torch.tensor(one).view(1, -1, 1, 1).to(values) for one in _CHANNELS[name])
        images = values * std + mean
        with torch.no_grad():
            values = real.transform(images)
    bench.note("published images have no class numbers: judges that need these refuse them")
    labels = torch.full((len(values),), -1)
    return TargetSet(images.clamp(0, 1), labels, values, found.targets.to(values), found.rate)


def _last_step(folder: Path) -> int | None:
    steps = [step for file in folder.glob("images_*.pt") if (step := _step_of(file)) is not None]
    return max(steps, default=None)


def _step_of(file: Path) -> int | None:
    found = re.fullmatch(r"images_([1-9]\d{0,8})\.pt", file.name)
    return int(found[1]) if found else None


def _what_misfits(images: Tensor, targets: Tensor, rate: Tensor | None) -> str:
    """What of the shapes and numbers does not go together, in words; "" where all does."""
    if images.ndim != 4 or images.shape[1] not in (1, 3) or images.shape[2] != images.shape[3] or not images.numel():
        return f"images [M, 1 or 3, R, R] are expected, {list(images.shape)} were found"
    if targets.ndim != 2 or len(targets) != len(images) or not targets.numel():
        return f"targets [{len(images)}, D] are expected, {list(targets.shape)} were found"
    if rate is not None and rate.numel() != 1:
        return f"the step size is one number, {list(rate.shape)} were found"
    finite = all(tensor.isfinite().all() for tensor in (images, targets, *([] if rate is None else [rate])))
    return "" if finite else "it has numbers that are not finite"
