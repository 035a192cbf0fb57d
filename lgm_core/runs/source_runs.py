"""The sets of images that runs hold: written, read, and those of the runs that a run looks at.

The type of a set follows from the method that made it (methods/catalog.py), not from the tensor names in the file.

>>> learned = read_set(open_source(RunStore(places().runs), "demo"))
>>> learned.images.shape, learned.labels.shape
(torch.Size([10, 3, 256, 256]), torch.Size([10]))
"""

import torch
from torch import Tensor

from lgm_core.base.errors import DamagedFile, UserError
from lgm_core.base.interfaces import HardSet, LearnedSet, SoftSet, State, TargetSet
from lgm_core.base.tensor_files import load_tensors
from lgm_core.config import RunConfig, is_contrast
from lgm_core.methods.catalog import exported, own_settings
from lgm_core.runs.damage import problems_in
from lgm_core.runs.store import RunFolder, RunStore


def open_source(store: RunStore, name: str) -> RunFolder:
    """A run with images. Raises `UserError` where it has none, or none yet, `DamagedFile` where they are no set."""
    source = store.open(name)
    if not source.synthetic.exists():
        if source.status().state == "finished":
            raise UserError(f"the run {source.id!r} has no images of its own; name one that distilled or chose some")
        raise UserError(f"the run {source.id!r} is {source.status().state} and has no images yet; let it finish first")
    if not source.has_images():
        raise DamagedFile(f"{source.id}: {problems_in(tensor_files=[source.synthetic])[0]}")
    return source


def read_set(run: RunFolder) -> LearnedSet:
    """The images of a finished run, with all that was learned beside them, on the CPU. Raises `DamagedFile`."""
    tensors, kind = load_tensors(run.synthetic), exported(run.config())
    images, labels = tensors["images"].float(), tensors["labels"]
    if kind == "labels":
        return SoftSet(images, labels, tensors["pixels"], tensors["targets"], tensors["log_temperature"])
    if kind == "targets":
        return TargetSet(images, labels, tensors["pixels"], tensors["targets"], tensors.get("rate"))
    return HardSet(images, labels, tensors.get("other_labels", _told_by_settings(run.config(), labels)))


def _told_by_settings(config: RunConfig, labels: Tensor) -> Tensor | None:
    """What the images of a contrast set of an earlier version, whose file does not say so, mean to the second one."""
    classes = [str(label) for label in range(int(labels.max()) + 1 if len(labels) else 0)]
    told = own_settings(config).other_meaning(classes) if is_contrast(config) else ()
    return torch.tensor(told)[labels] if told else None


def images_of(run: RunFolder) -> tuple[Tensor, Tensor]:
    """Images [N, 3, R, R] in [0, 1] and labels [N] of a finished run, on the CPU."""
    found = read_set(run)
    return found.images, found.labels


def tensors_of(learned: LearnedSet) -> State:
    """A set as it is stored: CPU tensors by name."""
    tensors: State = {}
    if isinstance(learned, SoftSet):
        tensors = {"pixels": learned.values, "targets": learned.targets, "log_temperature": learned.log_temperature}
    if isinstance(learned, TargetSet):
        tensors = {"pixels": learned.values, "targets": learned.targets}
        tensors |= {} if learned.rate is None else {"rate": learned.rate}
    if isinstance(learned, HardSet) and learned.other is not None:
        tensors = {"other_labels": learned.other}
    tensors |= {"images": learned.images.float(), "labels": learned.labels}
    return {name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}
