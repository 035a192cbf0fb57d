"""What a step costs: ours, the bare forward + backward of the same views, and the paper's literal step, in alternation.

lgm bench mobilenet_v3_small tf_efficientnet_lite0 --views 10 --classes 10
"""

import json
import statistics
import time
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any

import torch
import tyro
from torch import Tensor
from torch.utils.flop_counter import FlopCounterMode

from lgm_core.backbones.fitting import bytes_per_view, fitting_chunk
from lgm_core.backbones.frozen import open_backbone
from lgm_core.backbones.precision import choose_precision
from lgm_core.base.device import Compute, free_bytes, keep_freed_memory, open_compute, step_memory, usual_memory
from lgm_core.base.errors import UserError
from lgm_core.base.places import places
from lgm_core.base.settings import AugmentConfig, DeviceConfig
from lgm_core.cli.console import print_rows
from lgm_core.methods.lgm.config import LGMConfig, PyramidConfig, SyntheticConfig
from lgm_core.methods.lgm.lgm_settings import LGMSettings
from lgm_core.methods.lgm.literal_step import LiteralStep
from lgm_core.methods.lgm.measure import noise_distiller

# bfloat16 products per second, dense, as published by the maker, by a part of the device's name
BF16_PEAK = {"B200": 2250e12, "H200": 989e12, "H100": 989e12, "A100": 312e12, "L40S": 362e12, "RTX 4090": 165e12}
_WARM_UP = 2


def bench(
    backbones: Annotated[tuple[str, ...], tyro.conf.Positional] = ("mobilenet_v3_small", "tf_efficientnet_lite0"),
    views: int = 10,
    classes: int = 10,
    chunk: int = 0,
    rounds: int = 7,
    device: str = "auto",
    precision: str = "auto",
    compile: bool = False,
    literal: bool = True,
    json_file: Annotated[Path | None, tyro.conf.arg(name="json")] = None,
) -> int:
    """Time one step three ways, in turn in one process, and print medians and peak memory.

    step: the engine's, with all levels of a 128 px pyramid. bare: forward + backward, to the pixels, of the same number
    of views through the same network, nothing else. literal: the paper's, as its public code does it (the network as
    published, everything through autograd, the forward of a fresh real batch, torch's usual memory); decoding the real
    images is left out.

    Args:
        backbones: what to measure.
        views: views per synthetic image.
        classes: one synthetic image each.
        chunk: views per forward pass, of all images together; 0: as many as fit.
        rounds: repetitions; the median counts.
        device: auto, cpu, cuda or cuda:N.
        precision: auto, float32 or bfloat16.
        compile: the network of step and bare through torch.compile.
        literal: measure the paper's step too.
        json_file: write the rows there.
    """
    for name, value in (("views", views), ("classes", classes), ("rounds", rounds)):
        if value < 1:
            raise UserError(f"--{name} must be at least 1; {value} was given")
    compute = open_compute(DeviceConfig(device=device, precision=precision))  # type: ignore[arg-type]
    rows = []
    for name in backbones:
        ours = Bench(name, views=views, classes=classes, chunk=chunk, compute=compute, measure=precision == "auto")
        if compile:
            ours.compile()
        rows.append(_row(ours, _ways(ours, literal), rounds))
    print(f"{rows[0]['device']}, {rows[0]['threads']} CPU threads, torch {torch.__version__}" if rows else "")
    print_rows(list(_COLUMNS), [[show(row) for show in _COLUMNS.values()] for row in rows])
    if json_file is not None:
        json_file.write_text(json.dumps(rows, indent=1))
    return 0


def _ways(ours: "Bench", literal: bool) -> dict[str, Callable[[], object]]:
    ways: dict[str, Callable[[], object]] = {"step": ours.step, "bare": ours.bare}
    if literal:
        published = LiteralStep(ours.backbone.name, views=ours.view_count, classes=ours.classes, compute=ours.compute)

        def step() -> None:
            usual_memory()
            published.step()

        ways["literal"] = step
    return ways


def _row(ours: "Bench", ways: dict[str, Callable[[], object]], rounds: int) -> dict[str, Any]:
    compute, times = ours.compute, {way: [] for way in ways}
    for turn in range(rounds + _WARM_UP):
        for way, run in ways.items():
            keep_freed_memory()
            if way == "step":
                run()  # untimed: takes back the memory that the literal step has returned
            seconds = _timed(run, compute.device)
            if turn >= _WARM_UP:
                times[way].append(seconds)
    median = {way: statistics.median(values) for way, values in times.items()}
    peak = {way: step_memory(run, compute.device) for way, run in ways.items() if way != "bare"}
    facts, step, literal = compute.describe(), median["step"], median.get("literal")
    return {
        "backbone": ours.backbone.name,
        "views": ours.view_count,
        "classes": ours.classes,
        "chunk": ours.source.chunk,
        "device": facts["device_name"],
        "precision": compute.precision_of(ours.backbone),
        "threads": facts["threads"],
        "seconds_per_step": step,
        "seconds_bare": median["bare"],
        "seconds_literal": literal,
        "images_per_second": ours.view_count * ours.classes / step,
        "ratio_to_bare": step / median["bare"],
        "ratio_to_literal": literal / step if literal else None,
        "peak_bytes": peak["step"],
        "literal_peak_bytes": peak.get("literal"),
        "operations": ours.operations(),
        "share_of_peak": share_of_peak(ours.operations(), step, str(facts["device_name"])),
    }


def share_of_peak(operations: int, seconds: float, device_name: str) -> float | None:
    """Operations per second relative to the device's bfloat16 peak; None for a device whose peak is not listed."""
    peak = next((peak for part, peak in BF16_PEAK.items() if part in device_name), None)
    return operations / seconds / peak if peak else None


def _timed(run: Callable[[], object], device: torch.device) -> float:
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    began = time.perf_counter()
    run()
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    return time.perf_counter() - began


def _or_dash(value: float | None, form: str) -> str:
    return "-" if value is None else form.format(value)


_COLUMNS: dict[str, Callable[[dict[str, Any]], str]] = {
    "backbone": lambda row: row["backbone"],
    "classes x views": lambda row: f"{row['classes']} x {row['views']}",
    "precision": lambda row: row["precision"],
    "step, s": lambda row: f"{row['seconds_per_step']:.3f}",
    "views / s": lambda row: f"{row['images_per_second']:.0f}",
    "step / bare": lambda row: f"{row['ratio_to_bare']:.2f}",
    "literal, s": lambda row: _or_dash(row["seconds_literal"], "{:.3f}"),
    "literal / step": lambda row: _or_dash(row["ratio_to_literal"], "{:.1f}"),
    "memory, MB": lambda row: f"{row['peak_bytes'] / 1e6:.0f}",
    "literal, MB": lambda row: _or_dash(row["literal_peak_bytes"] and row["literal_peak_bytes"] / 1e6, "{:.0f}"),
    "share of peak": lambda row: _or_dash(row["share_of_peak"], "{:.2f}"),
}


class Bench:
    """The engine's step at full pyramid and the default resolution; the bare forward + backward of as many views."""

    def __init__(
        self, name: str, *, views: int, classes: int, chunk: int = 0, compute: Compute, measure: bool = False
    ) -> None:
        """`measure`: take the precision that is faster here."""
        device = compute.device
        self.compute, self.view_count, self.classes = compute, views, classes
        self.backbone = open_backbone(name, places(), device=device)
        if measure:
            compute.chosen[self.backbone.name] = choose_precision(self.backbone, compute, places().estimates)
        fits = fitting_chunk(views * classes, bytes_per_view(self.backbone, compute), free_bytes(device))
        own = LGMSettings(
            lgm=LGMConfig(views=views), synthetic=SyntheticConfig(), pyramid=PyramidConfig(), augment=AugmentConfig()
        )
        self.distiller = noise_distiller(own, classes, self.backbone, compute, chunk=chunk or fits)
        (self.source,) = self.distiller.sources
        self._step = 0

    def compile(self) -> None:
        """The network through torch.compile; with CUDA graphs on a GPU."""
        self.source.backbone = self.backbone = self.backbone.compiled()

    def step(self) -> None:
        self._step += 1
        self.distiller.step(self._step)

    def bare(self) -> None:
        """One forward + backward of all views, in chunks like the step's, but each chunk only once."""
        size, total = self.backbone.input_size, self.view_count * self.classes
        chunk = self.source.chunk or total
        for start in range(0, total, chunk):
            views = self._views(min(chunk, total - start), size)
            torch.autograd.grad(self.compute.features(self.backbone, views).sum(), views)

    def operations(self) -> int:
        """Multiplications and additions of one bare forward + backward, counted."""
        views = self._views(1, self.backbone.input_size)
        with FlopCounterMode(display=False) as counter:
            torch.autograd.grad(self.compute.features(self.backbone, views).sum(), views)
        return counter.get_total_flops() * self.view_count * self.classes

    def _views(self, count: int, size: int) -> Tensor:
        return torch.full((count, 3, size, size), 0.5, device=self.compute.device).requires_grad_()
