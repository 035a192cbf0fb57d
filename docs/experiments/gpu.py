"""What a ViT-B/14 costs on this GPU: step, share of the peak, and a whole default run. Needs no weights.

    python docs/experiments/gpu.py                                 # ten classes, ten views, bfloat16
    python docs/experiments/gpu.py --device cpu --backbone dinov2_vits14 --views 1 --rounds 1 --steps 30 --no-compile

The network has random weights: what it computes is of no use, what it costs is that of the trained one. The table is
that of `lgm bench`, in eager mode and through torch.compile with CUDA graphs; then one run of the default preset on the
embedded photographs, from an empty cache, with its own probe.
"""

import os
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

import timm
import torch
import tyro
from safetensors.torch import save_file

import lgm_core
from lgm_core.backbones.catalog import find_row
from lgm_core.cli.bench import bench


@dataclass
class Settings:
    device: str = "cuda"
    backbone: str = "dinov2_vitb14"  # a timm row of the catalogue
    views: int = 10
    classes: int = 10
    rounds: int = 10
    steps: int = 1000
    compile: bool = True


def random_weights(name: str, folder: Path) -> None:
    """Random weights where those of the backbone are looked for first."""
    row = find_row(name)
    torch.manual_seed(0)
    network = timm.create_model(row.architecture, num_classes=0, **row.model_args)
    save_file({key: tensor.contiguous() for key, tensor in network.state_dict().items()}, folder / row.file)


def main(settings: Settings) -> None:
    with tempfile.TemporaryDirectory() as cache:
        os.environ |= {"LGM_CACHE": cache, "LGM_WEIGHTS": cache}
        random_weights(settings.backbone, Path(cache))
        for compiled in (False, True) if settings.compile else (False,):
            print("torch.compile" if compiled else "eager", flush=True)
            bench(
                (settings.backbone,), views=settings.views, classes=settings.classes, rounds=settings.rounds,
                device=settings.device, compile=compiled, literal=not compiled,
            )  # fmt: skip
        began = time.perf_counter()
        run = lgm_core.distill(
            "scenes", settings.backbone, steps=settings.steps, evaluate_on=[settings.backbone],
            device={"device": settings.device},
        )  # fmt: skip
        steps = run.metrics().step_seconds
        whole = time.perf_counter() - began
        print(f"a default run, {settings.steps} steps: {whole:.0f} s in all, {steps.sum():.0f} s of steps")


if __name__ == "__main__":
    main(tyro.cli(Settings))
