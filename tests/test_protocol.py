"""The key of an evaluation: what it is made of, what is done, what is judged alike; and what it costs."""

import json
from dataclasses import replace

import pytest

from lgm_core.base.costs import DataSize, Measured
from lgm_core.base.errors import ConfigError, UnknownName
from lgm_core.base.files import read_json, write_json
from lgm_core.base.knobs import to_dict
from lgm_core.base.places import Places
from lgm_core.cli.flags import parse_config
from lgm_core.config import RunConfig, renamed, validate
from lgm_core.engine import work
from lgm_core.evaluation.catalog import PROTOCOLS
from lgm_core.evaluation.from_scratch import recipe_of
from lgm_core.evaluation.protocol import (
    Key,
    column_of,
    differing,
    key_for,
    key_of_report,
    keys_of,
    network_of,
    protocol_of,
)  # fmt: skip
from lgm_core.evaluation.work import seconds_of
from lgm_core.jobs import estimate as estimates
from lgm_core.jobs.calibrations import measurement_file
from lgm_core.methods.catalog import METHODS
from lgm_core.presets import change, preset
from lgm_core.runs.heart import Heart, plain
from lgm_core.runs.identity import identity
from lgm_core.runs.start import start
from lgm_core.runs.store import RunFolder, RunStore

FIRST = ("paper", "scratch")  # the protocols of versions that had one for each kind of network
MIXED = preset("preview", evaluate_on=("mobilenet_v2", "conv:depth2"), protocol=FIRST)


def _finish(run: RunFolder, here: Places) -> RunFolder:
    assert work(run, here) == "finished", run.log_tail()
    return run


def test_a_key_is_a_network_its_protocol_data_fraction_and_settings():
    frozen, student = keys_of(MIXED)
    assert (frozen.network, frozen.protocol, frozen.dataset) == ("mobilenet_v2", "paper", "scenes")
    assert (student.network, student.protocol, student.settings["scratch.depth"]) == ("conv:depth2", "scratch", 2)
    assert frozen.file_stem == f"mobilenet_v2-paper-on-scenes-{frozen.digest}"
    assert [frozen.column, student.column] == ["mobilenet_v2, paper", "conv:depth2"]
    assert replace(frozen, protocol="nearest-mean").column == "mobilenet_v2"
    other = replace(frozen, fraction=0.1)
    assert other.column == "mobilenet_v2, paper, 10 % of labels" and other.file_stem != frozen.file_stem
    assert [(network_of(key.column), protocol_of(key.column)) for key in (other, student)] == [
        ("mobilenet_v2", "paper"), ("conv:depth2", "scratch")
    ]  # fmt: skip


def test_a_digest_depends_on_what_is_judged_by_and_on_nothing_else():
    before = keys_of(MIXED)[0].digest
    assert keys_of(change(MIXED, {"probe": {"seeds": 9}}))[0].digest != before
    assert keys_of(change(MIXED, {"probe": {"views": 9}}))[0].digest != before
    for changes in ({"lgm": {"views": 9}}, {"scratch": {"steps": 9}}, {"seed": 9}, {"live": {"times": 9}}):
        assert keys_of(change(MIXED, changes))[0].digest == before
    reordered = Key(**{**vars(keys_of(MIXED)[0]), "settings": dict(reversed(keys_of(MIXED)[0].settings.items()))})
    assert reordered.digest == before


def test_more_heads_are_another_evaluation_but_judge_alike():
    more = change(MIXED, {"probe": {"seeds": 9}, "scratch": {"seeds": 9}})
    for network in ("mobilenet_v2", "conv"):
        assert differing([key_for(config, network) for config in (MIXED, more)]) == []
    assert differing([key_for(MIXED, "mobilenet_v2"), key_for(change(MIXED, {"probe": {"views": 4}}), "mobilenet_v2")])


def test_a_report_without_a_protocol_keeps_its_place():
    for key in keys_of(MIXED):
        old = {"backbone": key.network, "dataset": "scenes", "top1": 0.5}
        assert key_of_report(old, MIXED).digest == key.digest and column_of(old) == key.column
        new = json.loads(json.dumps({**key.facts(), "top1": 0.5}))
        assert key_of_report(new, preset("paper")).digest == key.digest


def test_protocols_that_do_not_fit_are_refused_by_name():
    with pytest.raises(UnknownName, match="unknown protocol 'papr'; did you mean 'paper'"):
        validate(change(MIXED, {"protocol": ("papr",)}))
    with pytest.raises(ConfigError, match=r"conv:depth2 cannot judge by paper; .* suits it \(scratch, pretrain\)"):
        validate(change(MIXED, {"protocol": ("paper",)}))
    both = validate(change(MIXED, {"protocol": ("scratch", "paper")}))
    assert [key.protocol for key in keys_of(both)] == ["paper", "scratch"]
    assert parse_config(["scenes", "mobilenet_v2", "--protocol", "paper"], prog="x",
                        positional=("dataset", "backbone")).protocol == ("paper",)  # fmt: skip


def test_what_only_judges_is_no_part_of_a_distillation():
    base = preset("rcig_digits")
    judging = [{"probe": {"views": 9}}, {"scratch": {"learning_rate": 1e-2, "steps": 7, "seeds": 1}}]
    judging += [{"evaluate_on": ("vgg",)}, {"data": {"test_per_class": 3}}, {"protocol": ("scratch",)}]
    for changes in judging:
        assert identity(change(base, changes)) == identity(base)
    for name, value in (("width", 9), ("depth", 2), ("resolution", 16)):  # which RCIG distils with
        assert identity(change(base, {"scratch": {name: value}})) != identity(base)
    linear = preset("preview")
    assert identity(change(linear, {"scratch": {"width": 9}})) == identity(linear)


@pytest.mark.slow
def test_an_evaluation_under_its_old_name_is_done(small_run: RunConfig, here: Places):
    run = _finish(start(change(small_run, {"protocol": FIRST}), here), here)
    file = next(run.evals.iterdir())
    old = {name: value for name, value in read_json(file).items() if name not in ("protocol", "fraction", "settings")}
    file.unlink()
    write_json(run.evals / "toy-on-digits.json", old)
    _finish(run, here)
    assert [path.name for path in run.evals.iterdir()] == ["toy-on-digits.json"]


def test_how_all_real_images_are_trained_on_tells_only_their_evaluations_apart(small_run: RunConfig):
    small_run = change(small_run, {"protocol": FIRST})
    longer = change(small_run, {"probe": {"full_epochs": 7}})
    assert [key.digest for key in keys_of(longer)] == [key.digest for key in keys_of(small_run)]
    full = [change(one, {"kind": "baseline", "baseline": {"choice": "full"}}) for one in (small_run, longer)]
    one, other = (keys_of(config)[0] for config in full)
    assert differing([one, other]) == ["probe.full_epochs"] and differing([one, keys_of(small_run)[0]]) == []


def test_long_names_make_no_long_file_names(small_run: RunConfig):
    config = change(small_run, {"dataset": f"folder:/{'a' * 150}", "evaluate_on": [f"file:/{'b' * 150}?timm=x"]})
    assert len(keys_of(config)[0].file_stem) < 200


def test_settings_under_their_names_of_before_are_understood():
    old = {
        "backbone": "conv",
        "rcig": {"resolution": 8, "width": 16, "flip": False, "pool": 3},
        "scratch": {"width": 0},
    }
    assert renamed(old) == {"backbone": "conv", "rcig": {"pool": 3},
                            "scratch": {"resolution": 8, "width": 16, "flip": False}}  # fmt: skip
    assert renamed({"backbone": "resnet", "rcig": {"width": 16}, "scratch": {"width": 64}})["backbone"] == "resnet"
    two = renamed({"backbone": "conv:batch", "rcig": {"width": 16}, "scratch": {"width": 64}})
    assert two == {"backbone": "conv:batch:width16", "rcig": {}, "scratch": {"width": 64}}
    assert preset("rcig_digits", rcig={"width": 24, "flip": True}).scratch.width == 24
    words = ["digits", "conv", "--preset", "rcig_digits", "--rcig.width", "24", "--rcig.flip", "--rcig.depth=1"]
    config = parse_config(words, prog="lgm distill", positional=("dataset", "backbone"))
    assert (config.scratch.width, config.scratch.flip, config.scratch.depth) == (24, True, 1)
    assert not parse_config([*words[:-2], "--no-rcig.flip"], prog="x", positional=("dataset", "backbone")).scratch.flip
    with pytest.raises(ConfigError, match="such as conv:width32"):
        parse_config([*words, "--scratch.width", "3"], prog="x", positional=("dataset", "backbone"))


def test_a_run_of_before_is_the_run_that_the_same_command_means_today(here: Places):
    """The config as it was written before networks that judge had these settings, and the command as it is now."""
    config = preset("rcig_digits", seed=5)
    values = to_dict(config)
    moved = {name: values["scratch"].pop(name) for name in ("resolution", "depth", "transform", "flip")}
    values["rcig"] |= moved | {"width": values["scratch"]["width"]}
    values["scratch"]["width"] = 0
    del values["protocol"]
    run = RunFolder(here.runs / "old")
    run.path.mkdir(parents=True)
    write_json(run.config_file, {"config": values, "environment": {"lgm_core": "0.1.0"}})
    assert run.config() == replace(config, protocol=FIRST) and run.notes() == [] and run.why_not_resumed() == ""
    assert start(config, here).id == "old"


@pytest.mark.parametrize("method", METHODS)
def test_the_remedy_for_memory_is_the_methods(method: str, here: Places):
    run = RunStore(here.runs).create(preset(METHODS[method].default_preset, name=method), {})
    with Heart(run, state="running") as heart:
        heart.end(MemoryError())
    told = run.status().error
    assert METHODS[method].memory_remedy in told and ("lgm." in told) == (method == "lgm")
    assert "bank.batch" in plain(MemoryError())


@pytest.mark.slow
@pytest.mark.parametrize("name", PROTOCOLS)
def test_the_remedy_for_memory_while_judging_is_the_judges(small_run: RunConfig, here: Places, name: str, monkeypatch):
    def full(*arguments: object) -> dict[str, float]:
        raise MemoryError

    monkeypatch.setattr("lgm_core.engine.judge", full)
    network = "conv" if PROTOCOLS[name].networks == "student" else small_run.evaluate_on[0]
    run = start(change(small_run, {"evaluate_on": [network], "protocol": [name]}), here)
    with pytest.raises(MemoryError):
        work(run, here)
    assert PROTOCOLS[name].memory_remedy in run.status().error and "lgm." not in run.status().error


def test_steps_from_scratch_are_one_number_for_estimate_and_worker():
    for dataset, classes in (("cifar10", 10), ("cifar100", 100), ("cub2011", 200), ("scenes", 16)):
        config = preset("rcig_depth_3", dataset=dataset, images_per_class=1, evaluate_on=("conv",))
        data, key = estimates.data_size(config), keys_of(config)[0]
        assert data.classes == classes
        recipe = recipe_of(config.scratch, "conv", classes)
        passes = recipe.seeds * (recipe.steps * 2 * classes + data.test / 3)
        assert seconds_of(key, train_images=classes, data=data, per_image=1.0) == pytest.approx(passes)
    assert recipe.steps == 2000


def _measured(**judges: float) -> Measured:
    return Measured(views=(10, 30), seconds=(1.0, 3.0), bytes=(10**9, 2 * 10**9), forward_seconds=0.01,
                    device="cpu, 1 thread", judges=judges)  # fmt: skip


@pytest.mark.parametrize("name", ["preview", "rcig_digits"])
def test_every_judge_costs_what_its_own_protocol_does(name: str, here: Places, monkeypatch: pytest.MonkeyPatch):
    seen = _measured(mobilenet_v2=0.02, conv=0.001)
    monkeypatch.setattr(estimates, "measured_here", lambda config, data, places: seen)
    config = preset(name, live={"times": 0}, evaluate_on=())
    alone = estimates.estimate(config, here)
    assert alone is not None and alone.seconds_evaluate == 0
    data = estimates.data_size(config)
    images = data.classes * config.images_per_class
    for judge, per_image in seen.judges.items():
        asked = replace(config, evaluate_on=(judge,))
        found = estimates.estimate(asked, here)
        assert found is not None
        known = seconds_of(keys_of(asked)[0], train_images=images, data=data, per_image=per_image)
        new = 0 if judge in config.networks() or judge == "conv" else data.test * (per_image + 0.003)
        assert found.seconds_evaluate == pytest.approx(known + new)
        assert found.seconds_total - alone.seconds_total == pytest.approx(found.seconds_evaluate)


def test_compiling_is_measured_apart(here: Places):
    for name in ("preview", "rcig_digits"):
        plain_run = preset(name)
        compiled = change(plain_run, {"device": {"compile": True}})
        data = DataSize(classes=10, train=100, test=100, grey=False)
        assert measurement_file(plain_run, data, here) != measurement_file(compiled, data, here)


def test_judges_from_scratch_are_measured_at_their_own_size(here: Places):
    config, data = preset("preview", evaluate_on=("conv",)), DataSize(classes=10, train=100, test=100, grey=False)
    others = [(change(config, {"scratch": scratch}), data) for scratch in ({"resolution": 128}, {"width": 512})]
    others += [(config, replace(data, grey=True)), (config, replace(data, classes=100)), (config, data)]
    assert len({measurement_file(one, size, here) for one, size in others}) == 5


def test_a_network_on_augmented_images_has_no_tail_for_estimate_and_worker():
    config = preset("preview", evaluate_on=("conv", "conv:augmented"), scratch={"tail": 1.5})
    data = DataSize(classes=10, train=100, test=0, grey=False)
    seconds = [seconds_of(key, train_images=10, data=data, per_image=1.0) for key in keys_of(config)]
    recipes = [recipe_of(config.scratch, name, 10) for name in config.evaluate_on]
    steps = [recipe.steps + recipe.tail for recipe in recipes]
    assert seconds[0] / seconds[1] == steps[0] / steps[1] == 2.5
