"""Stars, tags and notes on the page Runs: seen, edited, filtered by; and long names, cut in their middle."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from streamlit.testing.v1 import AppTest

from lgm_core.runs.marks import Marks, mark, read_marks
from lgm_core.runs.store import RunStore
from pages.parts.theme import shortened
from tests.app import open_page
from tests.fake_runs import fake_distill

Open = Callable[..., AppTest]


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> RunStore:
    monkeypatch.setenv("LGM_CACHE", str(tmp_path))
    store = RunStore(tmp_path / "runs")
    one, two, _ = (fake_distill(store, "queued", name=name) for name in ("one", "two", "three"))
    mark(one.marks_file, note="green parachutes", starred=True, add=["figure 2"])
    mark(two.marks_file, add=["figure 2", "slow"])
    return store


def shown(test: AppTest) -> set[str]:
    assert not test.exception, test.exception
    return set(test.dataframe[0].value["run"])


def test_marks_are_seen_and_filtered_by(store: RunStore):
    table = open_page("runs").dataframe[0].value.set_index("run")
    assert table.loc["one", "star"] == "★" and list(table.loc["two", "tags"]) == ["figure 2", "slow"]
    assert table.loc["one", "note"] == "green parachutes" and table.loc["three", "note"] == ""
    assert shown(open_page("runs", marks="★")) == {"one"}
    assert shown(open_page("runs", marks=["figure 2"])) == {"one", "two"}
    assert shown(open_page("runs", marks=["figure 2", "slow"])) == {"two"}
    assert shown(open_page("runs", search="parachutes")) == {"one"}
    assert shown(open_page("runs", search="slow")) == {"two"}


def form(*names: str) -> AppTest:
    def script(names: tuple[str, ...]) -> None:
        from pages.parts.listing.marks_form import show_marks

        show_marks(names, known=["figure 2", "slow"])

    test = AppTest.from_function(script, args=(names,), default_timeout=300).run()
    assert not test.exception, test.exception
    return test


def save(test: AppTest) -> None:
    next(button for button in test.button if button.label == "Save").click().run()
    assert not test.exception, test.exception


def marks(store: RunStore, name: str) -> Marks:
    return read_marks(store.open(name).marks_file)


def test_the_marks_of_one_run_are_edited(store: RunStore):
    test = form("one")
    assert test.toggle[0].value and test.multiselect[0].value == ["figure 2"]
    assert test.text_area[0].value == "green parachutes"
    test.toggle[0].set_value(False)
    test.multiselect[0].set_value(["slow"])
    test.text_area[0].set_value("blue ones")
    save(test)
    assert marks(store, "one") == Marks(note="blue ones", starred=False, tags=("slow",))


def test_of_several_runs_only_what_they_share_is_changed(store: RunStore):
    test = form("one", "two")
    assert not test.toggle[0].value and test.multiselect[0].value == ["figure 2"] and not test.text_area
    test.toggle[0].set_value(True)
    test.multiselect[0].set_value([])
    save(test)
    assert marks(store, "one") == Marks(note="green parachutes", starred=True)
    assert marks(store, "two") == Marks(starred=True, tags=("slow",))
    assert not form().toggle  # without a run there is nothing to edit


@pytest.mark.parametrize(("name", "cut"), [("short", "short"), ("0123456789abcdef", "01234…cdef")])
def test_a_long_name_is_cut_in_its_middle(name: str, cut: Any):
    assert shortened(name, 10) == cut
