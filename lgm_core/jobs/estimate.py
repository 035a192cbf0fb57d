"""Time and memory of a run before its start: from runs of the past, or from a few steps measured on this machine.

>>> guess = estimate(config, places()) or calibrate(config, places())
>>> guess.seconds_per_step, guess.seconds_total, guess.bytes, guess.fits, guess.largest_views
(0.42, 310.0, 1500000000, True, 31)
"""

import platform
import statistics
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from lgm_core.base.machine import free_memory
from lgm_core.base.places import Places
from lgm_core.config import RunConfig
from lgm_core.datasets.catalog import find_row
from lgm_core.jobs.calibrations import Measured, measured_here, run_calibration
from lgm_core.jobs.slots import wanted_slots
from lgm_core.methods.rcig import estimate as estimate_rcig
from lgm_core.runs.status import Status
from lgm_core.runs.store import RunFolder, RunStore

_BASE_BYTES = {"cpu": 700 * 2**20, "cuda": 300 * 2**20}  # of a process that has loaded torch, or a context
_DECODE_SECONDS = 0.003  # per real image
_HEAD_SECONDS = 0.002  # per step of a probe's heads
_RECENT = 5  # runs looked at


@dataclass(frozen=True, kw_only=True)
class Estimate:
    """What a run will take. Seconds and bytes; 0 for memory that is not known."""

    seconds_per_step: float
    seconds_prepare: float  # features of the real images, where they are not there yet
    seconds_evaluate: float
    seconds_total: float
    bytes: int  # peak
    memory_here: int  # free now
    largest_views: int  # that would fit into it with these images, all at once
    device: str
    from_runs: tuple[str, ...]  # the runs that it was told from; () after a calibration

    @property
    def fits(self) -> bool:
        return not self.memory_here or not self.bytes or self.bytes <= self.memory_here

    @property
    def remedy(self) -> str:
        """What would fit instead, in words; "" where it fits."""
        if self.fits:
            return ""
        if self.largest_views:
            return f"Lower lgm.views to {self.largest_views}, or leave lgm.chunk at 0: it goes in smaller passes."
        return "Lower images_per_class, or take a smaller backbone or network."


def estimate(config: RunConfig, places: Places) -> Estimate | None:
    """From runs with this backbone on this machine, else from a calibration of before; None without either."""
    if config.kind != "distill":
        return None
    past = _past_runs(config, places)
    if past and config.method == "rcig":
        told = tuple(run.id for run, _, _ in past)
        return _of_rcig(config, estimate_rcig.from_past(config, past), past[0][2].device, told)
    if past:
        return _from_past(config, places, past)
    found = measured_here(config, class_count(config), places)
    return _from_measured(config, places, found) if found else None


def calibrate(config: RunConfig, places: Places, said: Callable[[str], object] = lambda line: None) -> Estimate:
    """Measure a few steps in a process of its own (half a minute or so), and keep the answer for next time.

    Raises `UserError` where the device is busy, or where the steps fail; weights that are not here are not fetched.
    `said` is told how far it is, a line such as "measuring:  40%| 4/10".
    """
    return _from_measured(config, places, run_calibration(config, class_count(config), places, said))


def class_count(config: RunConfig) -> int:
    """How many classes the data set has by its catalogue row, or by its folders; 10 where neither tells."""
    row = find_row(config.dataset)
    train = Path(str(row.options.get("path", ""))) / "train"
    folders = sum(entry.is_dir() for entry in train.iterdir()) if "path" in row.options and train.is_dir() else 0
    return row.classes or folders or 10


def _past_runs(config: RunConfig, places: Places) -> list[tuple[RunFolder, RunConfig, Status]]:
    """The newest distillations that cost the same per view."""
    found = []
    kind = wanted_slots(config.device.device)[0].partition("-")[0]
    for run, facts in reversed(RunStore(places.runs).listed()):
        status = run.status()
        alike = (facts.kind, facts.method) == ("distill", config.method)
        if alike and status.seconds_per_step and status.host == platform.node() and status.device.startswith(kind):
            past = run.config()
            if _cost_group(past) == _cost_group(config):
                found.append((run, past, status))
        if len(found) == _RECENT:
            break
    return found


def _of_rcig(config: RunConfig, fields: dict[str, float], device: str, runs: tuple[str, ...]) -> Estimate:
    free = free_memory(wanted_slots(config.device.device)[0])
    return Estimate(**fields, memory_here=free, largest_views=0, device=device, from_runs=runs)  # type: ignore[arg-type]


def _cost_group(config: RunConfig) -> tuple[object, ...]:
    """What must be equal for one run to tell of another."""
    if config.method == "rcig":
        return "rcig", *estimate_rcig.cost_of(config)
    device = config.device
    return config.backbone, config.method, config.lgm.target == "batch", device.threads, device.precision


def _from_past(config: RunConfig, places: Places, past: list[tuple[RunFolder, RunConfig, Status]]) -> Estimate:
    classes, slot = class_count(config), wanted_slots(config.device.device)[0]
    base = _BASE_BYTES[slot.partition("-")[0]]
    rates, sizes = [], []
    for _, other, status in past:
        rates.append(status.seconds_per_step / _views(other, class_count(other)))
        sizes.append(max(status.device_memory - base, 0) / _at_once(other, class_count(other)))
    per_view, bytes_per_view = statistics.median(rates), statistics.median(sizes)
    reports = [report for run, _, _ in past for report in run.eval_reports()]
    probes = {report["backbone"]: report["seconds"] for report in reports}
    here = any(_same_features(config, other) and status.step > 0 for _, other, status in past)
    return _assemble(
        config, classes, slot, places,
        seconds_per_step=per_view * _views(config, classes), forward=per_view / 3, prepared=here, probes=probes,
        base=base, bytes_per_view=bytes_per_view, device=past[0][2].device, runs=tuple(run.id for run, _, _ in past),
    )  # fmt: skip


def _from_measured(config: RunConfig, places: Places, found: Measured) -> Estimate:
    if config.method == "rcig":
        return _of_rcig(config, estimate_rcig.from_measured(config, found), found.device, ())
    classes, slot = class_count(config), wanted_slots(config.device.device)[0]
    (few, many), (quick, slow), (small, large) = found.views, found.seconds, found.bytes
    per_view = max((slow - quick) / (many - few), 0.3 * slow / many)
    seconds = max(quick + per_view * (_views(config, classes) - few), per_view)
    bytes_per_view = max(large - small, 0) / (many - few)
    if config.lgm.target == "batch":  # the real side is decoded and seen anew at every step
        seconds += _views(config, classes) * (found.forward_seconds + _DECODE_SECONDS)
    return _assemble(
        config, classes, slot, places,
        seconds_per_step=seconds, forward=found.forward_seconds, prepared=False, probes={},
        base=int(small - few * bytes_per_view), bytes_per_view=bytes_per_view, device=found.device, runs=(),
    )  # fmt: skip


def _assemble(
    config: RunConfig, classes: int, slot: str, places: Places, *, seconds_per_step: float, forward: float,
    prepared: bool, probes: dict[str, float], base: int, bytes_per_view: float, device: str, runs: tuple[str, ...],
) -> Estimate:  # fmt: skip
    row, images = find_row(config.dataset), classes * config.images_per_class
    train = min(config.data.train_per_class * classes or 10**9, row.train or 100 * classes)
    test = min(config.data.test_per_class * classes or 10**9, row.test or 20 * classes)
    views = 0 if config.lgm.target == "batch" else config.bank.views
    on_map = min(config.record.map_images, 4 * config.steps, train)
    prepare = (
        0.0 if prepared else train * (views * forward + _DECODE_SECONDS) + (test + on_map) * (forward + _DECODE_SECONDS)
    )
    probe = config.probe.views * images * forward + config.probe.epochs * max(images / config.probe.batch, 1) * (
        _HEAD_SECONDS
    )
    evaluate = sum(probes.get(name, probe) for name in config.evaluate_on)
    live = config.live.times * (10 * images * forward + config.live.steps * _HEAD_SECONDS)
    trail = config.record.frames * images * forward if on_map else 0.0
    # per image: the levels and their gradient, two moments, the picture and what is between, in float32
    pictures = images * 3 * config.synthetic.resolution**2 * 4 * 6
    memory, free = int(base + _at_once(config, classes) * bytes_per_view + pictures), free_memory(slot)
    room = (free - base - pictures) / (bytes_per_view * images) if bytes_per_view else config.lgm.views
    return Estimate(
        seconds_per_step=seconds_per_step,
        seconds_prepare=prepare,
        seconds_evaluate=evaluate,
        seconds_total=prepare + config.steps * seconds_per_step + live + trail + evaluate,
        bytes=memory,
        memory_here=free,
        largest_views=max(int(room), 0) if free else config.lgm.views,
        device=device,
        from_runs=runs,
    )


def _same_features(config: RunConfig, other: RunConfig) -> bool:
    """Has the other run computed the very features that this one needs?"""
    return all(
        getattr(config, name) == getattr(other, name)
        for name in ("dataset", "backbone", "data", "augment", "bank", "normalisation", "seed")
    )


def _views(config: RunConfig, classes: int) -> int:
    return config.lgm.views * config.images_per_class * classes


def _at_once(config: RunConfig, classes: int) -> int:
    views = _views(config, classes)
    return min(config.lgm.chunk or views, views)
