"""Knobs, presets and what only several values together can get wrong."""

import dataclasses

import pytest

from lgm_core.base.errors import ConfigError, UnknownName
from lgm_core.base.knobs import from_dict, to_dict
from lgm_core.config import RunConfig, validate
from lgm_core.methods.catalog import own_settings
from lgm_core.methods.lgm.config import LGMConfig
from lgm_core.presets import PRESETS, change, preset


def _all_fields(cls: type, path: str = "") -> list[tuple[str, dataclasses.Field]]:
    found = []
    for field in dataclasses.fields(cls):
        default = field.default_factory() if field.default_factory is not dataclasses.MISSING else field.default
        name = f"{path}{field.name}"
        found += _all_fields(type(default), f"{name}.") if dataclasses.is_dataclass(default) else [(name, field)]
    return found


@pytest.mark.parametrize(("name", "field"), _all_fields(RunConfig))
def test_every_knob_has_help_and_its_default_keeps_the_limits(name: str, field: dataclasses.Field):
    assert field.metadata["help"], name
    low, high = field.metadata["low"], field.metadata["high"]
    for value in field.default if isinstance(field.default, tuple) else (field.default,):
        assert low is None or value >= low
        assert high is None or value <= high


def test_round_trip_through_plain_values():
    config = preset("paper", dataset="cifar10", evaluate_on=("a", "b"), lgm={"views": 4})
    assert from_dict(RunConfig, to_dict(config)) == config


def test_missing_keys_take_the_default_so_that_old_runs_open():
    assert from_dict(RunConfig, {"steps": 7, "lgm": {}}).lgm == LGMConfig()


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"lgm": {"vews": 3}}, "unknown setting of lgm 'vews'; did you mean 'views'?"),
        ({"stepz": 3}, "unknown setting of the run 'stepz'; did you mean 'steps'"),
        ({"lgm": {"views": 0}}, "lgm.views must be between 1 and 1000; 0 was given"),
        ({"lgm": {"target": "bnak"}}, "lgm.target must be one of mean, bank, batch; 'bnak' was given"),
        ({"steps": "many"}, "steps must be a whole number; 'many' was given"),
        ({"steps": True}, "steps must be a whole number; True was given"),
        ({"data": {"resize": 4}}, "data.resize must be between 224 and 1024 px; 4 was given"),
        ({"evaluate_on": "clip_vitb16"}, "evaluate_on must be a list of names; 'clip_vitb16' was given"),
        ({"lgm": {"source_views": None}}, "source_views must be a list of whole numbers; None was given"),
        ({"lgm": 3}, "lgm is a group of settings, 3 was given"),
    ],
)
def test_wrong_values_are_answered_with_the_limits(values: dict, words: str):
    with pytest.raises(ConfigError) as error:
        from_dict(RunConfig, values)
    assert words in str(error.value)


def test_a_network_that_images_are_too_small_for_is_refused():
    with pytest.raises(ConfigError, match="vgg:batch halves its images .* 32 px, but scratch.resolution is 8"):
        validate(preset("rcig_digits", evaluate_on=("conv", "vgg:batch")))
    assert validate(preset("rcig_depth_3_no_flip", dataset="mnist", evaluate_on=("vgg",)))


def test_automatic_growth_with_fewer_steps_than_levels_is_refused():
    with pytest.raises(ConfigError, match="full 128 px only at step 7, but the run has 7 steps; raise steps above"):
        validate(RunConfig(steps=7))
    assert validate(RunConfig(steps=8))


@pytest.mark.parametrize(("steps", "left"), [(200, 8), (201, 7), (1000, 4), (1600, 1), (1601, 0), (9000, 0)])
def test_the_papers_growth_keeps_its_pace_with_fewer_steps_and_leaves_levels_out(steps: int, left: int):
    own = own_settings(validate(preset("paper", steps=steps)))
    assert (own.grow_every(steps), own.levels_left_out(steps)) == (200, left)


def test_automatic_growth_reaches_full_size_after_its_share_of_the_steps():
    config = change(RunConfig(steps=500), {"pyramid": {"grow_share": 0.32}, "synthetic": {"resolution": 256}})
    assert own_settings(config).grow_every(500) == 20  # 8 times to 160, of 500


@pytest.mark.parametrize(("start", "side", "levels"), [(1, 128, 7), (3, 128, 6), (4, 128, 5), (96, 96, 0), (80, 96, 1)])
def test_levels_to_come_are_those_finer_than_the_first(start: int, side: int, levels: int):
    """With start 3, sides 1 and 2 are there from the beginning: 4, 8, 16, 32, 64 and 128 are to come."""
    pyramid = {"start": start, "grow_share": 0.95}
    own = own_settings(validate(change(RunConfig(), {"pyramid": pyramid, "synthetic": {"resolution": side}})))
    assert own.grow_every(100) == 95 // max(levels, 1) and own.levels_left_out(100) == 0
    assert own.levels_left_out(1) == levels


@pytest.mark.parametrize("name", PRESETS)
def test_presets_are_valid(name: str):
    assert validate(preset(name)).preset == name


def test_paper_preset_is_the_papers():
    paper = preset("paper")
    assert (paper.steps, paper.lgm.views, paper.lgm.learning_rate, own_settings(paper).grow_every(5000)) == (
        5000,
        10,
        2e-3,
        200,
    )
    assert (paper.normalisation, paper.lgm.target, paper.lgm.balance) == ("imagenet", "batch", False)
    assert paper.synthetic.resolution == 256
    assert (paper.pyramid.rescale, paper.pyramid.keep_moments, paper.synthetic.noise_scale) == (True, False, 1.0)


def test_unknown_preset_is_answered_with_the_nearest():
    with pytest.raises(UnknownName, match="unknown preset 'papr'; did you mean 'paper'"):
        preset("papr")


def test_runs_that_look_at_another_need_its_name():
    with pytest.raises(ConfigError, match="evaluate run needs a source"):
        validate(RunConfig(kind="evaluate"))
    with pytest.raises(ConfigError, match="neighbours baseline needs a source"):
        validate(preset("standard", kind="baseline", baseline={"choice": "neighbours"}))
