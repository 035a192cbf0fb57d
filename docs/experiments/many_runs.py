"""What a long record costs: N run folders in a temporary folder, and the seconds that lists of them take.

    python docs/experiments/many_runs.py 10000

The page Runs is run whole, without a browser: opened, filtered by a state, searched for a study; its number of rows.
"""

import os
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory

from streamlit.testing.v1 import AppTest

from lgm_core.base.files import read_json, write_json
from lgm_core.config import RunConfig
from lgm_core.runs import index
from lgm_core.runs.store import RunStore
from pages.parts.listing.run_list import run_rows
from tests.app import open_whole


def make(store: RunStore, count: int) -> None:
    """Runs of forty studies, as workers leave them, but without results; one in ten failed, the others are finished."""
    for number in range(count):
        config = RunConfig(name=f"run-{number:06d}", study=f"study-{number % 40}", seed=number, evaluate_on=("a", "b"))
        state = "failed" if number % 10 == 9 else "finished"
        run = store.create(config, {"lgm_core": "0.1.0"})
        write_json(run.status_file, read_json(run.status_file) | {"state": state, "step": 999})


def listing(store: RunStore) -> int:
    """What `lgm list runs`, the page Runs and /api/runs need of every run."""
    return sum(run.status().state == "finished" and bool(facts.dataset) for run, facts in store.listed())


def shown(page: AppTest, state: str = "", search: str = "") -> int:
    """The rows that the page Runs shows once a state is chosen and words are typed, "" for none."""
    box = next(box for box in page.get("button_group") if box.label == "State")
    box.set_value([state] if state else [])
    next(box for box in page.text_input if box.label == "Search").set_value(search)
    found = page.run().dataframe  # nothing is drawn where nothing fits
    return len(found[0].value) if found else 0


def told(words: str, action: Callable[[], object]) -> None:
    began = time.perf_counter()
    found = action()
    print(f"{words:<48} {time.perf_counter() - began:8.3f} s   {found if isinstance(found, int) else ''}", flush=True)


def main(count: int) -> None:
    with TemporaryDirectory() as folder:
        os.environ["LGM_CACHE"] = folder  # where pages look for runs
        store = RunStore(Path(folder) / "runs")
        told(f"making {count} runs", lambda: make(store, count))
        time.sleep(3)  # files that have just been written are not yet kept in memory
        told("first listing ever", lambda: listing(store))
        index._MEMORY.clear()
        told("first listing of a process, from the index", lambda: listing(store))
        told("listing again", lambda: listing(store))
        told("rows of the page Runs", lambda: len(run_rows()))
        told("rows again, as every three seconds", lambda: len(run_rows()))
        told("the page Runs, opened", lambda: len(open_whole("runs").dataframe[0].value))
        page = open_whole("runs")
        told("  drawn again", lambda: shown(page))
        told("  filtered by a state", lambda: shown(page, state="failed"))
        told("  filtered by a state, and searched", lambda: shown(page, state="failed", search="study-9 run-000009"))
        told("  searched: a study", lambda: shown(page, search="study-7"))
        told("  searched: one run", lambda: shown(page, search=f"run-{count - 1:06d}"))
        told("  searched: none is", lambda: shown(page, search="nothing of the kind"))
        told("one study", lambda: len(store.study("study-7")))
        wanted = replace(RunConfig(), seed=count + 1, evaluate_on=("a", "b"))
        told("same(): none is", lambda: store.same(wanted))
        told("same(): the oldest is", lambda: store.same(replace(wanted, seed=0)) is not None)
        told("one run more", lambda: store.create(replace(wanted, name="new"), {}) and len(store.runs()))


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 10_000)
