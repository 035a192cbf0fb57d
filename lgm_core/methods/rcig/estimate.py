"""How long RCIG will take: from runs of the same cost on this machine, else from a few steps measured on noise.

>>> cost_of(config) == cost_of(replace(config, seed=1, steps=10))
True
"""

import statistics
from collections.abc import Sequence

from lgm_core.config import RunConfig
from lgm_core.datasets.catalog import find_row
from lgm_core.jobs.calibrations import Measured
from lgm_core.runs.status import Status
from lgm_core.runs.store import RunFolder

_COSTLESS = {
    "image_rate", "temperature_rate", "ema", "l2_rate", "inner_rate", "solve_rate", "search_leap", "pool", "pool_life",
    "pool_rate", "initial", "learn_labels", "margin", "published", "transform", "softplus",
}  # fmt: skip
_TRIALS = 35  # solves of both searches together, each as long as one of a step


def cost_of(config: RunConfig) -> tuple[object, ...]:
    """All that a step's cost depends on: equal for two runs of which one tells of the other."""
    knobs = {name: value for name, value in vars(config.rcig).items() if name not in _COSTLESS}
    row = find_row(config.dataset)
    return row.classes, row.grey, config.backbone, config.images_per_class, *knobs.values(), config.device.threads


def from_past(config: RunConfig, past: Sequence[tuple[RunFolder, RunConfig, Status]]) -> dict[str, float]:
    """Seconds and bytes by the names of `Estimate`'s fields, from the newest runs of this cost."""
    step = statistics.median(status.seconds_per_step for _, _, status in past)
    reports = {report["backbone"]: report["seconds"] for run, _, _ in past for report in run.eval_reports()}
    known = list(reports.values())
    typical = statistics.median(known) if known else 0.0
    evaluate = sum(reports.get(name, typical) for name in config.evaluate_on)
    return _fields(config, step, evaluate, max(status.device_memory for _, _, status in past))


def from_measured(config: RunConfig, found: Measured) -> dict[str, float]:
    """The same, from measured steps and the seconds per image of a training step from scratch."""
    images = 2 * config.images_per_class * (find_row(config.dataset).classes or 10)
    steps = config.scratch.steps or (1000 if config.images_per_class == 1 else 2000)
    each = steps * min(images, config.scratch.batch) + (find_row(config.dataset).test or 10_000) / 3
    evaluate = len(config.evaluate_on) * config.scratch.seeds * each * found.forward_seconds
    return _fields(config, found.seconds[-1], evaluate, found.bytes[-1])


def _fields(config: RunConfig, step: float, evaluate: float, memory: int) -> dict[str, float]:
    prepare = _TRIALS * step / 3
    total = prepare + config.steps * step + evaluate
    return {"seconds_per_step": step, "seconds_prepare": prepare, "seconds_evaluate": evaluate, "seconds_total": total,
            "bytes": memory}  # fmt: skip
