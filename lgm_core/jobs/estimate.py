"""Time and memory of a run before its start: from runs of the past, or from a few steps measured on this machine.

What a step costs is the method's to say (methods/<method>/estimate.py), what a judge costs is the protocol's
(evaluation/work.py); here both are put together.

>>> guess = estimate(config, places()) or calibrate(config, places())
>>> guess.seconds_per_step, guess.seconds_total, guess.bytes, guess.fits
(0.42, 310.0, 1500000000, True)
"""

import platform
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from importlib import import_module
from pathlib import Path
from types import ModuleType

from lgm_core.backbones.students.student_names import is_student
from lgm_core.base.costs import Cost, DataSize, Measured, Past, Room
from lgm_core.base.errors import result_or_why
from lgm_core.base.machine import free_memory
from lgm_core.base.places import Places, places
from lgm_core.config import RunConfig
from lgm_core.datasets.catalog import find_row, has_splits
from lgm_core.evaluation.protocol import Key, key_of_report, keys_of
from lgm_core.evaluation.work import guessed_per_image, seconds_of, seconds_of_test_features
from lgm_core.jobs.calibrations import measured_here, run_calibration
from lgm_core.jobs.slots import processes_of, wanted_slots
from lgm_core.methods.catalog import method_of, own_settings
from lgm_core.runs.store import RunFolder, RunStore
from lgm_core.runs.used_groups import find_collection

_RECENT = 5  # runs looked at


@dataclass(frozen=True, kw_only=True)
class Estimate:
    """What a run will take. Seconds and bytes; 0 for memory that is not known."""

    seconds_per_step: float
    seconds_prepare: float  # features of the real images, unless kept from before; search for learning rates
    seconds_evaluate: float
    seconds_total: float
    bytes: int  # peak
    memory_here: int  # free now
    remedy: str  # what would fit instead, in words; "" where it fits
    device: str
    from_runs: tuple[str, ...]  # the runs that it is based on; () after a calibration
    divided: int = 1  # devices among which `seconds_prepare`, measured on one of them, was divided; steps never are

    @property
    def words_of_devices(self) -> str:
        """What the estimate assumes of a run on several devices; "" for one."""
        if self.divided == 1:
            return ""
        return f"The real images are divided among {self.divided} devices; a step is as on one, at most."

    @property
    def fits(self) -> bool:
        return not self.remedy


def estimate(config: RunConfig, places: Places) -> Estimate | None:
    """The estimate from similar runs on this machine, else from an earlier calibration; None without either."""
    if config.kind != "distill":
        return None
    method, data, room = _estimator(config), data_size(config), _room(config, places)
    runs = _past_runs(config, method, places)
    if runs:
        past = [one for _, one in runs]
        cost = method.from_past(own_settings(config), config, data, past, room)
        known = _known_seconds([run for run, _ in runs])
        told = tuple(run.id for run, _ in runs)
        return _assemble(config, method, data, cost, room, runs[0][0].status().device, told, known, {})
    found = measured_here(config, data, places)
    return _from_measured(config, method, data, room, found) if found else None


def calibrate(config: RunConfig, places: Places, said: Callable[[str], object] = lambda line: None) -> Estimate:
    """Measure a few steps in a process of its own (half a minute or so), and keep the answer for next time.

    Raises `UserError` where the device is busy, or where the steps fail; weights that are not here are not fetched.
    `said` is told how far it is, a line such as "measuring:  40%| 4/10".
    """
    data, room = data_size(config), _room(config, places)
    found = run_calibration(config, data, places, said)
    return _from_measured(config, _estimator(config), data, room, found)


def data_size(config: RunConfig) -> DataSize:
    """What the data set's catalogue row tells, or its folders; ten classes where neither does."""
    row = find_row(config.dataset)
    if row.collection:
        return _size_of_groups(config)
    path = Path(str(row.options.get("path", "")))
    path = path / "train" if has_splits(path) else path
    folders = sum(entry.is_dir() for entry in path.iterdir()) if "path" in row.options and path.is_dir() else 0
    classes, data = row.classes or folders or 10, config.data
    return DataSize(
        classes=classes,
        train=min(data.train_per_class * classes or 10**9, row.train or 100 * classes),
        test=min(data.test_per_class * classes or 10**9, row.test or 20 * classes),
        grey=row.grey,
    )


def _size_of_groups(config: RunConfig) -> DataSize:
    groups, _ = result_or_why(lambda: find_collection(config.dataset, places()))
    parts = result_or_why(groups.parts)[0] if groups else None
    train, test = map(len, parts or ([], []))
    return DataSize(classes=len(groups.classes) if groups else 10, train=train or 100, test=test or 20, grey=False)


def _estimator(config: RunConfig) -> ModuleType:
    return import_module(method_of(config).estimate)


def _room(config: RunConfig, places: Places) -> Room:
    slot = wanted_slots(config.device.device)[0]
    return Room(kind=slot.partition("-")[0], free=free_memory(slot), cache=places.cache)


def _past_runs(config: RunConfig, method: ModuleType, places: Places) -> list[tuple[RunFolder, Past]]:
    """The newest distillations of this machine that cost the same per step, or per view."""
    found, wanted = [], method.cost_of(own_settings(config), config, data_size(config))
    kind, several = wanted_slots(config.device.device)[0].partition("-")[0], processes_of(config.device.device)
    for run, facts in reversed(RunStore(places.runs).listed()):
        status = run.status()
        alike = (facts.kind, facts.method) == ("distill", config.method)
        here = status.host == platform.node() and status.device.startswith(kind)
        here = here and (f"{several} processes" in status.device if several > 1 else "processes" not in status.device)
        if alike and status.seconds_per_step and here:
            past = run.config()
            own, data = own_settings(past), data_size(past)
            if method.cost_of(own, past, data) == wanted:
                seconds, memory = status.seconds_per_step, status.device_memory
                one = Past(own=own, shared=past, data=data, seconds_per_step=seconds, bytes=memory, step=status.step)
                found.append((run, one))
        if len(found) == _RECENT:
            break
    return found


def _known_seconds(runs: list[RunFolder]) -> dict[tuple[str, int], float]:
    """What evaluations took, by the key's digest and the number of images."""
    return {
        (key_of_report(report, config).digest, report["train_images"]): report["seconds"]
        for run in runs
        for config in [run.config()]
        for report in run.eval_reports()
    }


def _from_measured(config: RunConfig, method: ModuleType, data: DataSize, room: Room, found: Measured) -> Estimate:
    cost = method.from_measured(own_settings(config), config, data, found, room)
    divided = processes_of(config.device.device)  # what was measured is one process
    cost = replace(cost, seconds_prepare=cost.seconds_prepare / divided)
    return replace(_assemble(config, method, data, cost, room, found.device, (), {}, found.judges), divided=divided)


def _assemble(
    config: RunConfig, method: ModuleType, data: DataSize, cost: Cost, room: Room, device: str, runs: tuple[str, ...],
    known: Mapping[tuple[str, int], float], judges: Mapping[str, float],
) -> Estimate:  # fmt: skip
    images = data.classes * config.images_per_class
    evaluate = 0.0
    for key in keys_of(config):
        per_image = judges.get(key.network) or _per_image(key, config, cost, room)
        told = known.get((key.digest, images))
        new = key.network not in config.networks()
        further = seconds_of_test_features(key, data, per_image) if new and told is None else 0.0
        evaluate += seconds_of(key, train_images=images, data=data, per_image=per_image) if told is None else told
        evaluate += further
    too_much = bool(room.free) and bool(cost.bytes) and cost.bytes > room.free
    return Estimate(
        seconds_per_step=cost.seconds_per_step,
        seconds_prepare=cost.seconds_prepare,
        seconds_evaluate=evaluate,
        seconds_total=cost.seconds_prepare + config.steps * cost.seconds_per_step + cost.seconds_beside + evaluate,
        bytes=cost.bytes,
        memory_here=room.free,
        remedy=method.remedy(cost) if too_much else "",
        device=device,
        from_runs=runs,
    )


def _per_image(key: Key, config: RunConfig, cost: Cost, room: Room) -> float:
    """Seconds per image of a judge that was not measured: those of the run's own network if both are of one kind
    (frozen or student), else a guess.
    """
    alike = is_student(key.network) == is_student(config.networks()[0])
    if alike and cost.seconds_per_image:
        return cost.seconds_per_image
    return guessed_per_image(key, room.kind) if is_student(key.network) else 0.02 if room.kind == "cpu" else 0.001
