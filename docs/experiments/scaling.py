"""Does the cost of a step grow linearly in classes x views, and its memory not at all? And a bank's in images?

    python docs/experiments/scaling.py mobilenet_v3_small            # chunks of 50 views
    python docs/experiments/scaling.py mobilenet_v3_small --literal  # the paper's step beside it, up to 200 views

Median of three steps each; memory is what a step adds to the process at its peak. The bank is that of one view of
Imagenette's photographs ($LGM_DATASETS), reading and decoding them included.
"""

import statistics
import sys
import tempfile
import time
from pathlib import Path

from lgm_core.backbones.features import Bank, Recipe
from lgm_core.base.device import open_compute, step_memory
from lgm_core.base.places import places
from lgm_core.base.settings import AugmentConfig, DeviceConfig
from lgm_core.cli.bench import Bench
from lgm_core.datasets.open import open_dataset
from lgm_core.methods.lgm.literal_step import LiteralStep

CHUNK = 50
SIZES = [(10, 1), (10, 5), (10, 10), (20, 10), (50, 10), (100, 10)]


def main(name: str, literal: bool) -> None:
    compute = open_compute(DeviceConfig())
    print("| classes x views | step, s | ms / view | memory, MB | literal's memory, MB |\n|---|---|---|---|---|")
    for classes, views in SIZES:
        ours = Bench(name, views=views, classes=classes, chunk=CHUNK, compute=compute)
        ours.step()
        seconds = statistics.median(_seconds(ours.step) for _ in range(3))
        memory, theirs = step_memory(ours.step, compute.device) / 1e6, "-"
        if literal and classes * views <= 200:
            published = LiteralStep(name, views=views, classes=classes, compute=compute)
            published.step()
            theirs = f"{step_memory(published.step, compute.device) / 1e6:.0f}"
        per_view = 1e3 * seconds / (classes * views)
        print(f"| {classes} x {views} | {seconds:.3f} | {per_view:.2f} | {memory:.0f} | {theirs} |", flush=True)
    print("\n| images | bank, s | ms / image |\n|---|---|---|")
    backbone = Bench(name, views=1, classes=10, compute=compute).backbone
    for per_class in (50, 100, 200, 400):
        train, _ = open_dataset("imagenette", places().datasets, train_per_class=per_class, test_per_class=1, seed=0)
        recipe = Recipe(views=1, augment=AugmentConfig())
        with tempfile.TemporaryDirectory() as folder:
            began = time.perf_counter()
            Bank.open_or_compute(train, backbone, recipe, Path(folder), compute)
            seconds = time.perf_counter() - began
        print(f"| {len(train)} | {seconds:.2f} | {1e3 * seconds / len(train):.2f} |", flush=True)


def _seconds(run) -> float:
    began = time.perf_counter()
    run()
    return time.perf_counter() - began


if __name__ == "__main__":
    if len(sys.argv) < 2:
        sys.exit(__doc__)
    main(sys.argv[1], "--literal" in sys.argv)
