"""Verbs that show what there is, or fetch it; no run is changed.

>>> show(["demo"])  # the table of a study
0
"""

from collections.abc import Sequence
from functools import partial
from typing import Annotated

import tyro

from lgm_core.base.errors import UserError
from lgm_core.base.places import places
from lgm_core.base.settings import joined
from lgm_core.cli.console import (
    print_disagreement,
    print_growth,
    print_rows,
    print_sides,
    print_table,
    print_transfer,
    progress_bar,
)
from lgm_core.datasets.catalog import data_words
from lgm_core.evaluation.protocol import asked_columns, judged_by, spread_over
from lgm_core.reports.disagreement import open_disagreement
from lgm_core.reports.findings import tables
from lgm_core.reports.matrix import config_of
from lgm_core.reports.summary import result_table, tested_on
from lgm_core.reports.unfinished import unfinished_words
from lgm_core.reports.unseen import took_part
from lgm_core.reports.used_weights import weights_rows
from lgm_core.runs.heart import Listener
from lgm_core.runs.store import RunFolder, RunStore

Names = Annotated[tuple[str, ...], tyro.conf.Positional]
Name = Annotated[str, tyro.conf.Positional]


def show(arguments: Sequence[str]) -> int:
    """Show one run, one study, or the newest runs: lgm show [NAME]."""

    def read(name: Name = "") -> str:
        return name

    return show_run(tyro.cli(read, args=list(arguments), prog="lgm show", description=show.__doc__))


def list_(arguments: Sequence[str]) -> int:
    """List what is available: lgm list backbones|datasets|runs|presets; runs --tag TAG, --starred for some of them."""
    from lgm_core.cli.listing import LISTS

    if arguments and arguments[0] in ("-h", "--help"):
        print(list_.__doc__)
        return 0
    if not arguments or arguments[0] not in LISTS:
        given = f"{arguments[0]!r} was given" if arguments else "none was given"
        raise UserError(f"lgm list takes one of: {', '.join(LISTS)}; {given}")
    if arguments[0] == "runs":
        return _list_runs(arguments[1:])
    if arguments[1:]:
        raise UserError(f"lgm list {arguments[0]} takes no more arguments; {' '.join(arguments[1:])} was given")
    print_rows(*LISTS[arguments[0]](places()))
    return 0


def _list_runs(arguments: Sequence[str]) -> int:
    from lgm_core.cli.listing import list_runs

    def read(tag: str = "", starred: Annotated[bool, tyro.conf.FlagCreatePairsOff] = False) -> tuple[str, bool]:
        return tag, starred

    tag, starred = tyro.cli(read, args=list(arguments), prog="lgm list runs", description=list_runs.__doc__)
    print_rows(*list_runs(places(), tag, starred))
    return 0


def fetch(arguments: Sequence[str]) -> int:
    """Download data sets or weights ahead of a run: lgm fetch NAME [NAME ...]."""
    from lgm_core.cli.listing import fetch_one

    def read(names: Names) -> tuple[str, ...]:
        return names

    for name in tyro.cli(read, args=list(arguments), prog="lgm fetch", description=fetch.__doc__):
        with progress_bar() as listener:
            path = fetch_one(name, places(), partial(_fetched, listener))
        print(f"{name}: {path}")
    return 0


def push(arguments: Sequence[str]) -> int:
    """Put a finished distilled set on the model hub as a data set: lgm push RUN OWNER/NAME [--private] [--replace]."""
    from lgm_core.reports.pushing import push_set

    def read(run: Name, repository: Name, private: bool = False, replace: bool = False) -> tuple[str, str, bool, bool]:
        """
        Args:
            run: the run that distilled it
            repository: owner/name on the hub
            private: only its owner sees it
            replace: take the place of what is there under that name; the older version stays in its history
        """
        return run, repository, private, replace

    name, repository, private, replace = tyro.cli(read, args=list(arguments), prog="lgm push", description=push.__doc__)
    store = RunStore(places().runs)
    run = store.open(name)
    address = push_set(run, repository, store.evaluations(run.id), private=private, replace=replace)
    print(f"{run.id}: {address}")
    return 0


def _fetched(listener: Listener, file: str, done: int, total: int | None) -> None:
    listener(f"fetching {file}", done, total or 0, {})


def show_run(name: str) -> int:
    """Print a study's table, or a run and its results; "" for the newest runs."""
    store = RunStore(places().runs)
    if not name:
        from lgm_core.cli.listing import LISTS

        print_rows(*LISTS["runs"](places()))
        return 0
    runs = store.study(name)
    if runs:
        for run in runs:
            for sentence in (*run.notes(), *run.problems()):
                print(f"note: {run.id}: {sentence}")
        table = result_table(runs)
        title = f"study {name}: {_measured(table.columns, runs)}"
        if table.rows:
            print_table(table, title)
        else:
            print(f"{title}; no result yet")
        if unfinished := unfinished_words(runs):
            print(f"note: {unfinished}; `lgm resume {name}` goes on with what nobody works on")
        print_growth(runs)
        print_sides(runs, store)
        print_transfer(runs, store)
        print(f"runs: {store.root}/{name}-*")
        return 0
    run = store.open(name)
    status, config = run.status(), run.config()
    for sentence in filter(None, [*run.notes(), run.why_not_resumed(), *run.problems(), *status.notes]):
        print(f"note: {sentence}")
    print(f"{run.id}: {status.state}{f', {status.error}' if status.error else ''}")
    done = f"step {status.step} of {status.steps}" if config.kind == "distill" else "no steps"
    of = ", ".join(config.evaluate_on) if config.kind == "align" else joined(took_part(config))
    print(f"{config.kind} of {config.dataset}{f' with {of}' if of else ''}, {done}; {run.path}")
    if data := run.data():
        print(f"data: {data_words(config.dataset, data)}")
    for network, file, digest, source, precision, feature in weights_rows([run]):
        print(f"weights of {network}: {file}, SHA-256 {digest}…, {source}; computed in {precision}; {feature}")
    if said := run.marks().words():
        print(f"notes: {said}")
    if found := open_disagreement(run):
        print_disagreement(found)
    listed = store.listed()
    looking = [other for other, facts in listed if facts.source == run.id and facts.kind != "distill"]  # no forks
    sources = {other.id: other.config() for other, _ in listed if other.id == config.source}
    table = result_table([run, *looking], sources)
    if table.rows:
        print_table(table, _measured(table.columns, [run, *looking]))
    print_sides([run, *looking], store)
    for title, columns, rows in tables(run.findings()):
        print(f"\n{title}")
        print_rows(columns, rows)
    return 0


def _measured(columns: Sequence[str], runs: Sequence[RunFolder]) -> str:
    """What a table's accuracies are, or will be once there is one."""
    columns = columns or asked_columns(map(config_of, runs))
    on = f", on {tested}" if (tested := tested_on(runs)) else ""
    return f"top-1 in % of {judged_by(columns)}{on}, mean ± standard deviation over {spread_over(columns)}"
