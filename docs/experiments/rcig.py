"""What docs/rcig.md and docs/results.md say of RCIG's sets, as Markdown: python docs/experiments/rcig.py WHAT

digits    1 image per class, 300 steps, against random real images and without the implicit term
split     the same on a random split of the digits, as the specification's figures have it (own writers in the test)
rates     larger steps of images and labels
cifar10   1 image per class, width 32, 300 steps, against the same two
ablations digits with each switch off
long      CIFAR-10 as the paper has it, 1000 and 10,000 steps of width 128: for a GPU

Runs that are there already, finished, are not done again. What a step costs: rcig_cost.py.
"""

import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from statistics import fmean, pstdev
from typing import Any

import numpy as np
import torch

from lgm_core.backbones.students.networks import build_student
from lgm_core.backbones.students.real_data import shape_of
from lgm_core.backbones.students.training import ScratchRecipe, centred_targets, predicted, train_networks
from lgm_core.base.interfaces import generator
from lgm_core.base.places import places
from lgm_core.config import RunConfig
from lgm_core.datasets.image_set import ArrayImages
from lgm_core.datasets.open import open_dataset
from lgm_core.datasets.whitened import Whitened, open_whitened
from lgm_core.engine import start, work
from lgm_core.methods.rcig.labelled import LabelledSet
from lgm_core.methods.rcig.pool import Pool
from lgm_core.methods.rcig.step import RCIG
from lgm_core.presets import preset
from lgm_core.runs.store import RunFolder

SWITCHES = (
    ("the method", {}),
    ("no implicit term", {"implicit": False}),
    ("no implicit term, no inner steps", {"implicit": False, "inner_steps": 0}),
    ("no linearisation", {"linearise": False}),
    ("no analytic head (naive)", {"analytic_head": False}),
    ("labels not learned", {"learn_labels": False}),
    ("no margin", {"margin": False}),
    ("in float64", {"float64": True}),
)


def digits() -> None:
    """One draw of everything, five networks each, on the catalogue's split: other writers in the test."""
    _compare("rcig_digits", seeds=(0,), scratch={})


def cifar10() -> None:
    """One draw, two networks each."""
    _compare("rcig_preview", seeds=(0,), scratch={"seeds": 2})


def long() -> None:
    """For a GPU: the paper's network and batch, at its number of steps and at a tenth of it."""
    for steps in (1000, 10_000):
        _compare("rcig_depth_3", seeds=(0,), scratch={"seeds": 2}, dataset="cifar10", images_per_class=1, steps=steps)


def ablations() -> None:
    """Digits, one draw, 150 steps."""
    print("| digits, 150 steps | top-1 | seconds per step |\n|---|---|---|")
    for name, switches in SWITCHES:
        run = _done(preset("rcig_digits", steps=150, live={"times": 0}, rcig=switches, scratch={"seeds": 3}))
        print(f"| {name} | {_top1([run])} | {run.status().seconds_per_step:.3f} |", flush=True)


def split() -> None:
    """1200 training and 597 test digits drawn from all; two draws, three networks each."""
    real, config = _mixed_digits(), preset("rcig_digits")
    print("| digits, random split | random real | RCIG, 300 steps | seconds |\n|---|---|---|---|")
    for seed in range(2):
        before, after, seconds = _one_draw(real, config, seed)
        print(f"| draw {seed} | {before} | {after} | {seconds:.0f} |", flush=True)


def rates() -> None:
    """Larger steps of images and labels than the paper's 0.003, where there are few."""
    real = _mixed_digits()
    print("| rate of images and labels | digits, 300 steps | 900 steps | CIFAR-10, 300 steps |\n|---|---|---|---|")
    for rate in (0.003, 0.01, 0.03):
        cells = []
        for steps in (300, 900):
            config = preset("rcig_digits", steps=steps, rcig={"image_rate": rate})
            cells.append(" / ".join(_one_draw(real, config, seed)[1] for seed in range(2)))
        run = _done(preset("rcig_preview", rcig={"image_rate": rate}, scratch={"seeds": 2}))
        print(f"| {rate} | {cells[0]} | {cells[1]} | {_top1([run])} |", flush=True)


def _mixed_digits() -> Whitened:
    """A random split of all digits, of all writers in both parts; the catalogue's has its own writers in the test."""
    parts = open_dataset("digits", places().datasets)
    pixels = np.concatenate([part.shards[0] for part in parts])  # type: ignore[attr-defined]
    labels = np.concatenate([part.labels.numpy() for part in parts])
    order = np.random.default_rng(0).permutation(len(labels))
    train, test = (
        ArrayImages(name=f"digits-mixed/{name}", shards=[pixels[rows]], labels=labels[rows], classes=parts[0].classes)
        for name, rows in (("train", order[:1200]), ("test", order[1200:]))
    )
    return open_whitened(train, test, side=8, channels=1, kind="standardise", cache=places().cache)


def _one_draw(real: Whitened, config: RunConfig, seed: int) -> tuple[str, str, float]:
    """What the first images are worth, what is learned from them, and the seconds in between."""
    classes = torch.arange(10)
    drawn = generator("cpu", seed)
    rows = [torch.nonzero(real.train.labels == c).flatten() for c in range(10)]
    first = torch.stack([own[torch.randint(len(own), (), generator=drawn)] for own in rows])
    learned = LabelledSet(
        real.train.values(first), centred_targets(classes, 10), classes, decode=real.transform.inverse,
        flip=False, learn_labels=True, decay=config.rcig.ema,
    )  # fmt: skip
    before, began = _worth(learned, config, real), time.perf_counter()
    shape = shape_of("conv", config.scratch, real, softplus=config.rcig.softplus)
    pool = Pool(build_student(shape, random=drawn), size=config.rcig.pool, life=config.rcig.pool_life,
                most_steps=config.rcig.pool_steps, rate=config.rcig.pool_rate, seed=seed)  # fmt: skip
    distiller = RCIG(config.rcig, synthetic=learned, real=real.train, pool=pool, seed=seed)
    distiller.search()
    for step in range(config.steps):
        distiller.step(step)
    seconds = time.perf_counter() - began
    return before, _worth(learned, config, real), seconds


def _compare(name: str, *, seeds: Sequence[int], scratch: dict, **others: Any) -> None:
    make = partial(preset, name, scratch=scratch, **others)
    print(f"| {make().dataset}, {make().steps} steps | top-1 | steps, s |\n|---|---|---|")
    rows: list[tuple[str, Callable[[int], RunConfig]]] = [
        ("random real images", lambda seed: make(kind="baseline", seed=seed)),
        ("RCIG", lambda seed: make(seed=seed)),
        ("RCIG, no implicit term", lambda seed: make(seed=seed, rcig={"implicit": False})),
    ]
    for label, config_with in rows:
        runs = [_done(replace(config_with(seed), name="")) for seed in seeds]
        seconds = [sum(line.get("step_seconds", 0.0) for line in run.metrics()) for run in runs]
        print(f"| {label} | {_top1(runs)} | {fmean(seconds):.0f} |", flush=True)


def _done(config: RunConfig) -> RunFolder:
    run = start(config, places())
    if run.status().state != "finished":
        work(run, places())
    return run


def _top1(runs: Sequence[RunFolder]) -> str:
    tops = [100 * top for run in runs for report in run.eval_reports()[:1] for top in report["top1_seeds"]]
    return f"{fmean(tops):.1f} ± {pstdev(tops):.1f}"


def _worth(learned: LabelledSet, config: RunConfig, real: Whitened) -> str:
    published = learned.published()
    recipe = ScratchRecipe(steps=1000, learning_rate=config.scratch.learning_rate, seeds=3)
    shape = shape_of("conv", config.scratch, real)
    networks = train_networks(lambda rows: published.pixels[rows], published.targets, shape, recipe=recipe)
    best, true = predicted(networks, real.test.batches())
    tops = 100 * (best[:, :, 0] == true).double().mean(dim=1)
    return f"{tops.mean():.1f} ± {tops.std(correction=0):.1f}"


TABLES = {table.__name__: table for table in (digits, split, rates, ablations, cifar10, long)}

if __name__ == "__main__":
    for what in sys.argv[1:] or ("digits", "split", "ablations", "cifar10"):
        TABLES[what]()
        print()
