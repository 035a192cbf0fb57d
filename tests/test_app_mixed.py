"""Pages with runs of both methods together: nothing fails, and nothing is compared that cannot be."""

from pathlib import Path
from typing import Any

import pytest

from lgm_core.base.files import read_json, write_json
from lgm_core.base.knobs import to_dict
from lgm_core.config import RunConfig
from lgm_core.evaluation.catalog import usual_protocol
from lgm_core.evaluation.protocol import differing, key_for, what_is_unlike
from lgm_core.presets import change, preset
from lgm_core.reports.card import card
from lgm_core.reports.matrix import config_of, fillings, study_matrix
from lgm_core.reports.page import run_report, study_report
from lgm_core.reports.summary import result_table
from lgm_core.runs.store import RunFolder, RunStore
from tests.fake_runs import BACKBONES, fake_distill, fake_eval, fake_study
from tests.test_pages_analysis import show, store, words  # noqa: F401 (two fixtures)

JUDGES = ["mobilenet_v2", "conv"]


def both(store: RunStore, **more: Any) -> list[RunFolder]:  # noqa: F811
    """A set of each method, judged by a head and a network; `more`: values of the second."""
    first = fake_distill(store, name="heads", backbone="mobilenet_v2", evaluate_on=JUDGES)
    values = {"name": "networks", "method": "rcig", "backbone": "conv", "evaluate_on": JUDGES, "trail": False} | more
    return [first, fake_distill(store, **values)]


def test_compare_keeps_losses_and_recipes_apart(show, store):  # noqa: F811
    runs = both(store, scratch=vars(preset("rcig_digits").scratch))
    shown = show("compare", runs=[run.id for run in runs])
    said, table = words(shown), {row["Evaluated on"]: row for _, row in shown.dataframe[1].value.iterrows()}
    assert "distance of the gradients" in said and "cross-entropy on real images" in said
    assert said.count("charts show different quantities") == 2 and r"differ in scratch\.learning" in said
    assert table["conv"]["networks − heads"] == "not comparable"
    assert table["MobileNetV2"]["networks − heads"].startswith("+0.0")
    assert "Judged differently" in words(show("cross_model", study="dataset:imagenette"))


def test_settings_that_a_run_does_not_look_at_are_not_shown_as_its_own(show, store):  # noqa: F811
    runs = both(store, rcig=vars(change(preset("rcig_digits"), {"rcig": {"pool": 7}}).rcig), evaluate_on=["conv"])
    heads = fake_distill(store, name="only_heads", backbone="mobilenet_v2", evaluate_on=["mobilenet_v2"])
    shown = show("compare", runs=[runs[1].id, heads.id]).dataframe[0].value.set_index("Setting")
    assert list(shown.loc["rcig.pool"]) == ["7", "–"]


def test_runs_of_one_method_share_their_charts(show, store):  # noqa: F811
    runs = [fake_distill(store, name=name, method="rcig", backbone="conv", evaluate_on=["conv"]) for name in "ab"]
    said = words(show("compare", runs=[run.id for run in runs]))
    assert (
        "different quantities" not in said and "cosine" not in said and "over the heads or networks of one run" in said
    )


@pytest.mark.parametrize("page", ["embeddings", "neighbours"])
def test_networks_from_scratch_have_no_map(show, store, page: str):  # noqa: F811
    run = both(store)[1]
    link = {"run": run.id} if page == "neighbours" else {"dataset": "imagenette"}
    shown = show(page, backbones=["conv"], **link)
    assert "conv: networks trained from scratch have no features" in words(shown)
    assert not [button for button in shown.button if button.label == "Compute"]
    assert "trained from scratch have" not in words(show(page, **link))  # conv is not what the page begins with


def test_cross_model_of_networks_offers_no_alignment(show, store):  # noqa: F811
    run = fake_distill(store, name="one", method="rcig", backbone="conv", study="demo", evaluate_on=["conv", "vgg"])
    fake_eval(run, "vgg", ["a", "b"], 0.5)
    shown = show("cross_model", study="demo")
    assert "conv, vgg: networks trained from scratch" in words(shown) and "over the networks" in words(shown)
    assert not [button for button in shown.button if "alignment" in button.label]


def test_a_column_of_few_labels_belongs_to_its_network_which_is_not_asked_for_again(show, store):  # noqa: F811
    for run in fake_study(store, seeds=1):
        values = to_dict(run.config()) | {"evaluate_on": []}
        write_json(run.config_file, {"config": values})
        for file in run.evals.glob("*.json"):
            told = {"protocol": usual_protocol(BACKBONES[0]), "fraction": 0.1, "settings": {}}
            write_json(file, read_json(file) | told)
    columns = tuple(f"{name}, 10 % of labels" for name in BACKBONES[:2])
    matrix = study_matrix(store.runs(), BACKBONES)
    assert matrix.columns == (*columns, BACKBONES[2])
    row = next(row for row in matrix.rows if row.backbone == BACKBONES[0] and row.choice == "distill")
    assert matrix.value(row, columns[0], "over centroids") == pytest.approx(0.15)
    shown = show("cross_model", study="demo")
    assert shown.multiselect[0].value == list(BACKBONES[:2])


def apart(configs: list[RunConfig], network: str) -> list[str]:
    return differing([key_for(config, network) for config in configs])


def test_what_was_judged_by_the_same_recipe_is_alike():
    digits, preview = preset("rcig_digits"), preset("rcig_preview", dataset="digits")
    assert apart([digits, change(digits, {"seed": 3, "scratch": {"seeds": 2}})], "conv") == []
    assert apart([digits, preview], "conv") == [
        "scratch.learning_rate",
        "scratch.resolution",
        "scratch.flip",
        "scratch.width",
    ]
    assert apart([digits, preview], "mobilenet_v2") == []
    assert apart([digits, preset("rcig_preview")], "mobilenet_v2") == ["data set"]
    heads = change(digits, {"evaluate_on": ("mobilenet_v2",)})
    assert what_is_unlike([digits, preview, heads], ["conv", "mobilenet_v2"]).count("scratch.learning_rate") == 1
    assert what_is_unlike([digits, heads], ["conv", "mobilenet_v2"]) == ""


def test_reports_and_cards_say_what_was_trained(store, tmp_path: Path):  # noqa: F811
    heads, networks = both(store)
    only = fake_distill(store, name="only", method="rcig", backbone="conv", evaluate_on=["conv"])
    assert "the nearest class mean in frozen backbones or networks trained from scratch" in run_report(networks)
    assert "Loss: cross-entropy on real images" in run_report(networks) and "cosine" in run_report(heads)
    assert "networks trained from scratch,\ngiven these images only" in card(only) and "heads" not in card(only)
    assert "`targets` [N, C]" in card(only) and "weights" not in card(only) and "conv (conv)" not in card(only)
    assert "targets" not in card(heads) and "conv (conv)" not in card(heads) and "weights" in card(heads)
    assert "lower bound" not in study_report("demo", [only])
    full = {"kind": "baseline", "baseline": vars(change(config_of(only), {"baseline": {"choice": "full"}}).baseline)}
    whole = fake_distill(store, name="whole", method="rcig", backbone="conv", evaluate_on=["conv"], **full)
    assert "a lower bound" in study_report("demo", [only, whole])


def test_an_evaluation_with_other_settings_has_a_row_of_its_own(store):  # noqa: F811
    """Averaged with the first, it would be a figure of neither."""
    run = both(store)[1]
    again = {"kind": "evaluate", "source": run.id, "trail": False}
    fake_distill(store, name="alike", method="rcig", backbone="conv", evaluate_on=["conv"], **again)
    other = fake_distill(store, name="other", method="rcig", backbone="conv", evaluate_on=["conv"], **again,
                         scratch=vars(change(run.config(), {"scratch": {"learning_rate": 0.002}}).scratch))  # fmt: skip
    runs = [run, store.open("alike"), other]
    table = result_table(runs)
    assert [row.label for row in table.rows] == [
        "distilled by RCIG with conv",
        "distilled by RCIG with conv, judged with scratch.learning_rate 0.002",
    ]
    assert table.rows[0].cells["conv"].runs == ("alike",) and table.rows[1].cells["conv"].runs == ("other",)
    matrix = study_matrix(runs)
    assert [row.label for row in matrix.rows] == [row.label for row in table.rows]
    assert [bool(fillings(runs, row, ["vgg"])) for row in matrix.rows] == [True, False]
