"""Measured costs of a step, kept in cache/estimates: asked for here, measured by a process of its own.

>>> run_calibration(config, data_size(config), places()).seconds  # with 1 and with 3 views of a few images
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
from importlib import import_module
from pathlib import Path

from lgm_core.backbones import catalog as backbones
from lgm_core.backbones.students.student_names import is_student
from lgm_core.base.costs import DataSize, Measured
from lgm_core.base.errors import Unavailable, UserError
from lgm_core.base.files import read_json, set_aside_damaged, write_json
from lgm_core.base.knobs import to_dict
from lgm_core.base.places import Places, worker_environment
from lgm_core.config import RunConfig
from lgm_core.jobs.slots import environment_of, try_slot, wanted_slots
from lgm_core.methods.catalog import method_of, own_settings
from lgm_core.runs.misfits import NUMBER, misfits

_PATIENCE = 600  # seconds
_MEASURED = {
    "views": [NUMBER], "seconds": [NUMBER], "bytes": [NUMBER], "forward_seconds": NUMBER, "device": str,
    "judges?": dict, "row_seconds?": NUMBER,
}  # fmt: skip


def measured_here(config: RunConfig, data: DataSize, places: Places) -> Measured | None:
    """What was measured for this method, network, size and device before, or None."""
    file = measurement_file(config, data, places)
    set_aside_damaged(file)
    found = read_json(file)
    if misfits(found, _MEASURED):
        return None
    return Measured(
        views=tuple(found["views"]), seconds=tuple(found["seconds"]), bytes=tuple(found["bytes"]),
        forward_seconds=found["forward_seconds"], device=found["device"], judges=found.get("judges", {}),
        row_seconds=found.get("row_seconds", 0.0),
    )  # fmt: skip


def run_calibration(
    config: RunConfig, data: DataSize, places: Places, said: Callable[[str], object] = lambda line: None
) -> Measured:
    """Measure, and wait for it. Raises `UserError`: the device is busy, the weights are not here, the steps failed."""
    for name in config.networks():
        state = "ready" if is_student(name) else backbones.status(backbones.find_row(name), places)
        if state != "ready":
            raise Unavailable(f"the weights of {name} are not on this machine ({state}); fetch them first")
    wanted = wanted_slots(config.device.device)
    held = try_slot(places.slots, wanted, "a measurement")
    if held is None:
        raise UserError(f"{' and '.join(wanted)}: busy with a run; a measurement would disturb both, so wait for it")
    slot, lock = held
    file = measurement_file(config, data, places)
    file.parent.mkdir(parents=True, exist_ok=True)
    request = file.with_suffix(".request")
    try:
        write_json(request, {"config": to_dict(config), "classes": data.classes})
        lines = _measure(request, file, slot, config, places, said)
    finally:
        lock.close()
        request.unlink(missing_ok=True)
    found = measured_here(config, data, places)
    if found is None:
        raise UserError(f"the measurement of {config.backbone} failed: {lines[-1] if lines else 'no message'}")
    return found


def _measure(
    request: Path, file: Path, slot: str, config: RunConfig, places: Places, said: Callable[[str], object]
) -> list[str]:
    """Run the measuring process. Returns the lines that it wrote, except progress, which goes to `said`."""
    command = [sys.executable, "-m", "lgm_core", "calibrate", str(request), str(file)]
    environment, lines = worker_environment(places) | environment_of([slot], config.device.device), []
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
        lines.append(f"a few steps took more than {_PATIENCE} s, or the system killed them; use a smaller backbone")
    return lines


def measurement_file(config: RunConfig, data: DataSize, places: Places) -> Path:
    """Where measured steps are kept: under a key of all that they depend on."""
    device, method = config.device, import_module(method_of(config).estimate)
    facts = [platform.node(), config.method, config.backbone, sorted(config.evaluate_on)]
    facts += [device.device, device.precision, device.threads, device.compile]
    facts += method.measured_by(own_settings(config), config, data)
    if any(map(is_student, config.evaluate_on)):  # what their size and their images' follow from
        scratch = config.scratch
        facts += [data.classes, data.grey, scratch.resolution, scratch.width, scratch.depth]
    digest = hashlib.sha256(json.dumps(facts).encode()).hexdigest()[:16]
    return places.estimates / f"{digest}.json"
