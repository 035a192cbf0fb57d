"""What a step of RCIG costs, as Markdown: python docs/experiments/rcig_cost.py WHAT

speed     seconds per outer step, and as a ratio to one forward + backward of the same real images
products  milliseconds per product with the Jacobian and its transpose
threads   seconds per step with one and two threads, alone and beside a busy process; try OMP_WAIT_POLICY=PASSIVE too

Images are noise, which costs the same. On a GPU `speed` is measured there, also compiled.
"""

import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from functools import partial
from itertools import pairwise, product
from statistics import median

import torch

from lgm_core.backbones.students.networks import StudentShape, build_student
from lgm_core.backbones.students.parameters import flatten
from lgm_core.base.device import keep_freed_memory
from lgm_core.base.interfaces import generator
from lgm_core.methods.catalog import own_settings
from lgm_core.methods.rcig.linearised import Frozen, Jacobian
from lgm_core.methods.rcig.measure import noisy_rcig
from lgm_core.presets import preset

SIZES = ((32, 1, 256), (32, 1, 1024), (64, 1, 256), (128, 1, 256), (128, 1, 1024), (32, 10, 256))


def speed(sizes: Sequence[tuple[int, int, int]] = SIZES) -> None:
    """One row per size; both sides of the ratio are measured in turn, in one process. On a GPU also compiled."""
    keep_freed_memory()
    torch.set_num_threads(1)
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    print("| width | images per class | real batch | a step, s | forward + backward of the batch, s | ratio |")
    print("|---|---|---|---|---|---|")
    for (width, per_class, batch), compiled in product(sizes, (False, True) if device.type == "cuda" else (False,)):
        config = preset(
            "rcig_preview", images_per_class=per_class, rcig={"batch": batch}, scratch={"width": width},
            device={"compile": compiled},
        )  # fmt: skip
        distiller, student = noisy_rcig(own_settings(config), config, 10, device)
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
    config = preset(name)
    distiller, _ = noisy_rcig(own_settings(config), config, 10, torch.device("cpu"))
    ends = [time.perf_counter()]
    for step in range(steps):
        distiller.step(step)
        ends.append(time.perf_counter())
    return median(after - before for before, after in pairwise(ends[2:]))


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


TABLES = {table.__name__: table for table in (speed, products, threads)}

if __name__ == "__main__":
    for what in sys.argv[1:] or TABLES:
        TABLES[what]()
        print()
