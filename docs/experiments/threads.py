"""What a second thread gains: forward + backward of 30 views, with one and two threads, on cores that are idle or busy.

    python docs/experiments/threads.py        # two minutes, one table; needs the weights that `make setup` fetches

"Busy" cores have a process each that counts. Median of ten passes in wall seconds, and the CPU seconds of a pass;
the load average tells how idle the machine was.
"""

import multiprocessing
import os
import time
from statistics import median

os.environ.setdefault("OMP_NUM_THREADS", "2")

import torch  # noqa: E402

from lgm_core.backbones.frozen import open_backbone  # noqa: E402
from lgm_core.base.interfaces import Backbone  # noqa: E402
from lgm_core.base.places import places  # noqa: E402

VIEWS, PASSES = 30, 10


def count() -> None:
    while True:
        pass


def seconds(backbone: Backbone, threads: int) -> tuple[float, float]:
    """Wall and CPU seconds of a pass."""
    torch.set_num_threads(threads)
    views = torch.rand(VIEWS, 3, backbone.input_size, backbone.input_size, requires_grad=True)
    walls, began = [], 0.0
    for place in range(PASSES + 2):
        if place == 2:  # the first two are not counted
            began = time.process_time()
        start = time.perf_counter()
        backbone(views).square().mean().backward()
        walls.append(time.perf_counter() - start)
    return median(walls[2:]), (time.process_time() - began) / PASSES


def main() -> None:
    backbone = open_backbone("mobilenet_v3_small", places())
    print(f"load before: {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores\n")
    print("| busy cores | one thread, s (CPU) | two threads, s (CPU) |\n|---|---|---|")
    for busy in (0, 1, 2):
        others = [multiprocessing.Process(target=count, daemon=True) for _ in range(busy)]
        for other in others:
            other.start()
        one, two = seconds(backbone, 1), seconds(backbone, 2)
        print(f"| {busy} | {one[0]:.2f} ({one[1]:.2f}) | {two[0]:.2f} ({two[1]:.2f}) |", flush=True)
        for other in others:
            other.terminate()


if __name__ == "__main__":
    main()
