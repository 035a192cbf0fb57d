"""From a config to RCIG, ready to step: whitened data, the learned set at its start, the pool, the learning rates.

>>> distiller = assemble_rcig(bench)
"""

from pathlib import Path

import torch
from safetensors.torch import load_file
from torch import Tensor

from lgm_core.backbones.students.networks import build_student
from lgm_core.backbones.students.real_data import open_real, shape_of
from lgm_core.base.errors import UserError
from lgm_core.base.interfaces import generator
from lgm_core.datasets.baselines import choose_random
from lgm_core.datasets.catalog import find_row
from lgm_core.datasets.whitened import Whitened
from lgm_core.evaluation.from_scratch import whitened_pictures
from lgm_core.methods.rcig.labelled import LabelledSet, centred_targets
from lgm_core.methods.rcig.pool import Pool
from lgm_core.methods.rcig.published import PublishedSet, read_published
from lgm_core.methods.rcig.step import RCIG, number_type
from lgm_core.runs.store import RunFolder
from lgm_core.workbench import Workbench


def assemble_rcig(bench: Workbench) -> RCIG:
    """RCIG as `bench.config` describes it. A run without a checkpoint searches for its learning rates here."""
    config, knobs, recorder = bench.config, bench.config.rcig, bench.recorder
    published = read_published(Path(knobs.published).expanduser()) if knobs.published else None
    if published is not None:
        check_fits(published, bench)
    real = open_real(bench)
    shape = shape_of(config, config.backbone, real, softplus=knobs.softplus)
    pool = Pool(
        build_student(shape, random=generator("cpu", config.seed)).to(bench.compute.device, number_type(knobs)),
        size=knobs.pool,
        life=knobs.pool_life,
        most_steps=knobs.pool_steps,
        rate=knobs.pool_rate,
        seed=config.seed,
        rows=knobs.pool_rows,
        compiled=config.device.compile,
    )
    distiller = RCIG(knobs, synthetic=learned_set(bench, real), real=real.train, pool=pool, seed=config.seed)
    if recorder.run.checkpoint.exists():
        return distiller
    if recorder.run.start.exists():
        recorder.note(_taken_over(recorder.run))
    if published is not None:
        take_up(distiller, published)
    if published is None or published.step < config.steps:
        distiller.search(recorder.phase)
    if published is not None:
        recorder.frame(published.step - 1, distiller.synthetic.images())
        recorder.details(published.step - 1, distiller.details())
        recorder.checkpoint(published.step, distiller.state())
    return distiller


def check_fits(published: PublishedSet, bench: Workbench) -> None:
    """Raise `UserError` for a set of another shape than this run's, before anything is whitened."""
    config, channels = bench.config, 1 if find_row(bench.config.dataset).grey else 3
    images, side = config.images_per_class * bench.classes, config.rcig.resolution
    wanted = {"pixels": (images, channels, side, side), "targets": (images, bench.classes), "log_temperature": ()}
    for name, shape in wanted.items():
        if published.values[name].shape != shape:
            raise UserError(
                f"the checkpoint's {name} are {list(published.values[name].shape)}, this run's are {list(shape)}: "
                "the data set (its channels and classes), images_per_class and rcig.resolution have to be those it was "
                "learned with"
            )


def take_up(distiller: RCIG, published: PublishedSet) -> None:
    """Put a published set, its running mean and its optimiser's moments in place of what the distiller starts from."""
    learned = distiller.synthetic
    values = {name: torch.from_numpy(array) for name, array in published.values.items()}
    share = 1 - learned.decay**published.step
    means = {name: torch.from_numpy(published.hidden[name]) if name in published.hidden else values[name] * share
             for name in values}  # fmt: skip
    moments = {}
    for name in values:
        for moment, arrays in (("first", published.first), ("second", published.second)):
            known = torch.from_numpy(arrays[name]) if name in arrays else torch.zeros_like(values[name])
            moments[f"belief.{name}.{moment}"] = known
        moments[f"belief.{name}.count"] = torch.tensor(published.step if name in published.first else 0)
    synthetic = {**values, **{f"mean_{name}": mean for name, mean in means.items()}}
    state = distiller.state() | moments | {f"synthetic.{name}": tensor for name, tensor in synthetic.items()}
    distiller.restore(state | {"synthetic.mean_weight": torch.tensor(share, dtype=torch.float64)})


def _taken_over(run: RunFolder) -> str:
    """What a fork from a picture knows of its source, and what it does not."""
    known = load_file(run.start)
    labels = "labels as they were published" if "targets" in known else "labels one-hot again"
    temperature = "as it was published" if "log_temperature" in known else "1 again"
    return (
        f"forked from a picture: images in 0 .. 1 as it shows them, {labels}, temperature {temperature}; optimiser, "
        "running mean, networks and learning rates begin anew (a fork at the checkpoint's own step keeps them)"
    )


def learned_set(bench: Workbench, real: Whitened) -> LabelledSet:
    """Images, labels and temperature at their start: `config.rcig.initial`, or the picture that a fork begins from."""
    config, knobs, classes = bench.config, bench.config.rcig, real.classes
    labels = torch.arange(classes).repeat_interleave(config.images_per_class)
    random = generator("cpu", config.seed, 0x696E6974)
    start = load_file(bench.recorder.run.start) if bench.recorder.run.start.exists() else {}
    if start:
        pixels = whitened_pictures(start["images"].float() / 255, real)
    elif knobs.initial == "noise":
        pixels = 0.3 * torch.randn(len(labels), *real.train.pixels.shape[1:], generator=random)
    else:
        pixels = real.train.values(_first_real(bench))
    pixels = pixels.to(number_type(knobs))
    learned = LabelledSet(
        pixels,
        start.get("targets", centred_targets(labels, classes)).to(pixels),
        labels.to(pixels.device),
        decode=real.transform.inverse,
        flip=knobs.flip,
        learn_labels=knobs.learn_labels,
        decay=knobs.ema,
        rates=(1.0, 1.0, knobs.temperature_rate / knobs.image_rate),
    )
    if "log_temperature" in start:
        with torch.no_grad():
            learned.log_temperature.copy_(start["log_temperature"])
    return learned.to(bench.compute.device)


def _first_real(bench: Workbench) -> Tensor:
    """Random training images, class-major: the same that the random baseline of this seed takes."""
    labels = torch.as_tensor(bench.train.labels)
    config = bench.config
    return choose_random(labels, classes=bench.classes, per_class=config.images_per_class, seed=config.seed)
