"""`--effort`: plain values by rules, for any number of classes and any backbone; what is asked for by name wins."""

from pathlib import Path

import pytest

from lgm_core import api
from lgm_core.base.errors import ConfigError, UnknownName, UserError
from lgm_core.base.knobs import to_dict
from lgm_core.cli.flags import parse_config, parse_with
from lgm_core.config import RunConfig
from lgm_core.jobs.effort import with_effort
from lgm_core.jobs.study import StudyFlags
from lgm_core.methods.catalog import own_settings
from lgm_core.methods.lgm.efforts import EFFORTS, VIEWS_IN_A_STEP, settings
from lgm_core.presets import preset
from lgm_core.reports.command import command
from lgm_core.runs.store import RunFolder, RunStore
from tests.app import command as shown_command
from tests.app import open_whole


def parsed(words: str) -> RunConfig:
    return parse_config(words.split(), prog="lgm distill", positional=("dataset", "backbone"))


def rules(name: str, *, per_class: int = 1, classes: int = 10, side: int = 224, sources: int = 1, joint: str = "turn"):
    own = own_settings(preset("standard", lgm={"joint": joint}))
    return settings(name, own, images_per_class=per_class, classes=classes, side=side, sources=sources)


@pytest.mark.parametrize("per_class", [1, 7, 50])
@pytest.mark.parametrize("classes", [2, 10, 100, 1000, 20_000])
@pytest.mark.parametrize("name", EFFORTS)
def test_an_image_is_seen_as_often_however_many_there_are(name: str, classes: int, per_class: int):
    found = rules(name, classes=classes, per_class=per_class)
    views, steps = found["lgm"]["views"], found["steps"]
    assert abs(views * steps - EFFORTS[name].seen) < views
    assert views == 1 or views * classes * per_class <= VIEWS_IN_A_STEP


def test_in_turn_each_backbone_has_the_steps_of_a_single_one():
    alone = rules("normal")["steps"]
    assert (
        rules("normal", sources=3)["steps"] == 3 * alone and rules("normal", sources=3, joint="all")["steps"] == alone
    )


def test_photographs_are_enough_for_each_image_to_learn_a_part_of_its_class():
    assert [rules("quick", per_class=n)["data"]["train_per_class"] for n in (1, 20, 200)] == [100, 100, 1000]
    assert rules("long", per_class=200)["data"]["train_per_class"] == 0  # all there are


def test_more_effort_is_more_of_it():
    seen = [found["lgm"]["views"] * found["steps"] for found in map(rules, EFFORTS)]
    assert seen == sorted(seen) and len(set(seen)) == len(EFFORTS)


def test_images_are_no_larger_than_what_a_backbone_reads():
    assert rules("long", side=32)["synthetic"]["resolution"] == 32
    assert parsed("digits simclr_resnet18_cifar10 --effort quick").synthetic.resolution == 32


def test_images_per_class_and_a_joint_set_count_on_the_command_line_too():
    config = parsed("imagenette mobilenet_v3_small+resnet18 --effort normal --images-per-class 50")
    assert (config.lgm.views, config.steps) == (2, 2 * 1500)


def test_python_takes_an_effort_in_which_settings_win(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    made: list[RunConfig] = []
    monkeypatch.setattr(api, "_do", lambda config, progress: made.append(config) or api.Run(RunFolder(tmp_path)))
    api.distill("imagenette", "mobilenet_v3_small", effort="quick", lgm={"views": 2}, seed=4)
    assert (made[0].steps, made[0].lgm.views, made[0].seed) == (150, 2, 4) and "effort quick" in made[0].preset
    with pytest.raises(UserError, match="both say where to start from"):
        api.distill("imagenette", "mobilenet_v3_small", effort="quick", preset="paper")


def test_the_config_holds_plain_values_and_the_version_of_the_rules():
    config = parsed("imagenette mobilenet_v3_small --effort quick")
    assert config.preset == "effort quick, rules 2" and (config.steps, config.lgm.views) == (150, 3)
    again = parsed(command(config).partition(" distill ")[2])  # which needs no rule, and no effort
    assert {**to_dict(again), "preset": ""} == {**to_dict(config), "preset": ""}


def test_what_is_asked_for_by_name_wins():
    config = parsed("imagenette mobilenet_v3_small --effort=normal --lgm.views 2 --synthetic.resolution 64 --seed 4")
    assert (config.lgm.views, config.synthetic.resolution, config.seed, config.steps) == (2, 64, 4, 600)


def test_a_study_follows_the_backbones_that_it_distils_with():
    words = ["demo", "digits", "--distil-with", "simclr_resnet18_cifar10", "mobilenet_v2", "--effort", "quick"]
    config, _ = parse_with(words, prog="lgm study", positional=("name", "dataset"), extra=StudyFlags())
    assert config.synthetic.resolution == 32 and config.preset == "effort quick, rules 2" and config.steps == 150
    words[3:5] = ["mobilenet_v2", "mobilenet_v2+resnet18"]  # at equal time, so that both have what the joint one needs
    assert parse_with(words, prog="lgm study", positional=("name", "dataset"), extra=StudyFlags())[0].steps == 300


@pytest.mark.parametrize(
    ("words", "kind", "said"),
    [
        ("imagenette mobilenet_v2 --effort quick --preset paper", ConfigError, "both say where to start from"),
        ("imagenette mobilenet_v2 --effort quik", UnknownName, "did you mean 'quick'"),
        ("imagenette mobilenet_v2 --effort", UserError, "needs a name: quick, normal, long"),
        ("digits conv --method rcig --effort quick", ConfigError, "RCIG has no --effort; choose one of its presets"),
    ],
)
def test_what_cannot_be_is_a_sentence(words: str, kind: type[Exception], said: str):
    with pytest.raises(kind, match=said):
        parsed(words)


def test_launch_offers_it_for_the_method_that_has_it(store: RunStore):
    test = open_whole("launch", preset="quick", dataset="digits", backbones="simclr_resnet18_cifar10")
    wanted = with_effort(preset("standard", dataset="digits", backbone="simclr_resnet18_cifar10"), "quick")
    words = shown_command(test)
    assert f"--steps {wanted.steps}" in words and "--synthetic.resolution 32" in words and "--lgm.views 3" in words
    assert "Quick effort" not in str(open_whole("launch", method="rcig").segmented_control)
