"""Distil this: from images that are seen on a page to a data set on Launch, and from the run back to them."""

from dataclasses import replace
from urllib.parse import parse_qs

import pytest

from lgm_core.base.files import read_json, write_json
from lgm_core.base.places import places
from lgm_core.datasets.group_files import add_group, read_collection
from lgm_core.datasets.groups import Collection, Group, Split
from lgm_core.reports.page import run_report
from tests.fake_disagreement import fake_disagreement
from tests.fake_runs import BACKBONES, REAL, fake_distill, fake_embed
from tests.test_pages_analysis import show, store, words  # noqa: F401  (fixtures)

SPLIT = Split("imagenette", "test", "0123456789ab", REAL)
PAIR = {"dataset": "imagenette", "backbones": list(BACKBONES[:2])}


def button(test, label):
    return next(one for one in test.button if one.label == label)


def test_a_lasso_becomes_a_group_and_launch_opens_with_it(show, store):  # noqa: F811
    embedded = fake_embed(store, fake_distill(store, name="one"), backbone=BACKBONES[0], name="map")
    lasso = f"{embedded.id}~0,0~0.5,0~0.5,1~0,1"
    shown = show("embeddings", dataset="imagenette", backbones=[BACKBONES[0]], lasso=lasso)
    assert "images in the lasso" in words(shown)
    shown.text_input(key="name_lasso").set_value("left side").run()
    button(shown, "Distil").click().run()
    assert not shown.exception
    found = read_collection(places().groups, "lasso")
    group = found.groups[0]
    assert found.classes == ("left side", "rest") and group.images == SPLIT and group.page == "embeddings"
    assert parse_qs(group.query)["lasso"] == [lasso] and f"{len(group.indices)} images in the lasso" in words(
        show("embeddings", **parse_qs(group.query))
    )
    assert shown.multiselect[0].value == [BACKBONES[0]] and shown.query_params["dataset"] == "groups:lasso"


def test_neighbourhoods_become_groups(show, store):  # noqa: F811
    source = fake_distill(store, name="one")
    embedded = fake_embed(store, source, backbone=BACKBONES[0], name="map")
    near = show("neighbours", run=source.id, backbones=[BACKBONES[0]], k="3")
    button(near, "Only collect").click().run()
    clicked = show("embeddings", dataset="imagenette", backbones=[BACKBONES[0]], picked="real:7")
    clicked.number_input(key=f"most_near_{embedded.id}").set_value(5).run()
    button(clicked, "Only collect").click().run()
    assert not near.exception and not clicked.exception
    (own,) = read_collection(places().groups, "near_tench").groups
    assert (own.indices, own.page) == ((0, 10, 20), "neighbours") and parse_qs(own.query)["run"] == [source.id]
    (around,) = read_collection(places().groups, "near_image_7").groups
    assert 7 in around.indices and len(around.indices) == 5 and around.page == "embeddings"


def test_most_changed_and_torn_groups_are_collected_as_several_classes(show, store):  # noqa: F811
    fake_disagreement(store)
    shown = show("disagreement", **PAIR)
    shown.number_input(key="most_changed").set_value(7).run()
    shown.toggle(key="rest_changed_most_changed").set_value(False).run()
    button(shown, "Only collect").click().run()
    assert not shown.exception and len(read_collection(places().groups, "most_changed").groups[0].indices) == 7
    shown = show("disagreement", look="groups", **PAIR)
    shown.selectbox(key="into_first-0").set_value("most_changed").run()
    button(shown, "Only collect").click().run()
    found = read_collection(places().groups, "most_changed")
    assert len(found.classes) == 2 and found.groups[1].indices == (3, 14, 25, 36, 47) and not found.rest
    assert parse_qs(found.groups[1].query)["group"] == ["first-0"]
    button(shown, "Only collect").click().run()
    assert "already" in words(shown)


@pytest.mark.parametrize("count", [3, 40])
def test_watch_leads_back_to_the_groups_and_says_what_they_judge(show, store, count):  # noqa: F811
    group = Group(name="few", images=SPLIT, indices=tuple(range(count)), page="embeddings", query="lasso=a~0,0&view=b")
    found = Collection("mine", (group, replace(group, name="more", indices=tuple(range(40, 60)), page="")))
    run = fake_distill(store, name="one", dataset=found.dataset, evaluate_on=[BACKBONES[0]])
    mark = {"mark": found.mark()} if found.mark() else {}
    report = next(run.evals.glob("*.json"))
    write_json(report, read_json(report) | mark)
    fake_distill(store, name="two", dataset=found.dataset)
    show("runs")
    assert ("for looking" in words(show("compare", runs=["one", "two"])).replace("\\", "")) == (count == 3)
    write_json(run.groups_file, {found.dataset: found.values()}, sealed=True)
    shown = show("watch", run="one")
    link = shown.get("page_link")[0].proto
    assert parse_qs(link.query_string) == parse_qs(group.query) and f"{count} images" in link.label
    assert ("for looking" in words(shown).replace("\\", "")) == (count == 3) and "20 % are kept" in words(shown)
    assert f"<td>few</td><td>imagenette</td><td>test</td><td>{count}</td>" in run_report(run)
    run.groups_file.write_text("{")
    assert "<td>few</td>" not in run_report(run)
    assert "groups" in words(show("watch", run="one")) and not show("watch", run="one").get("page_link")


def test_launch_shows_a_collection_or_why_it_is_none(show, store):  # noqa: F811
    group = Group(name="a", images=SPLIT._replace(dataset="details"), indices=tuple(range(9)))
    add_group(places().groups, "mine", group)
    assert "two classes" in words(show("launch", dataset="groups:mine"))
    add_group(places().groups, "mine", replace(group, name="b", indices=tuple(range(20, 40))))
    shown = words(show("launch", dataset="groups:mine")).replace("\\", "")
    assert "b: 20 test images of details" in shown and "groups:mine" in shown
    (places().groups / "mine.json").write_text("[]")
    assert "damaged" in words(show("launch", dataset="groups:mine"))
