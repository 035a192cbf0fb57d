"""Everything that docs/rcig.md and docs/results.md say of RCIG, as Markdown: python docs/experiments/rcig.py WHAT

speed     seconds per outer step, and as a ratio to one forward + backward of the same real images
products  milliseconds per product with the Jacobian and its transpose
digits    1 image per class, 300 steps, against random real images and without the implicit term
split     the same on a random split of the digits, as the specification's figures have it (own writers in the test)
rates     larger steps of images and labels
cifar10   1 image per class, width 32, 300 steps, against the same two
ablations digits with each switch off
threads   seconds per step with one and two threads, alone and beside a busy process; try OMP_WAIT_POLICY=PASSIVE too
long      CIFAR-10 as the paper has it, 1000 and 10,000 steps of width 128: for a GPU

Runs that are there already, finished, are not done again.
"""

import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from itertools import pairwise, product
from statistics import fmean, median, pstdev
from typing import Any

import numpy as np
import torch

from lgm_core.backbones.students import StudentShape, build_student
from lgm_core.calibration_rcig import noisy_rcig
from lgm_core.config import RunConfig
from lgm_core.datasets.image_set import ArrayImages
from lgm_core.datasets.open import open_dataset
from lgm_core.device import keep_freed_memory
from lgm_core.distillers.linearised import Frozen, Jacobian
from lgm_core.distillers.parameters import flatten
from lgm_core.distillers.pool import Pool
from lgm_core.distillers.rcig import RCIG
from lgm_core.engine import start, work
from lgm_core.interfaces import generator
from lgm_core.places import places
from lgm_core.presets import preset
from lgm_core.runs.store import RunFolder
from lgm_core.scratch import ScratchRecipe, predicted, train_networks
from lgm_core.student_bench import shape_of
from lgm_core.synthetic.labelled import LabelledSet, centred_targets
from lgm_core.whitened import Whitened, open_whitened

SIZES = ((32, 1, 256), (32, 1, 1024), (64, 1, 256), (128, 1, 256), (128, 1, 1024), (32, 10, 256))
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


def speed(sizes: Sequence[tuple[int, int, int]] = SIZES) -> None:
    """One row per size; both sides of the ratio are measured in turn, in one process. On a GPU also compiled."""
    keep_freed_memory()
    torch.set_num_threads(1)
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    print("| width | images per class | real batch | a step, s | forward + backward of the batch, s | ratio |")
    print("|---|---|---|---|---|---|")
    for (width, per_class, batch), compiled in product(sizes, (False, True) if device.type == "cuda" else (False,)):
        config = preset(
            "rcig_preview", images_per_class=per_class, rcig={"width": width, "batch": batch},
            device={"compile": compiled},
        )  # fmt: skip
        distiller, student = noisy_rcig(config, 10, device)
        images = torch.randn(batch, 3, 32, 32, device=device)
        steps, passes = [], []
        for step in range(4 if width < 128 else 3):
            steps.append(_seconds(partial(distiller.step, step), device))
            passes.append(_seconds(partial(_forward_and_back, student, images), device))
        one, other = median(steps[1:]), median(passes[1:])
        name = f"{width}, compiled" if compiled else str(width)
        print(f"| {name} | {per_class} | {batch} | {one:.3f} | {other:.3f} | {one / other:.2f} |", flush=True)


def products() -> None:
    """Milliseconds of one thread, the least of ten: ours, compiled, and what automatic differentiation takes."""
    keep_freed_memory()
    torch.set_num_threads(1)
    print("| width | images | J v | forward mode | J' u | reverse mode | J v, compiled | J' u, compiled |")
    print("|---|---|---|---|---|---|---|---|")
    cpu = torch.device("cpu")
    for width, count in ((32, 20), (32, 128), (128, 20)):
        shape = StudentShape(side=32, channels=3, classes=10, width=width, softplus=60.0)
        student = build_student(shape, random=generator("cpu", 0))
        images, outputs = torch.randn(count, 3, 32, 32), torch.randn(count, 10)
        one, other = (Frozen(student, flatten(student), {}, compiled=compiled) for compiled in (False, True))
        vector, body = 0.01 * torch.randn(one.size), one.body.clone().requires_grad_()
        ours, compiled = Jacobian(one, images), Jacobian(other, images)
        values = one(body, images)[0]
        calls = (
            partial(ours.times, vector), partial(one.tangent, images, vector), partial(ours.transposed, outputs),
            partial(torch.autograd.grad, values, body, outputs, retain_graph=True),
            partial(compiled.times, vector), partial(compiled.transposed, outputs),
        )  # fmt: skip
        least = [1000 * min(_seconds(call, cpu) for _ in range(11)) for call in calls]
        print(f"| {width} | {count} | {' | '.join(f'{value:.1f}' for value in least)} |", flush=True)


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


def threads() -> None:
    """Noise in place of images, which costs the same; the busy process takes one core."""
    print("| preset | threads | alone, s | beside a busy process, s |\n|---|---|---|---|")
    for name, count in product(("rcig_digits", "rcig_preview"), (1, 2)):
        torch.set_num_threads(count)
        alone = _median_step(name)
        busy = subprocess.Popen([sys.executable, "-c", "while True: pass"])
        beside = _median_step(name)
        busy.kill()
        print(f"| {name} | {count} | {alone:.3f} | {beside:.3f} |", flush=True)


def _median_step(name: str, steps: int = 12) -> float:
    distiller, _ = noisy_rcig(preset(name), 10, torch.device("cpu"))
    ends = [time.perf_counter()]
    for step in range(steps):
        distiller.step(step)
        ends.append(time.perf_counter())
    return median(after - before for before, after in pairwise(ends[2:]))


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
    shape = shape_of(config, "conv", real, softplus=config.rcig.softplus)
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
    shape = shape_of(config, "conv", real)
    networks = train_networks(lambda rows: published.pixels[rows], published.targets, shape, recipe=recipe)
    best, true = predicted(networks, real.test.batches())
    tops = 100 * (best[:, :, 0] == true).double().mean(dim=1)
    return f"{tops.mean():.1f} ± {tops.std(correction=0):.1f}"


def _forward_and_back(student: torch.nn.Module, images: torch.Tensor, chunk: int = 128) -> None:
    for part in images.split(chunk):
        torch.autograd.grad(student(part).square().sum(), list(student.parameters()))


def _seconds(call: Callable[[], object], device: torch.device) -> float:
    """On the CPU this process's own time on one thread: what other processes do counts little."""
    clock = time.process_time
    if device.type == "cuda":
        clock = time.perf_counter
        torch.cuda.synchronize()
    began = clock()
    call()
    if device.type == "cuda":
        torch.cuda.synchronize()
    return clock() - began


TABLES = {table.__name__: table for table in (speed, products, digits, split, rates, threads, ablations, cifar10, long)}

if __name__ == "__main__":
    for what in sys.argv[1:] or ("speed", "products", "digits", "split", "ablations", "cifar10"):
        TABLES[what]()
        print()
