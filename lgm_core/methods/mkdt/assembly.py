"""From the settings to MKDT, ready to step. What comes before the first step is kept, and taken up where it was left.

The teacher's representations lie among the features; experts and losses of images in the folder `trajectories` of the
cache, under a key of all that their bits depend on.

>>> distiller = assemble(own_settings(config), config, bench)
"""

import hashlib
import json
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from filelock import FileLock
from jaxtyping import Int
from torch import Tensor

from lgm_core.backbones.abstract_bench import Bench
from lgm_core.backbones.representations import Teacher, open_teacher
from lgm_core.backbones.students.networks import Student, build_student
from lgm_core.backbones.students.parameters import flatten
from lgm_core.backbones.students.real_data import open_standardised
from lgm_core.backbones.students.regression import target_shape
from lgm_core.base.errors import UserError
from lgm_core.base.interfaces import generator
from lgm_core.base.ranks import heed, rank, ranks
from lgm_core.base.settings import SharedConfig
from lgm_core.datasets.baselines import choose_random, read_indices
from lgm_core.datasets.whitened import Whitened, whitened_pictures
from lgm_core.methods.mkdt.config import MKDTSettings
from lgm_core.methods.mkdt.experts import ExpertRecipe, train_experts
from lgm_core.methods.mkdt.hardest import hardest, image_losses, kept_losses
from lgm_core.methods.mkdt.kept import note_kept
from lgm_core.methods.mkdt.step import MKDT
from lgm_core.methods.mkdt.trajectories import Trajectories
from lgm_core.methods.mkdt.unrolled import Learnables, can_share

_POLL_SECONDS = 0.3


@dataclass(frozen=True)
class Stages:
    """What the steps stand on."""

    real: Whitened
    teacher: Teacher
    student: Student
    store: Trajectories


def assemble(own: MKDTSettings, shared: SharedConfig, bench: Bench) -> MKDT:
    """MKDT as the settings describe it; trains the experts that are not there yet."""
    stages = open_stages(own, shared, bench)
    rows = first_rows(own, shared, bench, stages)
    real, teacher, device = stages.real, stages.teacher, bench.compute.device
    if bench.start:
        pictures = bench.start["images"].float() / 255
        pixels, targets = whitened_pictures(pictures, real), teacher.of_images(pictures)
        bench.note(
            "forked from a picture: images in 0 .. 1 as it shows them, the teacher's targets of these; step size and "
            "momentum begin anew (a fork at the checkpoint's own step keeps them)"
        )
    else:
        pixels, targets = real.train.values(rows), teacher.of_rows(rows)
    return MKDT(
        own.mkdt,
        learned=Learnables(pixels, targets, torch.tensor(own.mkdt.rate, device=device)),
        labels=real.train.labels[rows].to(device),
        decode=real.transform.inverse,
        student=stages.student,
        store=stages.store,
        seed=shared.seed,
        stages=_told(own, shared, bench, stages, rows),
    )


def open_stages(own: MKDTSettings, shared: SharedConfig, bench: Bench) -> Stages:
    """Targets and experts, complete."""
    knobs, (network,) = own.mkdt, shared.networks()
    bench.phase("the teacher's targets")
    real = open_standardised(bench, own.scratch, shared.dataset)
    began = time.perf_counter()
    teacher = open_teacher(bench, shared)
    seconds = (time.perf_counter() - began) / max(len(real.train), 1)
    shape = target_shape(network, own.scratch, channels=real.train.pixels.shape[1], size=teacher.size)
    student = build_student(shape, random=generator("cpu", shared.seed), start="torch").to(bench.compute.device)
    store = Trajectories(
        bench.cache / "trajectories" / _key(own, shared, bench, stages=(teacher, student)),
        snapshots=knobs.epochs + 1, size=flatten(student).numel(), half=knobs.half, device=bench.compute.device,
    )  # fmt: skip
    store.require_room(knobs.experts, knobs.store_gigabytes)
    stages = Stages(real, teacher, student, store)
    store.folder.mkdir(parents=True, exist_ok=True)
    note_kept(own, shared, bench.compute.device.type, store.folder, seconds)
    _train_missing(own, shared, bench, stages)
    if ranks() > 1 and not can_share(student):
        bench.note(f"{network} has batch norm, which looks at whole batches: every process computes the same steps")
    return stages


def first_rows(own: MKDTSettings, shared: SharedConfig, bench: Bench, stages: Stages) -> Int[Tensor, "m"]:
    """The real images that the set begins with: of a class as many as there happen to be."""
    count, labels = shared.images_per_class * bench.classes, stages.real.train.labels
    if own.mkdt.initial == "random":
        return choose_random(labels, classes=bench.classes, per_class=shared.images_per_class, seed=shared.seed)
    if own.mkdt.initial == "indices":
        return read_indices(Path(shared.baseline.indices), len(labels))[:count]
    return _hardest(own, bench, stages)[:count]


def high_loss(own: MKDTSettings, shared: SharedConfig, bench: Bench) -> Int[Tensor, "m"]:
    """The hardest training images, as many as the set has: a choice of real images to compare with."""
    count = shared.images_per_class * bench.classes
    return _hardest(own, bench, open_stages(own, shared, bench))[:count]


def _hardest(own: MKDTSettings, bench: Bench, stages: Stages) -> Int[Tensor, "n"]:
    return hardest(_losses(own, bench, stages))


def _losses(own: MKDTSettings, bench: Bench, stages: Stages) -> list[Tensor]:
    """Of all training images, expert by expert."""
    store, train, experts = stages.store, stages.real.train, range(own.mkdt.experts)
    files = [store.folder / f"losses-{expert:04d}.npy" for expert in experts]

    def make(expert: int) -> Tensor:
        bench.phase("the hardest images", expert, len(experts))

        def made() -> Tensor:
            flat = store.snapshot(expert, 1)
            return image_losses(stages.student, flat, train.values, stages.teacher.of_rows, len(train))

        return kept_losses(files[expert], made, count=len(train), note=bench.note)

    _divided(len(experts), make, lambda expert: files[expert].exists(), bench)
    return [make(expert) for expert in experts]


def _told(own: MKDTSettings, shared: SharedConfig, bench: Bench, stages: Stages, rows: Tensor) -> dict[str, Any]:
    """What `told.stage_facts` says of the stages."""
    store, taken, whole = stages.store, 0.0, 0.0
    if own.mkdt.initial == "high-loss":
        mean = torch.stack(_losses(own, bench, stages)).double().mean(dim=0)
        taken, whole = float(mean[rows.cpu()].mean()), float(mean.mean())
    return {
        "teacher": own.pretrain.teacher, "entries": stages.teacher.size, "images": len(stages.real.train),
        "scale": f"{own.pretrain.scale} scale", "experts": own.mkdt.experts, "epochs": own.mkdt.epochs,
        "parameters": store.size, "losses": store.losses(own.mkdt.experts), "begun_with": own.mkdt.initial,
        "taken": len(rows), "loss_taken": taken, "loss_all": whole,
    }  # fmt: skip


def _train_missing(own: MKDTSettings, shared: SharedConfig, bench: Bench, stages: Stages) -> None:
    """Train the experts that are not in the store, or damaged, group by group: one that was cut short begins anew."""
    knobs, store, train = own.mkdt, stages.store, stages.real.train
    recipe = _recipe(own)
    groups = [range(first, first + knobs.side_by_side) for first in range(0, knobs.experts, knobs.side_by_side)]

    def make(place: int) -> None:
        group = groups[place]
        with FileLock(store.folder / f"lock-{group[0]:04d}", fallback_to_soft=False):
            if all([store.is_whole(expert, bench.note) for expert in group]):  # each of them is looked at
                return
            name = (
                f"experts: {group[0] + 1} of {knobs.experts}" if len(group) == 1 else f"experts up to {group[-1] + 1}"
            )

            def progress(done: int, total: int) -> None:
                bench.phase(name, done, total)

            losses: list[Tensor] = []  # of each epoch, one for each of the group
            snapshots = train_experts(
                group, stages.student, train.values, stages.teacher.of_rows, recipe=recipe, count=len(train),
                seed=shared.seed, progress=progress, told=lambda epoch, found: losses.append(found.cpu()),
            )  # fmt: skip
            for place, (expert, one) in enumerate(zip(group, snapshots, strict=True)):
                store.note_losses(expert, [float(epoch[place]) for epoch in losses])
                store.add(expert, one)

    def there(place: int) -> bool:
        return all(map(store.has, groups[place])) and all(store.is_whole(one, bench.note) for one in groups[place])

    _divided(len(groups), make, there, bench)


def _divided(count: int, make: Callable[[int], object], there: Callable[[int], bool], bench: Bench) -> None:
    """Make things numbered 0 to `count` - 1, dealt out in turn to the processes of the run, and wait until all are
    there. In one process: one after another.
    """
    for number in range(rank(), count, ranks()):
        make(number)
    others = [number for number in range(count) if number % ranks() != rank()]
    while not all(map(there, others)):
        bench.phase("waiting for the experts of the other processes")
        heed()
        time.sleep(_POLL_SECONDS)


def _recipe(own: MKDTSettings) -> ExpertRecipe:
    knobs = own.mkdt
    return ExpertRecipe(
        epochs=knobs.epochs, rate=knobs.expert_rate, momentum=knobs.expert_momentum, decay=knobs.expert_decay,
        batch=knobs.expert_batch,
    )  # fmt: skip


def _key(own: MKDTSettings, shared: SharedConfig, bench: Bench, *, stages: tuple[Teacher, Student]) -> str:
    """The folder of the experts: equal for runs whose experts have equal bits."""
    teacher, student = stages
    if not len(bench.train):
        raise UserError(f"{shared.dataset} has no training images; name one that has")
    facts = [
        bench.train.fingerprint, bench.train.content, own.side, *teacher.facts, asdict(student.shape),
        asdict(_recipe(own)), shared.seed, own.mkdt.side_by_side, own.mkdt.half, bench.compute.device.type,
    ]  # fmt: skip
    digest = hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()[:16]
    return f"{bench.train.name.replace('/', '-').replace(':', '-')}-{student.shape.architecture}-{digest}"
