"""Results of many runs as one table: what was distilled or chosen (rows) by where it was probed (columns).

>>> table = result_table(store.study("demo"), store)
>>> table.rows[0].label, table.rows[0].cells["mobilenet_v2"].mean
('distilled with tf_efficientnet_lite0', 0.871)
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from statistics import fmean, pstdev
from typing import Any

from lgm_core.config import RunConfig
from lgm_core.datasets.catalog import counted
from lgm_core.evaluation.protocol import Key, column_of, judged_otherwise, key_of_report, keys_of, transfers
from lgm_core.methods.catalog import METHODS
from lgm_core.reports.balance import told_per_class
from lgm_core.reports.budget import Budget, budget_of_several
from lgm_core.reports.labels import Labels, choice_of
from lgm_core.reports.unseen import Unseen, comparable_judges, worst_unseen
from lgm_core.runs.store import RunFolder

_Judged = dict[str, tuple[str, dict[str, Any]]]  # by the run that made a set: the run that judged it last, its report


@dataclass(frozen=True, kw_only=True)
class Cell:
    """Top-1 accuracy in [0, 1]. `spread`: population standard deviation over `count` runs, or, with a single run, over
    the `count` heads or networks that it trained.
    """

    mean: float
    spread: float
    count: int
    top5: float | None
    worst_group: float | None
    runs: tuple[str, ...]
    stand_in: str = ""  # what stood in for the judge's published weights, such as "int8, de-quantised"


@dataclass(frozen=True, kw_only=True)
class Row:
    label: str
    images: int  # real or synthetic images that the heads or networks were trained on
    cells: dict[str, Cell]
    judged: str = ""  # how judging departs from the settings of the run that made the images, in words
    choice: str = "distill"  # or how real images were chosen: random, centroids, neighbours, full, given, imported
    backbone: str = ""  # the network with which the images were made or chosen
    per_class: int = 1  # images of each class, on average
    family: str = ""  # the label without that number
    unseen: Unseen | None = None  # in the worst judge that took no part
    budget: Budget | None = None  # what the images cost


@dataclass(frozen=True, kw_only=True)
class Table:
    columns: tuple[str, ...]
    rows: tuple[Row, ...] = field(default=())


def result_table(runs: Iterable[RunFolder], sources: dict[str, RunConfig] | None = None) -> Table:
    """One row per way of making images, runs that differ in nothing but the seed (and in what cannot change the images)
    together; columns in order of use.

    An evaluation with settings other than those of the run that made the images has a row of its own. A set that was
    judged several times in one column counts once, by the newest of these: no spread is over judgements of one set.
    `runs`: oldest first. `sources`: configs that are known already, such as those of runs outside `runs` that evaluate
    runs look at.
    """
    runs = list(runs)
    known, named = dict(sources or {}), {run.id: run for run in runs}
    configs = known | {name: known.get(name) or run.config() for name, run in named.items()}
    labels = Labels(configs)
    reports: dict[str, dict[str, _Judged]] = {}
    origin: dict[str, Row] = {}
    makers: dict[str, RunConfig] = {}
    for run in runs:
        config = configs[run.id]
        for report in run.eval_reports():
            key = key_of_report(report, config)
            row = row_of(config, configs, key, labels)
            origin.setdefault(row.label, row)
            made = config.source if config.kind == "evaluate" else run.id
            makers.setdefault(row.label, configs.get(made, config))
            reports.setdefault(row.label, {}).setdefault(key.column, {})[made] = run.id, report
    columns = tuple(dict.fromkeys(key.column for config in configs.values() for key in keys_of(config)))
    found = {name for cells in reports.values() for name in cells}
    columns += tuple(sorted(found - set(columns)))
    columns, rows = tuple(name for name in columns if name in found), []
    judges = comparable_judges(columns)
    for label in sorted(reports, key=lambda label: _place(origin[label])):
        images = max(report["train_images"] for cell in reports[label].values() for _, report in cell.values())
        cells = {name: _cell([*found.values()]) for name, found in reports[label].items()}
        sets = _by_set(reports[label], judges)
        unseen = worst_unseen(makers[label], sets.values(), [*judges.values()])
        budget = budget_of_several((named[run] for run in sets if run in named), images)
        rows.append(replace(origin[label], images=images, cells=cells, unseen=unseen, budget=budget))
    return Table(columns=columns, rows=tuple(rows))


def _place(row: Row) -> tuple[int, str, int]:
    """Where a row stands in its table: by choice, then by words, sets of more images after those of fewer."""
    return CHOICES.index(row.choice), row.family, row.per_class


def _by_set(cells: Mapping[str, _Judged], judges: Mapping[str, str]) -> dict[str, dict[str, float]]:
    """The accuracies of a row by the run that made the images, then by judge; `judges`: columns and their networks."""
    found: dict[str, dict[str, float]] = {}
    for column, reports in cells.items():
        for made, (_, report) in reports.items():
            of_set = found.setdefault(made, {})
            if column in judges:
                of_set[judges[column]] = report["top1"]
    return found


def row_of(config: RunConfig, configs: Mapping[str, RunConfig], key: Key, labels: Labels) -> Row:
    """The row of one evaluation in a run, without cells; `configs`: by run, for the sources of evaluate runs."""
    made = configs.get(config.source, config) if config.kind == "evaluate" else config
    usual = made
    if transfers(key.protocol) and not _transferred(made):  # its own settings of that say nothing
        usual = next((one for one in configs.values() if one.kind != "evaluate" and _transferred(one)), made)
    judged = judged_otherwise(key, usual) if config.kind == "evaluate" else ""
    return of_images(made, labels, judged)


def of_images(made: RunConfig, labels: Labels, judged: str = "") -> Row:
    """The row of images that are made so, without cells; `judged`: how judging departs from what is usual for them."""
    label = labels.of(made) + judged
    return Row(
        label=label, images=0, cells={}, judged=judged, choice=choice_of(made), backbone=made.backbone,
        per_class=made.images_per_class, family=label.replace(told_per_class(made), "", 1),
    )  # fmt: skip


def _transferred(config: RunConfig) -> bool:
    return any(transfers(key.protocol) for key in keys_of(config))


def tested_on(runs: Iterable[RunFolder]) -> str:
    """What accuracies were measured on, such as "1,200 of 3,925 test images"; "" without reports."""
    found = {
        counted(report.get("dataset") or run.config().dataset, report["test_images"])
        for run in runs for report in run.eval_reports()
    }  # fmt: skip
    return " or ".join(sorted(found))


def pca_words(explained: Sequence[float], of: str) -> str:
    """A PCA map's axes, such as "PCA of their features: two axes explain 31 % of the variance"."""
    return f"PCA of {of}" + (f": two axes explain {100 * sum(explained):.0f} % of the variance" if explained else "")


def loss_words(method: str) -> str:
    """What the loss of a method is."""
    return METHODS[method].loss if method in METHODS else "the method's own"


LOWER_BOUND = (
    "Networks on all real images are trained for as few steps as on a small set, not to convergence: a lower bound."
)
CHOICES = (
    "distill", "random", "centroids", "neighbours", "herding", "k-centres", "best-random", "greedy", "high-loss",
    "indices", "given", "imported", "full", "none",
)  # fmt: skip  # in the order of rows


def percent(mean: float, spread: float, count: int) -> str:
    """Such as "63.9 ± 1.2"; without the spread where there is a single value."""
    return f"{100 * mean:.1f}" + (f" ± {100 * spread:.1f}" if count > 1 else "")


def unseen_words(unseen: Unseen | None) -> str:
    """Such as "93.9 ± 0.5 (of 3)"; a dash where there is none."""
    if unseen is None:
        return "-"
    return f"{percent(unseen.mean, unseen.spread, unseen.count)} (of {len(unseen.judges)})"


def top1_words(report: Mapping[str, Any]) -> str:
    """A report's accuracy, as `percent` has it."""
    return percent(report["top1"], report["top1_std"], len(report["top1_seeds"]))


def stand_in_of(report: Mapping[str, Any]) -> str:
    """What stood in for the judge's published weights; "" where nothing did, or an older report does not say."""
    weights = report.get("weights")
    return str(weights.get("stand_in", "")) if isinstance(weights, Mapping) else ""


def caveats_of(report: Mapping[str, Any]) -> str:
    """The same, and that it is for looking, not for judging, where it says so; "" for neither."""
    return ", ".join(filter(None, (stand_in_of(report), str(report.get("mark", "")))))


def judge_words(report: Mapping[str, Any]) -> str:
    """The column of a report, with what qualifies it: "clip_vitb16 (int8, de-quantised)"."""
    note = caveats_of(report)
    return f"{column_of(report)} ({note})" if note else column_of(report)


def column_note(rows: Iterable[Row], column: str) -> str:
    """What qualifies a column's numbers: "int8, de-quantised", or "partly ..."; "" for nothing."""
    notes = [row.cells[column].stand_in for row in rows if column in row.cells]
    words = ", ".join(dict.fromkeys(filter(None, notes)))
    return words if all(notes) else f"partly {words}" if words else ""


def column_heading(rows: Iterable[Row], column: str) -> str:
    """A column's name with that note in brackets."""
    note = column_note(rows, column)
    return f"{column} ({note})" if note else column


def _cell(reports: list[tuple[str, dict[str, Any]]]) -> Cell:
    tops = [report["top1"] for _, report in reports]
    fives = [report["top5"] for _, report in reports if report["top5"] is not None]
    groups = [report["worst_group"] for _, report in reports if report["worst_group"] is not None]
    return Cell(
        mean=fmean(tops),
        spread=pstdev(tops) if len(tops) > 1 else reports[0][1]["top1_std"],
        count=len(tops) if len(tops) > 1 else len(reports[0][1]["top1_seeds"]),
        top5=fmean(fives) if fives else None,
        worst_group=fmean(groups) if groups else None,
        runs=tuple(run for run, _ in reports),
        stand_in=", ".join(dict.fromkeys(filter(None, (caveats_of(report) for _, report in reports)))),
    )
