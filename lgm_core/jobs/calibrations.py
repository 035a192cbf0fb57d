"""Measured costs of a step, kept in cache/estimates: asked for here, measured by a process of its own.

>>> run_calibration(config, classes=10, places=places()).seconds  # with 1 and with 3 views of a few images
(0.31, 0.84)
"""

import hashlib
import json
import platform
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from lgm_core.backbones import catalog as backbones
from lgm_core.config import RunConfig
from lgm_core.errors import Unavailable, UserError
from lgm_core.jobs.slots import environment_of, try_slot, wanted_slots
from lgm_core.knobs import to_dict
from lgm_core.places import Places, worker_environment
from lgm_core.runs.files import read_json, write_json

_PATIENCE = 600  # seconds


@dataclass(frozen=True, kw_only=True)
class Measured:
    """Two sizes of a step: views in all, seconds, peak bytes; and a forward pass, in seconds per image."""

    views: tuple[int, int]
    seconds: tuple[float, float]
    bytes: tuple[int, int]
    forward_seconds: float
    device: str


def measured_here(config: RunConfig, classes: int, places: Places) -> Measured | None:
    """What was measured for this backbone, size and device before, or None."""
    found = read_json(_file(config, classes, places))
    if "seconds" not in found:
        return None
    return Measured(
        views=tuple(found["views"]), seconds=tuple(found["seconds"]), bytes=tuple(found["bytes"]),
        forward_seconds=found["forward_seconds"], device=found["device"],
    )  # fmt: skip


def run_calibration(config: RunConfig, classes: int, places: Places) -> Measured:
    """Measure, and wait for it. Raises `UserError`: the device is busy, the weights are not here, the steps failed."""
    row = backbones.find_row(config.backbone)
    if (state := backbones.status(row, places)) != "ready":
        raise Unavailable(f"the weights of {config.backbone} are not here ({state}); fetch them first")
    wanted = wanted_slots(config.device.device)
    held = try_slot(places.slots, wanted)
    if held is None:
        raise UserError(f"{' and '.join(wanted)}: busy with a run; a measurement would disturb both, so wait for it")
    slot, lock = held
    file = _file(config, classes, places)
    file.parent.mkdir(parents=True, exist_ok=True)
    request = file.with_suffix(".request")
    try:
        write_json(request, {"config": to_dict(config), "classes": classes})
        done = _measure(request, file, slot, config, places)
    finally:
        lock.close()
        request.unlink(missing_ok=True)
    found = measured_here(config, classes, places)
    if found is None:
        last = (done.stderr.strip().splitlines() or [f"exit code {done.returncode}"])[-1]
        raise UserError(f"the measurement of {config.backbone} failed: {last}")
    return found


def _measure(
    request: Path, file: Path, slot: str, config: RunConfig, places: Places
) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "lgm_core", "calibrate", str(request), str(file)]
    try:
        return subprocess.run(
            command, env=worker_environment(places) | environment_of(slot, config.device.device),
            capture_output=True, text=True, timeout=_PATIENCE,
        )  # fmt: skip
    except subprocess.TimeoutExpired:
        raise UserError(f"a few steps of {config.backbone} took more than {_PATIENCE} s; take a smaller one") from None


def _file(config: RunConfig, classes: int, places: Places) -> Path:
    """Under a key of all that the measured steps depend on."""
    images = min(classes * config.images_per_class, 8)
    device = config.device
    facts = [platform.node(), config.backbone, images, config.synthetic.resolution, config.normalisation]
    facts += [device.device, device.precision, device.threads, config.method]
    digest = hashlib.sha256(json.dumps(facts).encode()).hexdigest()[:16]
    return places.estimates / f"{digest}.json"
