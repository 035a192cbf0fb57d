"""What a set of images cost, to stand beside what it is worth. Needs no torch.

>>> budget_of(run, images=10).words
'118 s of steps, 9,000 views seen, 2 backbones, all training labels'
"""

import math
from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import fmean, median

from lgm_core.base.remembered import Remembered
from lgm_core.config import RunConfig
from lgm_core.methods.catalog import METHODS, known_method, own_settings
from lgm_core.reports.unseen import took_part
from lgm_core.runs.store import RunFolder


@dataclass(frozen=True, kw_only=True)
class Budget:
    """`seconds`: of the steps alone; `seen`: views of the learned images; 0 where there are none, or not known.

    `networks`: that were looked through; `labels`: whose labels were used, in words.
    """

    seconds: float
    seen: int
    networks: int
    labels: str

    @property
    def words(self) -> str:
        told = [f"{self.seconds:,.0f} s of steps"] if self.seconds else []
        told += [f"{self.seen:,} views seen"] if self.seen else []
        told += [f"{self.networks} backbone{'s' if self.networks > 1 else ''}"] if self.networks else []
        return ", ".join([*told, self.labels])


def budget_of(run: RunFolder, images: int) -> Budget:
    """The budget of a run that made or chose so many images; seconds are those of logged steps, taken for all steps."""
    config = run.config()
    networks = len(took_part(config))
    if config.kind != "distill":
        return Budget(seconds=0.0, seen=0, networks=networks, labels=_labels_of_choice(config, bool(networks)))
    steps, row = config.steps - config.fork_step, known_method(config)
    return Budget(
        seconds=steps * (_STEP_SECONDS.of(run.metrics_file) if run.metrics_file.exists() else 0.0),
        seen=round(steps * own_settings(config).views_of_a_step(images, len(config.networks()))) if row else 0,
        networks=networks,
        labels=own_settings(config).labels_used() if row else "all training labels",
    )


def budget_sentence(run: RunFolder) -> str:
    """The budget of the set that a run made or chose and that was judged, as a sentence; "" for other runs."""
    reports = run.eval_reports() if run.config().kind in ("distill", "baseline") else []
    if not reports:
        return ""
    return f"Their budget: {budget_of(run, max(report['train_images'] for report in reports)).words}."


def _labels_of_choice(config: RunConfig, looked: bool) -> str:
    """Whose labels a choice of real images used; `looked`: through networks."""
    choice = config.baseline.choice
    if choice == "high-loss" and config.method in METHODS:
        return own_settings(config).labels_used(chosen=True)
    if choice == "none":
        return "no labels"
    return "all training labels" if looked or choice == "full" else "only their own labels"


def budget_of_several(runs: Iterable[RunFolder], images: int) -> Budget | None:
    """That of runs which differ in the seed alone, with the median of their seconds; None for no run."""
    found = [budget_of(run, images) for run in runs]
    return replace(found[0], seconds=median(one.seconds for one in found)) if found else None


def _mean_step(path: Path) -> float:
    told = [line.get("step_seconds") for line in RunFolder(path.parent).metrics()]
    seconds = [value for value in told if isinstance(value, int | float) and math.isfinite(value)]
    return fmean(seconds) if seconds else 0.0


_STEP_SECONDS = Remembered(_mean_step)
