"""Measured costs of a step, kept in cache/estimates: asked for here, measured by a process of its own.

>>> run_calibration(config, classes=10, places=places()).seconds  # with 1 and with 3 views of a few images
(0.31, 0.84)
"""

import hashlib
import json
import platform
import signal
import subprocess
import sys
import threading
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from lgm_core.backbones import catalog as backbones
from lgm_core.backbones.students.student_names import is_student
from lgm_core.base.errors import Unavailable, UserError
from lgm_core.base.files import read_json, set_aside_damaged, write_json
from lgm_core.base.knobs import to_dict
from lgm_core.base.places import Places, worker_environment
from lgm_core.config import RunConfig
from lgm_core.jobs.slots import environment_of, try_slot, wanted_slots

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
    set_aside_damaged(_file(config, classes, places))
    found = read_json(_file(config, classes, places))
    if "seconds" not in found:
        return None
    return Measured(
        views=tuple(found["views"]), seconds=tuple(found["seconds"]), bytes=tuple(found["bytes"]),
        forward_seconds=found["forward_seconds"], device=found["device"],
    )  # fmt: skip


def run_calibration(
    config: RunConfig, classes: int, places: Places, said: Callable[[str], object] = lambda line: None
) -> Measured:
    """Measure, and wait for it. Raises `UserError`: the device is busy, the weights are not here, the steps failed."""
    state = "ready" if is_student(config.backbone) else backbones.status(backbones.find_row(config.backbone), places)
    if state != "ready":
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
        lines = _measure(request, file, slot, config, places, said)
    finally:
        lock.close()
        request.unlink(missing_ok=True)
    found = measured_here(config, classes, places)
    if found is None:
        raise UserError(f"the measurement of {config.backbone} failed: {lines[-1] if lines else 'it said nothing'}")
    return found


def _measure(
    request: Path, file: Path, slot: str, config: RunConfig, places: Places, said: Callable[[str], object]
) -> list[str]:
    """What it said, but for its progress, which is passed on."""
    command = [sys.executable, "-m", "lgm_core", "calibrate", str(request), str(file)]
    environment, lines = worker_environment(places) | environment_of(slot, config.device.device), []
    with subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True) as it:
        expired = threading.Timer(_PATIENCE, it.kill)
        expired.start()
        for line in it.stderr or ():
            if "%|" in line:
                said(line.strip())
            elif line.strip():
                lines.append(line.strip())
        expired.cancel()
    if it.returncode == -signal.SIGKILL:
        lines.append(f"a few steps took more than {_PATIENCE} s, or the system ended them; take a smaller one")
    return lines


def _file(config: RunConfig, classes: int, places: Places) -> Path:
    """Under a key of all that the measured steps depend on."""
    images = min(classes * config.images_per_class, 8)
    device = config.device
    facts = [platform.node(), config.backbone, images, config.synthetic.resolution, config.normalisation]
    facts += [device.device, device.precision, device.threads, config.method]
    if config.method == "rcig":
        facts += [classes, config.images_per_class, config.dataset, to_dict(config.rcig)]
    digest = hashlib.sha256(json.dumps(facts).encode()).hexdigest()[:16]
    return places.estimates / f"{digest}.json"
