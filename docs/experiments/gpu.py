"""What this GPU does with the engine, as one table a part; `make gpu` runs all of them. Needs no weights and no data.

    python docs/experiments/gpu.py                                       # every part
    python docs/experiments/gpu.py --parts bench run --backbone dinov2_vits14
    python docs/experiments/gpu.py --device cpu --backbone dinov2_vits14 --views 1 --rounds 1 --steps 30 --no-compile

same     two runs have the same images; a GPU's are those of the CPU, nearly
bench    `lgm bench`: a step, the bare forward + backward, the paper's literal step; then through torch.compile
parts    where a step's time goes: the kernels that take most of it, and all that is not the network
crop     the views of a step: two sparse products (as in crop.py), two dense ones for each crop, torch's grid_sample
run      a whole run of the default preset on the embedded photographs, from an empty cache, with its own probe
rcig     a step of RCIG (rcig_cost.py speed)
mkdt     a step of MKDT and its memory (mkdt.py cost)

At the end one table says which parts ran, and for how long. Without a GPU it says so, and nothing fails.

The network has random weights: what it computes is of no use, what it costs is that of the trained one. A part that
fails says so, and the next one goes on; the exit code tells.
"""

import os
import subprocess
import sys
import tempfile
import time
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from statistics import median
from typing import Literal, get_args

import timm
import torch
import tyro
from safetensors.torch import save_file
from torch.nn.functional import affine_grid, grid_sample
from torch.profiler import ProfilerActivity, profile

import lgm_core
from lgm_core.backbones.augment import Augment, Choices
from lgm_core.backbones.catalog import find_row
from lgm_core.backbones.crop import taps
from lgm_core.base.device import open_compute
from lgm_core.base.interfaces import generator
from lgm_core.base.settings import AugmentConfig, DeviceConfig
from lgm_core.cli.bench import Bench, bench
from lgm_core.cli.console import print_rows

Part = Literal["same", "bench", "parts", "crop", "run", "rcig", "mkdt"]


@dataclass
class Settings:
    parts: tuple[Part, ...] = get_args(Part)
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


def same(settings: Settings) -> None:
    """Runs of 40 steps of small networks; float32, and what the device takes by itself."""
    rows = []
    for network, precision in (("test_vit", "float32"), ("test_vit", "auto"), ("test_efficientnet", "float32")):
        images = partial(_short_run, network, precision)
        first, second = images(settings.device, "first"), images(settings.device, "second")
        row = [network, precision, f"{(first - second).abs().max():.1e}"]
        row.append(f"{(images('cpu', 'cpu') - first).abs().mean():.1e}" if precision == "float32" else "-")
        rows.append(row)
    print_rows(["network", "precision", "largest difference of two runs", "mean difference from the CPU's"], rows)


def _short_run(network: str, precision: str, device: str, name: str) -> torch.Tensor:
    """The images, float64, of a short run under this name."""
    path = Path(os.environ["LGM_CACHE"]) / f"{network}.safetensors"
    torch.manual_seed(0)
    save_file(timm.create_model(network, num_classes=0).state_dict(), path)
    made = lgm_core.distill(
        "details", f"file:{path}?timm={network}", preset="preview", steps=40, name=f"{name}-{network}-{precision}",
        pyramid={"grow_every": 6}, data={"train_per_class": 20}, evaluate_on=[],
        device={"device": device, "precision": precision},
    )  # fmt: skip
    return made.images.double()


def steps(settings: Settings) -> None:
    for compiled in (False, True) if settings.compile else (False,):
        print("torch.compile" if compiled else "eager", flush=True)
        bench(
            (settings.backbone,), views=settings.views, classes=settings.classes, rounds=settings.rounds,
            device=settings.device, compile=compiled, literal=not compiled,
        )  # fmt: skip


def where(settings: Settings) -> None:
    ours = _bench(settings)
    for _ in range(3):
        ours.step()
    on_gpu = torch.device(settings.device).type == "cuda"
    activities = [ProfilerActivity.CPU, ProfilerActivity.CUDA] if on_gpu else [ProfilerActivity.CPU]
    count = 5
    with profile(activities=activities) as seen:
        began = time.perf_counter()
        for _ in range(count):
            ours.step()
        wall = time.perf_counter() - began
    key = "self_device_time_total" if on_gpu else "self_cpu_time_total"
    events = sorted(seen.key_averages(), key=lambda event: -getattr(event, key))
    rows = [
        [event.key[:70], f"{getattr(event, key) / 1e3 / count:.2f}", f"{event.count / count:.0f}"]
        for event in events[:14]
    ]
    print_rows(["kernel", "ms a step", "times a step"], rows)
    print(f"{wall / count * 1e3:.1f} ms a step, profiled")
    ours.backbone.network = _Nothing(ours.backbone.feature_size)  # type: ignore[union-attr]
    seconds = _median(ours.step, torch.device(settings.device), settings.rounds)
    print(f"a step with a network that computes nothing: {seconds * 1e3:.2f} ms")


class _Nothing(torch.nn.Module):
    """Features of the right number, from the views, for nothing."""

    def __init__(self, features: int) -> None:
        super().__init__()
        self.features = features

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        return images.flatten(1)[:, : self.features]


def crop(settings: Settings) -> None:
    device, sides = torch.device(settings.device), 224
    augment = Augment(AugmentConfig(noise_std=0.0, noise_mean=0.0), side=sides, seed=0, device=device)
    images = torch.rand(settings.classes, 3, 256, 256, device=device, requires_grad=True)
    choices = augment.draw(settings.classes, views=settings.views, random=generator("cpu", 0))

    def sparse() -> torch.Tensor:
        return augment(images, choices)

    def batched() -> torch.Tensor:
        rows, columns = (_matrix(choices, axis, 256, sides) for axis in (0, 1))
        return rows[:, None] @ images[choices.image] @ columns[:, None].transpose(2, 3)

    def sampled() -> torch.Tensor:
        mirrored = torch.where(choices.flip, -choices.size[:, 1], choices.size[:, 1])
        zero = torch.zeros_like(mirrored)
        theta = torch.stack(
            (
                torch.stack((mirrored, zero, choices.centre[:, 1]), dim=1),
                torch.stack((zero, choices.size[:, 0], choices.centre[:, 0]), dim=1),
            ),
            dim=1,
        )
        grid = affine_grid(theta, [len(choices), 3, sides, sides], align_corners=False)
        return grid_sample(images[choices.image], grid, padding_mode="border", align_corners=False)

    with torch.no_grad():
        wanted = sampled()
    rows = []
    for way in (sparse, batched, sampled):
        off = (way().detach() - wanted).abs().max().item()
        seconds = _median(lambda way=way: torch.autograd.grad(way().sum(), images), device, settings.rounds)
        rows.append([way.__name__, f"{seconds * 1e3:.2f}", f"{off:.0e}"])
    print_rows(["crops", "ms, forward + backward", "from grid_sample"], rows)


def run(settings: Settings) -> None:
    began = time.perf_counter()
    made = lgm_core.distill(
        "scenes", settings.backbone, steps=settings.steps, evaluate_on=[settings.backbone],
        device={"device": settings.device},
    )  # fmt: skip
    whole, seconds = time.perf_counter() - began, made.metrics().step_seconds
    print(f"a default run, {settings.steps} steps: {whole:.0f} s in all, {seconds.sum():.0f} s of steps", end=", ")
    print(f"the median of the last hundred {median(seconds[-100:].tolist()) * 1e3:.1f} ms")


def _bench(settings: Settings) -> Bench:
    compute = open_compute(DeviceConfig(device=settings.device))
    return Bench(settings.backbone, views=settings.views, classes=settings.classes, compute=compute)


def _matrix(choices: Choices, axis: int, inputs: int, outputs: int) -> torch.Tensor:
    """The dense matrix of a crop's lines, [M, outputs, inputs]."""
    size = choices.size[:, axis]
    if axis == 1:
        size = torch.where(choices.flip, -size, size)
    lines = taps(choices.centre[:, axis], size, inputs, outputs)
    matrix = torch.zeros(len(choices), outputs, inputs, device=size.device)
    return matrix.scatter_add_(2, lines.line, lines.weight)


def _median(work: Callable[[], object], device: torch.device, rounds: int) -> float:
    times = []
    for _ in range(rounds + 3):
        began = time.perf_counter()
        work()
        if device.type == "cuda":
            torch.cuda.synchronize(device)
        times.append(time.perf_counter() - began)
    return median(times[3:])


def script(name: str, what: str, _: Settings) -> None:
    """Another script, which takes the device that it finds."""
    subprocess.run([sys.executable, str(Path(__file__).with_name(name)), what], check=True)


PARTS: dict[str, Callable[[Settings], None]] = {
    "same": same, "bench": steps, "parts": where, "crop": crop, "run": run,
    "rcig": partial(script, "rcig_cost.py", "speed"), "mkdt": partial(script, "mkdt.py", "cost"),
}  # fmt: skip


def main(settings: Settings) -> int:
    if settings.device.startswith("cuda") and not torch.cuda.is_available():
        print("no CUDA device is here: nothing was run")
        return 0
    rows: list[list[str]] = []
    for part in settings.parts:
        print(f"\n== {part}", flush=True)
        with tempfile.TemporaryDirectory() as cache:
            os.environ |= {"LGM_CACHE": cache, "LGM_WEIGHTS": cache}
            random_weights(settings.backbone, Path(cache))
            began, state = time.perf_counter(), "ran"
            try:
                PARTS[part](settings)
            except Exception:
                traceback.print_exc(limit=-4)
                state = "failed"
            rows.append([part, f"{time.perf_counter() - began:.0f}", state])
    print_rows(["part", "s", "state"], rows)
    return int(any(state == "failed" for _, _, state in rows))


if __name__ == "__main__":
    sys.exit(main(tyro.cli(Settings)))
