"""What digests and waiting for the disk cost, as Markdown: python docs/experiments/durable.py [FOLDER]

Median of twenty, in milliseconds: a checkpoint of ten classes at 128 px with Adam's two moments, a report, a bank of
5,000 images. A check is what opening costs, once a process.
"""

import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median

import numpy as np
import torch
from safetensors.torch import save_file

from lgm_core.backbones.bank_files import create_bank
from lgm_core.base.files import append_line, replacing, to_disk, write_json
from lgm_core.base.seals import require_whole, seal
from lgm_core.base.tensor_files import save_tensors


def milliseconds(work: Callable[[], object]) -> float:
    times = []
    for _ in range(20):
        began = time.perf_counter()
        work()
        times.append((time.perf_counter() - began) * 1e3)
    return median(times)


def main() -> None:
    with tempfile.TemporaryDirectory(dir=sys.argv[1] if len(sys.argv) > 1 else None) as name:
        folder = Path(name)
        sides = [2**k for k in range(8)]
        state = {f"{kind}.{side}": torch.rand(10, 3, side, side) for kind in ("level", "m", "v") for side in sides}
        report = {"top1": 0.5, "confusion": [[1] * 10] * 10, "per_class": [0.5] * 10}

        def plain() -> None:
            with replacing(folder / "plain.safetensors") as new:
                save_file(state, new)

        lines = [folder / f"{name}.jsonl" for name in ("metrics", "index", "trail", "details")]

        def settle() -> None:
            for file in lines:
                append_line(file, {"step": 4, "loss": 0.4})
            for path in (*lines, folder):
                to_disk(path)

        rows = create_bank(folder / "bank", (5000, 1, 576))
        rows[:] = np.random.default_rng(0).random(rows.shape)
        rows.flush()
        seal(folder / "bank")
        print("| what | ms |\n|---|---|")
        for what, work in {
            "checkpoint, 8 MB, as before": plain,
            "checkpoint, sealed and on the disk": lambda: save_tensors(state, folder / "x.safetensors"),
            "four files of lines and a folder, before each checkpoint": settle,
            "check of a checkpoint": lambda: require_whole(folder / "x.safetensors"),
            "report, as before": lambda: write_json(folder / "a.json", report),
            "report, sealed and on the disk": lambda: write_json(folder / "b.json", report, sealed=True),
            "check of a bank of 5,000 x 576": lambda: require_whole(folder / "bank"),
            "bank to the disk": lambda: to_disk(folder / "bank"),
        }.items():
            print(f"| {what} | {milliseconds(work):.1f} |")


if __name__ == "__main__":
    main()
