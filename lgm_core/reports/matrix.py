"""A study as a matrix, distilled with x evaluated with: every cell that is there, under way, failed or missing.

>>> matrix = study_matrix(store.study("demo"))
>>> slot = matrix.slot(matrix.rows[0], "mobilenet_v2")
>>> slot.state, matrix.value(matrix.rows[0], "mobilenet_v2", "relative")
('done', 0.94)
"""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from typing import Literal

from lgm_core.backbones.students.student_names import is_student
from lgm_core.base.errors import ConfigError
from lgm_core.base.names import file_name
from lgm_core.base.remembered import Remembered
from lgm_core.config import RunConfig, validate
from lgm_core.evaluation.protocol import keys_of, network_of, protocol_of
from lgm_core.methods.catalog import known_method
from lgm_core.reports.labels import Labels
from lgm_core.reports.summary import CHOICES, Cell, Row, Table, of_images, result_table, row_of
from lgm_core.reports.unseen import tells_unseen
from lgm_core.runs.store import RunFolder

View = Literal["raw", "relative", "over centroids"]
_HALTED = ("paused", "failed", "lost", "stopped")
_WORST_FIRST = ("running", "queued", *_HALTED)


@dataclass(frozen=True, kw_only=True)
class Slot:
    """A cell in any state: "done", a state of the run that would fill it, or "missing" where no run was asked to."""

    state: str
    cell: Cell | None = None
    runs: tuple[str, ...] = ()
    waiting: int = 0  # further runs, queued or running, that will add to it
    halted: tuple[str, ...] = ()  # runs of it that came to no result and do not go on by themselves


@dataclass(frozen=True, kw_only=True)
class Matrix:
    rows: tuple[Row, ...]
    columns: tuple[str, ...]
    slots: dict[tuple[str, str], Slot] = field(default_factory=dict)  # by row label and column

    @property
    def tells_unseen(self) -> bool:
        """Is the worst judge that took no part known of a learned set?"""
        return tells_unseen(self.rows)

    def slot(self, row: Row, column: str) -> Slot:
        return self.slots.get((row.label, column), Slot(state="missing"))

    def value(self, row: Row, column: str, view: View) -> float | None:
        """Top-1 in [0, 1]; divided by that of all real images; or minus that of the column's own centroids."""
        cell = self.slot(row, column).cell
        if cell is None or view == "raw":
            return cell.mean if cell else None
        base = self._base(column, "full" if view == "relative" else "centroids", row)
        if base is None:
            return None
        return (cell.mean / base.mean if base.mean else None) if view == "relative" else cell.mean - base.mean

    def _base(self, column: str, choice: str, row: Row) -> Cell | None:
        found = [other for other in self.rows if other.choice == choice and column in other.cells]
        if choice == "centroids":
            found = [other for other in found if other.backbone == network_of(column)]
            if row.choice != "full":
                found = [other for other in found if other.images == row.images]
        return found[0].cells[column] if found else None


def study_matrix(runs: Sequence[RunFolder], backbones: Sequence[str] = ()) -> Matrix:
    """The matrix of these runs; `backbones`: columns and distilled rows to show even where nothing is known of them."""
    runs = [run for run in runs if config_of(run).kind in ("distill", "baseline", "evaluate")]
    configs = {run.id: config_of(run) for run in runs}
    found, labels = result_table(runs, configs), Labels(configs)
    rows = {row.label: row for row in found.rows}
    waiting: dict[tuple[str, str], list[tuple[str, str]]] = {}
    for run in runs:
        state = run.status().state
        for key in keys_of(configs[run.id]):
            row = row_of(configs[run.id], configs, key, labels)
            rows.setdefault(row.label, row)
            waiting.setdefault((row.label, key.column), []).append((state, run.id))
    for row in (*_unjudged(configs, labels), *_wanted(configs, backbones, labels)):
        rows.setdefault(row.label, row)
    columns = _columns(found, configs, backbones)
    slots = {
        (label, column): _slot(row.cells.get(column), waiting.get((label, column), []))
        for label, row in rows.items()
        for column in columns
    }

    def order(row: Row) -> tuple[int, int, str, int]:
        place = columns.index(row.backbone) if row.backbone in columns else len(columns)
        return CHOICES.index(row.choice), place, row.family, row.per_class

    return Matrix(rows=tuple(sorted(rows.values(), key=order)), columns=columns, slots=slots)


def fillings(runs: Sequence[RunFolder], row: Row, columns: Sequence[str]) -> list[RunConfig]:
    """Configs of the runs that would fill these missing cells of a row; [] where none of `runs` shows how.

    Images that are there, or on their way, are evaluated further; what is not there at all is made first. The full data
    has no images of its own, so that a new run, under a name of its own, judges it.
    """
    if row.judged:
        return []
    names = tuple(dict.fromkeys(map(network_of, columns)))
    protocols = tuple(dict.fromkeys(map(protocol_of, columns)))
    configs = {run.id: config_of(run) for run in runs}
    labels = Labels(configs)
    found = [
        (run, config) for run, config in configs.items() if config.kind != "evaluate" and labels.of(config) == row.label
    ]
    model = next((config for _, config in found), None)
    if model is not None and row.choice == "full":
        named = "-".join(file_name(name, keep=".") for name in names)
        return [
            replace(model, evaluate_on=names, protocol=protocols, name=f"{model.study or model.dataset}-full-{named}")
        ]
    if model is not None:
        asked = [replace(config, kind="evaluate", source=run, name="") for run, config in found]
        return [replace(config, evaluate_on=names, protocol=protocols) for config in asked]
    model = _model(configs.values())
    if model is None:
        return []
    return [replace(model, backbone=row.backbone, evaluate_on=names, protocol=protocols, name="")]


def config_of(run: RunFolder) -> RunConfig:
    """The run's config, read once: it is never edited."""
    return _CONFIGS.of(run.config_file)


_CONFIGS = Remembered(lambda path: RunFolder(path.parent).config())


def correlation(pairs: Sequence[tuple[float, float]]) -> tuple[float, float, float] | None:
    """Pearson's r with its 95 % interval (Fisher's z); None below three pairs or without any spread.

    With three pairs z has no finite error, so that the interval is all of [-1, 1].
    """
    n = len(pairs)
    if n < 3:
        return None
    x_mean, y_mean = (sum(values) / n for values in zip(*pairs, strict=True))
    xy = sum((x - x_mean) * (y - y_mean) for x, y in pairs)
    xx, yy = sum((x - x_mean) ** 2 for x, _ in pairs), sum((y - y_mean) ** 2 for _, y in pairs)
    if xx <= 0 or yy <= 0:
        return None
    r = max(min(xy / math.sqrt(xx * yy), 1.0), -1.0)
    if n == 3 or abs(r) == 1:
        return r, (-1.0 if n == 3 else r), (1.0 if n == 3 else r)
    z, error = math.atanh(r), 1.96 / math.sqrt(n - 3)
    return r, math.tanh(z - error), math.tanh(z + error)


def _unjudged(configs: dict[str, RunConfig], labels: Labels) -> list[Row]:
    """A row for each set that no evaluation was asked for."""
    made = [config for config in configs.values() if config.kind != "evaluate" and not config.evaluate_on]
    return [of_images(config, labels) for config in made]


def _wanted(configs: dict[str, RunConfig], backbones: Sequence[str], labels: Labels) -> list[Row]:
    model = _model(configs.values())
    if model is None:
        return []
    made = [config for name in backbones if _can_be_made(config := replace(model, backbone=name))]
    return [of_images(config, labels) for config in made]


def _can_be_made(config: RunConfig) -> bool:
    """Can the method distil with these networks? Some need frozen backbones, others networks from scratch."""
    try:
        validate(config)
    except ConfigError:
        return False
    row = known_method(config)
    wanted = row is not None and row.networks == "student"
    return row is not None and all(is_student(name) == wanted for name in config.networks())


def _model(configs: Iterable[RunConfig]) -> RunConfig | None:
    """A distillation whose settings can be used with another backbone; a fork cannot, since it starts from images."""
    return next((config for config in configs if config.kind == "distill" and not config.source), None)


def _columns(found: Table, configs: dict[str, RunConfig], backbones: Sequence[str]) -> tuple[str, ...]:
    asked = [key.column for config in configs.values() for key in keys_of(config)]
    known = dict.fromkeys([*asked, *found.columns])
    networks = set(map(network_of, known))
    return (*known, *(name for name in dict.fromkeys(backbones) if name not in networks))


def _slot(cell: Cell | None, waiting: list[tuple[str, str]]) -> Slot:
    waiting = [(state, run) for state, run in waiting if cell is None or run not in cell.runs]
    halted = tuple(run for state, run in waiting if state in _HALTED)
    if cell is not None:
        more = sum(state in ("queued", "running") for state, _ in waiting)
        return Slot(state="done", cell=cell, runs=cell.runs, waiting=more, halted=halted)
    for state in _WORST_FIRST:
        if named := tuple(run for found, run in waiting if found == state):
            return Slot(state=state, runs=named, halted=halted)
    return Slot(state="missing", runs=tuple(run for _, run in waiting))
