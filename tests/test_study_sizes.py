"""Studies whose sets have several sizes, or leave one backbone out each: what is planned, and what is said of it."""

from dataclasses import replace
from pathlib import Path

import pytest

from lgm_core.base.errors import ConfigError
from lgm_core.cli.look import show_run
from lgm_core.config import RunConfig, validate
from lgm_core.jobs.study import StudyFlags, plan_study
from lgm_core.presets import preset
from lgm_core.reports.growth import growth_table, growths
from lgm_core.reports.matrix import study_matrix
from lgm_core.reports.page import study_report
from lgm_core.reports.summary import result_table
from lgm_core.runs.store import RunStore
from tests.app import command, open_page
from tests.fake_runs import BACKBONES, CLASSES, _create, fake_distill, fake_eval

SMALL = ("mobilenet_v3_small", "mobilenet_v2", "resnet18")


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> RunStore:
    monkeypatch.setenv("LGM_CACHE", str(tmp_path))
    return RunStore(tmp_path / "runs")


def base(**values: object) -> RunConfig:
    return preset("preview", name="demo", dataset="digits", **values)


def test_each_of_three_is_left_out_once_and_judges_what_the_others_made():
    found = plan_study(base(), StudyFlags(distil_with=SMALL, leave_one_out=True, seeds=2, draws=1, rivals=True))
    made = [validate(config) for config in found if config.kind == "distill"]
    assert [config.networks() for config in made[::2]] == [SMALL[1:], SMALL[::2], SMALL[:2]]
    assert all(config.evaluate_on == SMALL for config in found)  # by itself, what all of them are
    greedy = [config.networks() for config in found if config.baseline.choice == "greedy" and config.seed == 0]
    assert greedy == [config.networks() for config in made[::2]]  # the rival is chosen by the same


def test_what_cannot_be_left_out_is_said():
    with pytest.raises(ConfigError, match=r"wants three backbones or more, .*; resnet18 was given: --distil-with A B"):
        plan_study(base(), StudyFlags(distil_with=("resnet18",), leave_one_out=True))
    with pytest.raises(ConfigError, match="RCIG learns a set in one network, so none can be left out"):
        plan_study(preset("rcig_digits", name="demo"), StudyFlags(leave_one_out=True))
    with pytest.raises(ConfigError, match=r"sizes.*between 1 and 1000"):
        plan_study(base(), StudyFlags(sizes=(0,)))


def test_every_set_and_choice_is_made_at_every_size_and_all_real_images_once():
    flags = StudyFlags(distil_with=SMALL[:1], seeds=1, draws=1, sizes=(1, 5, 5))
    found = [validate(config) for config in plan_study(base(), flags)]
    names = [config.name for config in found]
    assert len(set(names)) == len(names)
    sizes = {name.rpartition("-")[2]: config.images_per_class for name, config in zip(names, found, strict=True)}
    assert sizes == {"1pc": 1, "full": 1, "5pc": 5}
    each = [
        [c.baseline.choice if c.kind == "baseline" else "" for c in found if c.name.endswith(f"-{n}pc")] for n in (1, 5)
    ]
    assert each[0] == each[1] == ["", "random", "centroids", "neighbours"]
    for config in found:  # neighbours are those of the set of their own size, which is done before
        assert not config.source or names.index(config.source) < names.index(config.name)
        assert not config.source or config.source.endswith(f"-{config.images_per_class}pc")
    assert [c.name for c in plan_study(base(), replace(flags, sizes=()))][0] == "demo-lgm-mobilenet_v3_small-s0"


def grown(store: RunStore) -> None:
    """Learned sets and centroids of one, five and twenty images per class, which meet between the last two."""
    asked = {"dataset": "imagenette", "study": "grow", "backbone": BACKBONES[0], "evaluate_on": BACKBONES[:2]}
    for count, learned, real in ((1, 0.8, 0.7), (5, 0.85, 0.82), (20, 0.9, 0.92)):
        for seed in (0, 1):
            fake_distill(
                store, name=f"grow-{seed}-{count}pc", seed=seed, images_per_class=count, accuracy=learned + 0.02 * seed,
                frames=2, **asked,
            )  # fmt: skip
        values = asked | {"kind": "baseline", "baseline": {"choice": "centroids"}, "images_per_class": count}
        run = _create(store, "finished", 1, values | {"name": f"grow-centroids-{count}pc"})
        for judge in BACKBONES[:2]:
            fake_eval(run, judge, CLASSES, real)
    full = _create(
        store, "finished", 1, asked | {"kind": "baseline", "baseline": {"choice": "full"}, "name": "grow-full"}
    )
    fake_eval(full, BACKBONES[0], CLASSES, 0.97)


def test_a_study_tells_what_further_images_are_worth(store: RunStore, capsys):
    grown(store)
    first, second = growths(study_matrix(store.study("grow")))
    assert first.counts == (1, 5, 20) and first.full and not second.full
    learned, real = first.lines
    sizes = [row.per_class for row in study_matrix(store.study("grow")).rows]
    assert sizes == [row.per_class for row in result_table(store.study("grow")).rows] == [1, 5, 20, 1, 5, 20, 1]
    assert first.choices == {learned: "distill", real: "centroids"} and "per class" not in learned + real
    assert [round(cell.mean, 3) for cell in first.lines[learned].values()] == [0.81, 0.86, 0.91]
    words = "The best learned set is ahead of the best choice of real images at 1 and 5 images per class, not at 20."
    who = f"Top-1 accuracy of the nearest class mean in frozen backbones: {BACKBONES[0]}; mean ± standard deviation"
    who += " over runs."
    assert first.meeting() == words and first.judge_words() == who
    headings, rows = growth_table(first)
    assert headings[1:] == ["1", "5", "20"] and rows[0][1] == "81.0 ± 1.0" and rows[-1][0] == "all real images"
    assert show_run("grow") == 0 and f"{who} {words}" in capsys.readouterr().out
    assert words in study_report("grow", store.study("grow"))


def test_the_page_draws_a_curve_for_each_way(store: RunStore):
    grown(store)
    test = open_page("cross_model", study="grow")
    assert not test.exception
    assert "Accuracy against images per class" in [head.value for head in test.subheader]
    assert any("not at 20" in caption.value for caption in test.caption)
    fake_distill(store, name="other", study="other", backbone=BACKBONES[0], evaluate_on=BACKBONES[:2])
    test = open_page("cross_model", study="other")  # of one size: nothing to draw
    assert not test.exception and "Accuracy against images per class" not in [head.value for head in test.subheader]


def test_launch_leaves_each_out_and_makes_several_sizes(store: RunStore):
    link = {"dataset": "scenes", "preset": "preview", "backbones": list(SMALL), "sets": "others"}
    test = open_page("launch", **link)
    next(box for box in test.text_input if box.label == "Sizes").set_value("1 5").run()
    assert not test.exception
    words = command(test)
    assert "--distil-with mobilenet_v2+resnet18 mobilenet_v3_small+resnet18 mobilenet_v3_small+mobilenet_v2" in words
    assert "--sizes 1 5" in words
    two = open_page("launch", **link | {"backbones": list(SMALL[:2])})  # of two, none can be left out
    assert not two.exception and "--distil-with mobilenet_v3_small mobilenet_v2" in command(two)
