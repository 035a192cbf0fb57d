"""A page is drawn by one look at each run: one that ends while the page is drawn is noticed by the next look."""

from dataclasses import replace
from itertools import cycle
from typing import Any

import pytest

from lgm_core.runs.store import RunFolder, RunStore
from pages.parts import needed
from tests.app import open_whole
from tests.fake_runs import BACKBONES, _create, fake_distill

A, B = BACKBONES[:2]
MAP = {"kind": "embed", "backbone": A, "sources": ["one"]}
PAIR = {"kind": "align", "evaluate_on": [A, B]}
CARD = {"kind": "backbone", "backbone": A}
PATCHES = {"kind": "patches", "backbone": A, "source": "one", "evaluate_on": [A]}


@pytest.mark.parametrize(
    ("page", "link", "values"),
    [
        ("embeddings", {"dataset": "imagenette", "backbones": [A]}, MAP),
        ("neighbours", {"run": "one", "backbones": [A]}, MAP),
        ("disagreement", {"dataset": "imagenette", "backbones": [A, B]}, PAIR),
        ("cross_model", {"study": "demo", "backbones": [A, B]}, PAIR),
        ("backbones", {"dataset": "imagenette", "backbones": [A]}, CARD),
        ("backbones", {"dataset": "imagenette", "backbones": [A], "view": "patches", "run": "one"}, PATCHES),
    ],
)
def test_a_run_that_ends_while_a_page_is_drawn_is_waited_for_as_it_was(
    store: RunStore, monkeypatch: pytest.MonkeyPatch, page: str, link: dict[str, Any], values: dict[str, Any]
):
    fake_distill(store, name="one", study="demo")
    asked = _create(store, "running", 1, {"dataset": "imagenette", **values})
    found, states, waited = RunFolder.status, cycle(("running", "finished")), []

    def status(run: RunFolder) -> Any:
        return replace(found(run), state=next(states)) if run.id == asked.id else found(run)

    monkeypatch.setattr(RunFolder, "status", status)
    monkeypatch.setattr(needed, "_watch", lambda names, before, key: waited.extend(zip(names, before, strict=True)))
    for _ in range(2):
        open_whole(page, **link)
        next(states)
    assert (asked.id, "running") in waited and {state for _, state in waited} == {"running"}, waited
