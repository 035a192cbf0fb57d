"""The pages that look at results, in their four states: empty, under way, failed, finished; by what they say."""

import pytest

from lgm_core.runs.store import RunStore
from tests.fake_findings import fake_card
from tests.fake_runs import BACKBONES, ERROR, _create, fake_distill, fake_thumbs
from tests.test_pages_analysis import Show, show, store, words  # noqa: F401  (fixtures)

EMPTY = {
    "embeddings": "No images to map yet",
    "neighbours": "No synthetic images yet",
    "cross_model": "Nothing to compare yet",
    "compare": "Nothing to compare yet",
    "report": "Nothing to report yet",
}
HALTED = {"paused": "Resume", "failed": "Try again", "lost": "Try again"}  # state -> the button that goes on
A, B = BACKBONES[:2]
CARD = {"dataset": "imagenette", "backbones": [A]}


@pytest.mark.parametrize("page", EMPTY)
def test_empty(show: Show, page: str):  # noqa: F811
    shown = show(page)
    assert [one.value for one in shown.subheader] == [EMPTY[page]]
    assert any(button.label.startswith("Launch a ") for button in shown.button)


def test_a_page_of_backbones_offers_to_compute_where_nothing_was_computed(show: Show):  # noqa: F811
    assert "There are no cards of MobileNetV3" in words(show("backbones"))
    assert "No synthetic images yet" in words(show("backbones", view="patches"))
    told = words(show("disagreement", backbones=[A, B]))
    assert "These backbones have not been compared on this data set yet" in told


@pytest.mark.parametrize("page", EMPTY)
@pytest.mark.parametrize("state", ["queued", "running", "paused", "failed", "lost"])
def test_a_run_without_a_result_is_a_state_and_no_accident(
    show: Show, store: RunStore, page: str, state: str,  # noqa: F811
):  # fmt: skip
    fake_distill(store, state, name="one", study="demo", evaluate_on=list(BACKBONES[:2]))
    fake_distill(store, "queued", name="two", study="demo", evaluate_on=list(BACKBONES[:2]))
    shown = show(page, run="one", runs=["one", "two"])
    assert shown.get("selectbox") or shown.get("multiselect")
    told, ended_badly = words(shown), {"failed": ERROR[:20], "lost": "worker process stopped"}.get(state, "")
    if page == "embeddings":
        assert "There is no map of this data set in EfficientNet" in told
    elif page == "neighbours":
        assert ("This run has no result yet" in told or state == "failed") and ended_badly in told
    elif page == "cross_model":  # the two differ in nothing: the cells are those of the one that gets to a result
        assert f"Cells: 2 {'running' if state == 'running' else 'queued'}, 2 missing" in told
    elif page == "compare":
        assert f": {state}]" in told and ": queued]" in told and ended_badly in told
        assert "None of these runs has been evaluated yet" in told
        assert ("None of these runs has images yet" in told) == (state == "queued")
    else:
        assert f": {state}] The report shows the run as it is now" in told.replace("\n", "")


@pytest.mark.parametrize("state", ["queued", "running", "paused", "failed", "lost"])
def test_cards_under_way_and_halted(show: Show, store: RunStore, state: str):  # noqa: F811
    _create(store, state, 1, {"kind": "backbone", "dataset": "imagenette", "backbone": A})
    shown = show("backbones", **CARD)
    told, labels = words(shown), [button.label for button in shown.button]
    assert labels == [HALTED[state]] if state in HALTED else not labels
    assert "There are no cards" not in told and "Hardest pairs of classes" not in told
    assert (ERROR[:20] in told) == (state == "failed") and ("its worker process stopped" in told) == (state == "lost")


def test_a_card_that_is_finished(show: Show, store: RunStore):  # noqa: F811
    fake_card(store, A, thumbs=fake_thumbs(store, "imagenette", "test"))
    shown = show("backbones", **CARD)
    assert "Hardest pairs of classes" in words(shown) and "Compute" not in [button.label for button in shown.button]
