"""From the settings to RCIG, ready to step: whitened data, the learned set at its start, the pool, learning rates.

>>> distiller = assemble(own_settings(config), config, bench)
"""

from pathlib import Path

import torch
from torch import Tensor

from lgm_core.backbones.abstract_bench import Bench
from lgm_core.backbones.students.networks import build_student
from lgm_core.backbones.students.real_data import open_real, shape_of
from lgm_core.backbones.students.training import centred_targets
from lgm_core.base.errors import UserError
from lgm_core.base.interfaces import generator
from lgm_core.base.ranks import alone, ranks
from lgm_core.base.settings import SharedConfig
from lgm_core.datasets.baselines import choose_random
from lgm_core.datasets.catalog import find_row
from lgm_core.datasets.whitened import Whitened, whitened_pictures
from lgm_core.methods.rcig.config import RCIGSettings
from lgm_core.methods.rcig.labelled import LabelledSet
from lgm_core.methods.rcig.pool import Pool
from lgm_core.methods.rcig.published import PublishedSet, read_published
from lgm_core.methods.rcig.step import RCIG, number_type


def assemble(own: RCIGSettings, shared: SharedConfig, bench: Bench) -> RCIG:
    """RCIG as the settings describe it. A run without a checkpoint searches for its learning rates here."""
    knobs, (network,) = own.rcig, shared.networks()
    published = read_published(Path(knobs.published).expanduser()) if knobs.published else None
    if published is not None:
        check_fits(published, own, shared, bench.classes)
    real = open_real(bench, own.scratch, shared.dataset)
    shape = shape_of(network, own.scratch, real, softplus=knobs.softplus)
    pool = Pool(
        build_student(shape, random=generator("cpu", shared.seed)).to(bench.compute.device, number_type(knobs)),
        size=knobs.pool,
        life=knobs.pool_life,
        most_steps=knobs.pool_steps,
        rate=knobs.pool_rate,
        seed=shared.seed,
        rows=knobs.pool_rows,
        compiled=shared.device.compile,
    )
    learned = learned_set(own, shared, bench, real)
    if ranks() > 1 and not (knobs.linearise and knobs.analytic_head):
        bench.note("this ablation of RCIG is not shared: every process of the run computes the same")
    distiller = RCIG(knobs, synthetic=learned, real=real.train, pool=pool, seed=shared.seed)
    if bench.resumes:
        return distiller
    if bench.start:
        bench.note(_taken_over(bench))
    if published is not None:
        take_up(distiller, published)
    if published is None or published.step < shared.steps:
        with alone() as searches:  # the other processes are told the rates
            if searches:
                distiller.search(bench.phase)
    return distiller


def check_fits(published: PublishedSet, own: RCIGSettings, shared: SharedConfig, classes: int) -> None:
    """Raise `UserError` for a set of another shape than this run's, before anything is whitened."""
    channels, side = 1 if find_row(shared.dataset).grey else 3, own.side
    images = shared.images_per_class * classes
    wanted = {"pixels": (images, channels, side, side), "targets": (images, classes), "log_temperature": ()}
    for name, shape in wanted.items():
        if published.values[name].shape != shape:
            raise UserError(
                f"the checkpoint's {name} are {list(published.values[name].shape)}, this run's are {list(shape)}: "
                "the data set (its channels and classes), images_per_class and scratch.resolution have to be those it "
                "was learned with"
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
    distiller.first_step = published.step


def _taken_over(bench: Bench) -> str:
    """A note for the user: what a fork from a picture takes over from its source, and what begins anew."""
    labels = "labels as they were published" if "targets" in bench.start else "labels reset to one-hot"
    temperature = "as it was published" if "log_temperature" in bench.start else "reset to 1"
    return (
        f"forked from a frame: its images in 0 .. 1, {labels}, temperature {temperature}; optimiser, "
        "running mean, networks and learning rates start afresh (a fork at the checkpoint's own step keeps them)"
    )


def learned_set(own: RCIGSettings, shared: SharedConfig, bench: Bench, real: Whitened) -> LabelledSet:
    """Images, labels and temperature at their start: `rcig.initial`, or the picture that a fork begins from."""
    knobs, classes, start = own.rcig, real.classes, bench.start
    labels = torch.arange(classes).repeat_interleave(shared.images_per_class)
    random = generator("cpu", shared.seed, 0x696E6974)
    if start:
        pixels = whitened_pictures(start["images"].float() / 255, real)
    elif knobs.initial == "noise":
        pixels = 0.3 * torch.randn(len(labels), *real.train.pixels.shape[1:], generator=random)
    else:
        pixels = real.train.values(_first_real(shared, bench))
    pixels = pixels.to(number_type(knobs))
    learned = LabelledSet(
        pixels,
        start.get("targets", centred_targets(labels, classes)).to(pixels),
        labels.to(pixels.device),
        decode=real.transform.inverse,
        flip=own.scratch.flip,
        learn_labels=knobs.learn_labels,
        decay=knobs.ema,
    )
    if "log_temperature" in start:
        with torch.no_grad():
            learned.log_temperature.copy_(start["log_temperature"])
    return learned.to(bench.compute.device)


def _first_real(shared: SharedConfig, bench: Bench) -> Tensor:
    """Random training images, class-major: the same that the random baseline of this seed takes."""
    labels = torch.as_tensor(bench.train.labels)
    return choose_random(labels, classes=bench.classes, per_class=shared.images_per_class, seed=shared.seed)
