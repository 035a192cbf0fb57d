"""What the command line shows: progress bars and tables.

>>> with progress_bar() as listener:
...     engine.work(run, places(), listener)
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from rich.console import Console
from rich.table import Table as RichTable
from tqdm import tqdm

from lgm_core.reports.allegiance import aim_words, side_table, taken_sides
from lgm_core.reports.disagreement import (
    HEADINGS,
    Disagreement,
    cells_of,
    evidence,
    measure_words,
    newest_align,
    open_disagreement,
    shown_rows,
)
from lgm_core.reports.foretold import followed_words, foretold
from lgm_core.reports.growth import growth_table, growths
from lgm_core.reports.live_curves import live_keys
from lgm_core.reports.matrix import study_matrix
from lgm_core.reports.summary import Table, column_heading, percent, unseen_words
from lgm_core.reports.transfer import transfer_table
from lgm_core.reports.unseen import UNSEEN_WORDS, tells_unseen
from lgm_core.runs.heart import Listener
from lgm_core.runs.store import RunFolder, RunStore


@contextmanager
def progress_bar(prefix: str = "") -> Iterator[Listener]:
    """A bar per phase, with rate and time left, on standard error."""
    bars: dict[str, tqdm] = {}

    def listen(phase: str, done: int, total: int, values: Mapping[str, Any]) -> None:
        bar = bars.get("now")
        if bar is None or bar.desc != f"{prefix}{phase}" or bar.total != (total or None):
            if bar is not None:
                _complete(bar)
            if not total:
                bars.pop("now", None)
                return
            bar = bars["now"] = tqdm(
                desc=f"{prefix}{phase}", total=total, initial=done, dynamic_ncols=True, leave=False
            )
        live = dict.fromkeys(live_keys([values])[:1], "accuracy")
        shown = {said: f"{values[name]:.3f}" for name, said in {"loss": "loss", **live}.items() if name in values}
        bar.set_postfix(shown, refresh=False)
        bar.update(done - bar.n)

    try:
        yield listen
    finally:
        if "now" in bars:
            _complete(bars["now"])


def _complete(bar: tqdm) -> None:
    bar.close()


def print_table(table: Table, title: str) -> None:
    """Top-1 in per cent, mean and spread; best of the rows with one image per class per column in bold."""
    width = 130 + 18 * len(table.columns)
    console = Console(width=None if Console().is_terminal else width)
    view = RichTable(title=title, title_justify="left", title_style="bold")
    view.add_column("judged images")
    view.add_column("how many", justify="right")
    for name in table.columns:
        view.add_column(f"on {column_heading(table.rows, name)}", justify="right")
    told = tells_unseen(table.rows)
    if told:
        view.add_column("worst unseen", justify="right")
    view.add_column("budget")
    for row in table.rows:
        cells = [_percent(row.cells[name]) if name in row.cells else "-" for name in table.columns]
        cells += [unseen_words(row.unseen)] if told else []
        view.add_row(row.label, str(row.images), *cells, row.budget.words if row.budget else "")
    console.print(view)
    if told:
        console.print(UNSEEN_WORDS)
    grouped = [
        (row.label, name, cell)
        for row in table.rows
        for name, cell in row.cells.items()
        if cell.worst_group is not None
    ]
    for label, name, cell in grouped:
        console.print(f"worst group: {label} on {name}: {100 * (cell.worst_group or 0):.1f} %")


def print_rows(headings: list[str], rows: list[list[str]]) -> None:
    """A plain table; the word "none" where it would be empty."""
    if not rows:
        print("none")
        return
    console = Console(width=None if Console().is_terminal else 160)
    view = RichTable(*headings)
    for row in rows:
        view.add_row(*row)
    console.print(view)


def print_disagreement(found: Disagreement, k: int = 10) -> None:
    """Each pair's measures at one k, its classes, the first groups of each direction, as an align run found them."""
    k = min(found.ks, key=lambda one: abs(one - k))
    for left, right in found.pairs():
        if rows := shown_rows(found.measured(left, right), k):
            print_rows([f"{left} and {right}", *HEADINGS], [[measure_words(row), *cells_of(row)] for row in rows])
        worst, best = (found.per_class(found.shared(left, right, k))[place] for place in (0, -1))
        named = [f"{found.classes[one.label]} {100 * one.mean:.0f} %" for one in (worst, best)]
        print(f"common among the {k} nearest images, by class: {named[0]} (least) to {named[1]} (most)")
        for holds, tears in ((left, right), (right, left)):
            for group in found.torn(holds, tears)[:3]:
                print(f"{len(group['members'])} images that {tears} tears apart: {evidence(group, holds, tears)}")


def print_sides(runs: Sequence[RunFolder], store: RunStore) -> None:
    """Whose meaning each judge finds in the contrast sets of these runs; nothing where there are none."""
    sides = taken_sides(runs)
    if not sides:
        return
    print("\nWhose side do the others take? Share of the test images that are called by each meaning:")
    print_rows(*side_table(sides))
    if aim := aim_words(sides):
        print(aim)
    every = [run for run, _ in store.listed()]
    for sentence in followed_words(foretold(every, runs[0].config().dataset, sides)):
        print(f"sides foretold by {sentence}")


def print_growth(runs: Sequence[RunFolder]) -> None:
    """Accuracy by the number of images per class, a table a judge; nothing where every way has one size."""
    for growth in growths(study_matrix(runs)):
        print(f"\n{growth.judge_words()} {growth.meeting()}")
        print_rows(*growth_table(growth))


def print_transfer(runs: Sequence[RunFolder], store: RunStore) -> None:
    """Whether transfer follows alignment in a study; nothing where its backbones have not been compared."""
    matrix, config = study_matrix(runs), runs[0].config()
    made = {row.backbone for row in matrix.rows if row.choice == "distill"}
    run = newest_align([run for run, _ in store.listed()], config.dataset, made) if len(made) > 1 else None
    found = open_disagreement(run) if run else None
    headings, rows = transfer_table(matrix, found) if found else ([], [])
    if found and rows:
        print(f"\nTransfer against alignment ({found.run.id}), an ordered pair of backbones a point:")
        print_rows(headings, rows)


def _percent(cell: Any) -> str:
    return percent(cell.mean, cell.spread, cell.count)
