"""What pages open with: settings in a link, runs that have something to show; and the dialog that forks a run."""

from typing import Any

import pytest
from streamlit.testing.v1 import AppTest

from lgm_core.config import RunConfig
from lgm_core.jobs import local
from lgm_core.presets import change, preset
from lgm_core.reports.labels import row_label
from lgm_core.reports.matrix import fillings, study_matrix
from lgm_core.runs.store import RunFolder, RunStore
from pages.parts.launch.plan import in_lines
from tests.app import Open, box, command, given, open_whole
from tests.fake_runs import BACKBONES, fake_distill, fake_embed, fake_study


@pytest.fixture
def page(store: RunStore) -> Open:
    return open_whole


def test_a_link_opens_launch_with_its_settings(page: Open):
    link = [
        "lgm.views:2",
        "lgm.target:batch",
        "lgm.whiten:none",
        "augment.flip:false",
        "steps:77",
        "lgm.learning_rate:0.004",
    ]
    test = page("launch", dataset="scenes", preset="preview", set=link)
    for flag in ("steps 77", "lgm.views 2", "lgm.target batch", "augment.no-flip", "lgm.learning-rate 0.004"):
        assert f"--{flag}" in command(test)
    assert box(test, "Steps").value == 77 and box(test, "Views").value == 2


def test_settings_that_are_changed_stand_in_the_link(page: Open):
    test = page("launch", dataset="scenes", preset="preview")
    assert "set" not in test.query_params
    box(test, "Steps").set_value(88)
    test.run()
    assert given(test, "set") == ["steps:88"]
    box(test, "Views").set_value(5)
    test.run()
    assert given(test, "set") == ["lgm.views:5", "steps:88"] and "--steps 88 " in command(test)
    box(test, "Steps").set_value(preset("preview").steps)
    box(test, "Views").set_value(preset("preview").lgm.views)
    test.run()
    assert "set" not in test.query_params and "--steps" not in command(test)


def test_what_a_link_gets_wrong_is_left_out(page: Open):
    wrong = ["lgm.views:0", "nothing:1", "lgm:3", "steps:many", "", "lgm.views.more:1"]
    link = [*wrong, "seed:4", "embed.k:5", "rcig.pool:3"]  # the last two are no settings of this form
    test = page("launch", dataset="scenes", preset="preview", set=link)
    assert "--seed 4" in command(test) and "--lgm" not in command(test) and len(test.toast) == len(link) - 1
    assert given(test, "set") == ["seed:4"]


def test_an_old_link_with_two_widths_says_that_it_cannot_have_both(page: Open):
    test = page("launch", method="rcig", preset="rcig_digits", set=["rcig.width:64", "scratch.width:24", "seed:4"])
    assert len(test.toast) == 2 and all("for all networks" in toast.value for toast in test.toast)
    assert "width" not in command(test) and given(test, "set") == ["seed:4"]


def test_a_command_in_lines_means_the_same():
    assert in_lines("lgm distill a b --steps 3 --lgm.views 2") == "lgm distill a b \\\n  --steps 3 \\\n  --lgm.views 2"
    assert in_lines("lgm distill 'folder:/a --b' c --steps 3") == "lgm distill 'folder:/a --b' c --steps 3"


@pytest.mark.parametrize("name", ["compare", "report"])
def test_pages_open_with_runs_that_have_images(page: Open, store: RunStore, name: str):
    fake_study(store)  # all real images are the newest run of it
    assert not fake_distill(store, "queued", name="queued").frame_index.exists()
    shown = given(page(name), "runs" if name == "compare" else "run")
    newest = [run for run in store.runs()[::-1] if run.frame_index.exists()]
    assert shown == [run.id for run in newest[: len(shown)]] and not {"demo-full", "queued"} & set(shown)


def test_a_fork_has_a_row_of_its_own(store: RunStore):
    runs = fake_study(store, seeds=1)
    config = runs[0].config()
    made = fake_distill(store, name="fork", backbone=config.backbone, source=runs[0].id, fork_step=12, steps=60)
    assert row_label(made.config()) == f"{row_label(config)}, fork of {runs[0].id} after step 12"
    looking = change(made.config(), {"kind": "evaluate", "fork_step": 0})
    assert "fork" not in row_label(looking)
    matrix = study_matrix([made, *runs], BACKBONES)
    (row,) = [row for row in matrix.rows if row.label == f"distilled with {BACKBONES[2]}"]
    (missing,) = fillings([made, *runs], row, [BACKBONES[2]])
    assert missing.source == "" and missing.fork_step == 0 and missing.backbone == BACKBONES[2]


def _dialog() -> None:
    from lgm_core.base.places import places
    from lgm_core.runs.store import RunStore
    from pages.parts.watch.fork import fork_dialog

    fork_dialog(RunStore(places().runs).open("one"), 12)


def test_a_fork_of_the_last_step_is_offered_further_steps(store: RunStore):
    fake_distill(store, name="one", method="rcig", backbone="conv", steps=13)
    test = AppTest.from_function(_dialog, default_timeout=300).run()
    assert box(test, "Steps").value == 26 and not test.exception
    assert any("labels and temperature are kept" in caption.value for caption in test.caption)


def test_the_fork_dialog_starts_what_was_asked(store: RunStore, monkeypatch: pytest.MonkeyPatch):
    asked: list[tuple[str, int, dict[str, Any]]] = []

    def forked(run: RunFolder, step: int, changes: dict[str, Any], here: object) -> RunFolder:
        asked.append((run.id, step, changes))
        return run

    monkeypatch.setattr(local, "fork", forked)
    monkeypatch.setattr("streamlit.switch_page", lambda page, query_params: asked.append((page, 0, query_params)))
    run = fake_distill(store, name="one", steps=60)
    assert isinstance(run.config(), RunConfig)
    test = AppTest.from_function(_dialog, default_timeout=300).run()
    box(test, "Steps").set_value(90)
    box(test, "Views").set_value(4)
    next(button for button in test.button if button.label == "Start the fork").click()
    test.run()
    assert not test.exception
    assert asked == [("one", 12, {"steps": 90, "lgm": {"views": 4}}), ("pages/watch.py", 0, {"run": "one"})]


def test_order_and_page_of_a_gallery_stand_in_the_link(page: Open, store: RunStore):
    source = fake_distill(store, name="source")
    fake_embed(store, source, backbone=BACKBONES[0], name="map")
    lasso = {"lasso": "map~0,0~1,0~1,1~0,1", "lasso_sort": "probe-error"}
    test = page("embeddings", dataset="imagenette", backbones=[BACKBONES[0]], **lasso)
    assert test.query_params["lasso_sort"] == "probe-error"
    assert next(one for one in test.button_group if one.label == "Sorted by").value == "probe-error"
    for asked in ("2", "9"):  # of two pages
        test = page("neighbours", run="source", backbones=[BACKBONES[0]], page=asked)
        assert test.query_params["page"] == "2" and test.number_input(key="page_page").value == 2
    test.number_input(key="page_page").set_value(1).run()
    assert "page" not in test.query_params


def test_names_of_classes_may_hold_spaces():
    test = open_whole("launch", preset="preview", set=['lgm.contrast_classes:["church", "golf ball"]'])
    box = next(one for one in test.text_input if one.label == "Contrast classes")
    assert box.value == "church, golf ball"
    box.set_value("French horn,  gas pump,").run()
    assert given(test, "set") == ['lgm.contrast_classes:["French horn", "gas pump"]']
