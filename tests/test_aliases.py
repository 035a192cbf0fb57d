"""A name of the paper's command line means the same run, judge and column as the catalogue's name."""

from dataclasses import replace

import pytest
import torch

import lgm_core
from lgm_core import api
from lgm_core.backbones.catalog import ALIASES, CATALOG, catalogue_name
from lgm_core.base.errors import ConfigError
from lgm_core.base.knobs import to_dict
from lgm_core.base.settings import joined
from lgm_core.cli import compute
from lgm_core.cli.flags import parse_config
from lgm_core.cli.main import main
from lgm_core.methods.lgm.gradients import zero_head_gradient
from lgm_core.presets import change, preset
from lgm_core.runs.start import start_all
from lgm_core.runs.store import RunFolder, RunStore
from tests.fake_runs import fake_distill


@pytest.fixture(autouse=True)
def store(here, monkeypatch: pytest.MonkeyPatch) -> RunStore:
    """A folder of runs where nothing is computed."""
    monkeypatch.setenv("LGM_CACHE", str(here.cache))
    monkeypatch.setattr(compute, "work", lambda runs, cluster: 0)
    monkeypatch.setattr(compute, "show_run", lambda name: 0)
    monkeypatch.setattr(api, "_finish", lambda folder, progress: api.Run(folder))
    return RunStore(here.runs)


def test_every_alias_makes_the_same_config_wherever_a_network_is_named():
    for alias, name in ALIASES.items():
        assert name in CATALOG and alias not in CATALOG
        given = [
            preset(
                "standard", backbone=joined(["resnet18", one]), evaluate_on=[f"{one}@block2.mean", f"random:{one}"],
                pretrain={"teacher": one},
            )
            for one in (alias, name)
        ]  # fmt: skip
        assert given[0] == given[1] and given[1].backbone == f"resnet18+{name}"
    assert catalogue_name("random:clip_vitb") == "random:clip_vitb16"
    assert catalogue_name("timm:mobilenet_v3") == "timm:mobilenet_v3"
    path = joined(["file:/a+clip_vitb.pt?timm=test_vit", "clip_vitb"])  # a plus sign within a name stays there
    assert preset("standard", backbone=path).networks() == ("file:/a+clip_vitb.pt?timm=test_vit", "clip_vitb16")


def test_flow_is_the_mean_target_wherever_it_is_named_and_the_config_says_mean(capsys):
    words = ["digits", "mobilenet_v2", "--lgm.objective", "mse", "--seed", "3"]
    given = [
        parse_config([*words, *target], prog="lgm distill", positional=("dataset", "backbone"))
        for target in (["--lgm.target", "flow"], ["--lgm.target=flow"], ["--lgm.target", "mean"], [])
    ]
    assert all(one == given[-1] for one in given) and to_dict(given[0])["lgm"]["target"] == "mean"
    assert preset("standard", lgm={"target": "flow"}) == preset("standard")
    assert lgm_core.distill("digits", "mobilenet_v2", lgm={"target": "flow"}).config.lgm.target == "mean"
    with pytest.raises(SystemExit):
        main(["distill", "--help"])
    assert "bank,batch,flow" in (told := capsys.readouterr().out) and "2602.05391" in told
    with pytest.raises(ConfigError, match="lgm.target must be one of mean, bank, batch; 'flo' was given"):
        preset("standard", lgm={"target": "flo"})


def test_what_flow_matches_are_first_moments_alone():
    """Of balanced classes the bias column is zero, and the others are the class means around their own mean."""
    means = torch.randn(3, 5, generator=torch.Generator().manual_seed(0))
    found = zero_head_gradient(means, torch.full((3,), 1 / 3))
    torch.testing.assert_close(found[:, -1], torch.zeros(3))
    torch.testing.assert_close(found[:, :-1], (means.mean(dim=0) - means) / 3)


def test_the_command_line_takes_both_names_for_one(store: RunStore):
    for name in ("mobilenet_v3", "mobilenet_v3_small"):
        assert main(["distill", "digits", name, "--name", "first", "--evaluate-on", name, "dinov2_vitb"]) == 0
    assert [run.id for run in store.runs()] == ["first"]
    made = store.open("first").config()
    assert (made.backbone, made.evaluate_on) == ("mobilenet_v3_small", ("mobilenet_v3_small", "dinov2_vitb14"))
    assert main(["evaluate", "first", "clip_vitb"]) == main(["evaluate", "first", "clip_vitb16"]) == 0
    assert [run.config().evaluate_on for run in store.evaluations("first")] == [("clip_vitb16",)]
    assert main(["distill", "digits", "clip_vitb+mobilenet_v3", "--name", "two"]) == 0
    assert store.open("two").config().backbone == "clip_vitb16+mobilenet_v3_small"
    assert main(["baseline", "centroids", "digits", "clip_vitb", "--name", "three"]) == 0
    assert store.open("three").config().backbone == "clip_vitb16"
    assert main(["fork", "first", "1", "--evaluate-on", "clip_vitb"]) == 2  # no frame yet, but the flags were read


def test_studies_name_their_runs_alike(store: RunStore):
    words = ["digits", "--distil-with", "mobilenet_v3", "clip_vitb+resnet18", "--seeds", "1", "--draws", "1"]
    assert main(["study", "one", *words, "--rivals"]) == 0
    made = {run.id: run.config() for run in store.study("one")}
    assert {"one-lgm-mobilenet_v3_small-s0", "one-lgm-clip_vitb16_resnet18-s0"} <= set(made)
    assert {name for config in made.values() for name in (*config.networks(), *config.evaluate_on)} == {
        "mobilenet_v3_small", "clip_vitb16", "resnet18"
    }  # fmt: skip
    assert main(["allegiance", "sides", "digits", "mobilenet_v3", "resnet18"]) == 0
    backbones = {run.config().backbone for run in store.study("sides")}
    assert backbones == {"mobilenet_v3_small+resnet18", "resnet18+mobilenet_v3_small"}


def test_python_takes_both_names_for_one(store: RunStore):
    runs = [lgm_core.distill("digits", name, name="first") for name in ("mobilenet_v3", "mobilenet_v3_small")]
    assert {run.id for run in runs} == {"first"} and runs[0].config.backbone == "mobilenet_v3_small"
    judged = [lgm_core.evaluate("first", [name]) for name in ("dinov2_vitb", "dinov2_vitb14")]
    assert judged[0].id == judged[1].id and judged[0].config.evaluate_on == ("dinov2_vitb14",)
    assert lgm_core.align("digits", ["clip_vitb", "mobilenet_v3"]).config.evaluate_on == (
        "clip_vitb16", "mobilenet_v3_small"
    )  # fmt: skip
    assert lgm_core.baseline("centroids", "digits", "clip_vitb").config.backbone == "clip_vitb16"


@pytest.mark.parametrize("name", ["old", ""])
def test_a_run_of_an_earlier_version_keeps_its_name_and_is_found_by_both(store: RunStore, here, name: str):
    asked = preset("standard", dataset="digits", backbone="mobilenet_v3_small", name=name)
    old = store.create(replace(asked, backbone="mobilenet_v3"), {})
    assert old.config().backbone == "mobilenet_v3"
    for backbone in ("mobilenet_v3", "mobilenet_v3_small"):
        assert [run.id for run in start_all(change(asked, {"backbone": backbone}), here)] == [old.id]
    assert RunFolder(old.path).config().backbone == "mobilenet_v3"


def test_a_report_of_an_earlier_version_still_opens(store: RunStore):
    run = fake_distill(store, backbone="mobilenet_v3", evaluate_on=["mobilenet_v3"], name="old")
    assert [report["backbone"] for report in run.eval_reports()] == ["mobilenet_v3"]
    assert main(["show", "old"]) == 0
