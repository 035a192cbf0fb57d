"""Links to runs and studies that are not there: said, and nothing else shown in their place."""

import shutil
from pathlib import Path

import pytest

from lgm_core.runs.store import RunStore
from tests.app import AppTest, open_page
from tests.fake_runs import fake_distill, fake_study


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> RunStore:
    monkeypatch.setenv("LGM_CACHE", str(tmp_path))
    return RunStore(tmp_path / "runs")


def gone(test: AppTest) -> list[str]:
    """What the page says is not there."""
    assert not test.exception, test.exception
    words = [warning.value.replace("\\", "") for warning in test.warning]
    return [word.partition(" to show here")[0] for word in words if "to show here" in word]


def asked(test: AppTest, key: str) -> list[str]:
    found = test.query_params.get(key, [])
    return [found] if isinstance(found, str) else list(found)


@pytest.mark.parametrize("name", ["watch", "neighbours", "report"])
def test_a_run_that_is_not_there_is_said_and_no_other_is_shown(name: str, store: RunStore):
    for run in ("here", "there"):
        fake_distill(store, name=run)
    test = open_page(name, run="deleted")
    for _ in range(2):  # a page draws itself anew every few seconds
        assert gone(test) == ["There is no run deleted"]
        assert test.selectbox[0].value is None and asked(test, "run") == ["deleted"]
        test.run()
    test.selectbox[0].select("here").run()
    assert not gone(test) and asked(test, "run") == ["here"]
    test.query_params["run"] = "gone too"  # a second link, in a session that shows a run
    test.run()
    assert gone(test) == ["There is no run gone too"] and test.selectbox[0].value is None
    test.selectbox[0].select("there").run()
    assert not gone(test) and asked(test, "run") == ["there"]
    shutil.rmtree(store.root / "there")
    assert gone(test.run()) == ["There is no run there"] and test.selectbox[0].value is None


def test_a_link_to_a_run_where_there_is_none_at_all(store: RunStore):
    assert gone(open_page("watch", run="deleted")) == ["There is no run deleted"]
    assert gone(open_page("compare", runs=["a", "b"])) == ["There is no run a and no b"]


@pytest.mark.parametrize(("name", "more"), [("cross_model", {}), ("report", {"part": "study"})])
def test_a_study_that_is_not_there_is_said_and_no_other_is_shown(name: str, more: dict[str, str], store: RunStore):
    fake_study(store)
    test = open_page(name, study="gone", **more)
    assert gone(test) == ["There is no study gone"] and not test.subheader
    test.selectbox[0].select("demo").run()
    assert not gone(test) and asked(test, "study") == ["demo"]


def test_of_several_runs_the_missing_are_named_and_the_others_shown(store: RunStore):
    for name in ("one", "two", "three"):
        fake_distill(store, name=name)
    test = open_page("compare", runs=["one", "gone", "two", "lost"])
    for _ in range(2):
        assert gone(test) == ["There is no run gone and no lost"]
        assert test.multiselect[0].value == ["one", "two"] and asked(test, "runs") == ["one", "gone", "two", "lost"]
        test.run()
    test.multiselect[0].select("three").run()
    assert not gone(test) and asked(test, "runs") == ["one", "two", "three"]
    shutil.rmtree(store.root / "two")
    assert gone(test.run()) == ["There is no run two"] and test.multiselect[0].value == ["one", "three"]


def test_a_run_that_is_there_again_is_shown_again_and_no_newer_one_in_its_place(store: RunStore, tmp_path: Path):
    for run in ("here", "newer"):
        fake_distill(store, name=run)
    test = open_page("watch", run="here")
    assert test.selectbox[0].value == "here"
    shutil.move(store.root / "here", tmp_path / "away")
    assert gone(test.run()) == ["There is no run here"]
    shutil.move(tmp_path / "away", store.root / "here")
    assert not gone(test.run()) and test.selectbox[0].value == "here" and asked(test, "run") == ["here"]
