"""What a study consists of: the runs that are planned for frozen backbones, for networks from scratch, for both."""

from pathlib import Path

import pytest

from lgm_core.base.errors import ConfigError
from lgm_core.base.files import read_json, write_json
from lgm_core.base.places import Places
from lgm_core.cli import compute
from lgm_core.cli.look import show_run
from lgm_core.config import RunConfig, validate
from lgm_core.jobs.study import StudyFlags, plan_study
from lgm_core.presets import preset
from lgm_core.reports.labels import row_label
from lgm_core.reports.matrix import study_matrix
from lgm_core.reports.page import study_report
from lgm_core.reports.site import write_site
from lgm_core.reports.summary import result_table
from lgm_core.reports.unseen import own_report
from lgm_core.runs.start import require_here
from lgm_core.runs.store import RunStore
from tests.fake_runs import BACKBONES, CLASSES, _create, fake_distill, fake_eval


def plan(base: RunConfig, **flags: object) -> list[RunConfig]:
    found = plan_study(base, StudyFlags(**{"draws": 2, "seeds": 1, **flags}))
    places = [config.name for config in found]
    assert len(set(places)) == len(places)
    for place, config in enumerate(found):
        validate(config)
        assert config.source == "" or config.source in places[:place]  # finished before
        assert config.evaluate_on == found[0].evaluate_on and config.study == base.name
    return found


def shape(configs: list[RunConfig]) -> list[tuple[str, str, int]]:
    return [
        (config.baseline.choice if config.kind == "baseline" else config.method, config.backbone, config.seed)
        for config in configs
    ]


def rcig(*judges: str) -> RunConfig:
    return preset("rcig_digits", name="demo", evaluate_on=judges)


def test_frozen_backbones_have_all_choices_of_real_images():
    base = preset("preview", name="demo", dataset="digits", evaluate_on=("mobilenet_v2", "clip_vitb16"))
    assert shape(plan(base, distil_with=("mobilenet_v2",), seeds=2)) == [
        ("lgm", "mobilenet_v2", 0), ("lgm", "mobilenet_v2", 1),
        ("random", "mobilenet_v2", 0), ("random", "mobilenet_v2", 1),
        ("centroids", "mobilenet_v2", 0), ("centroids", "clip_vitb16", 0),
        ("neighbours", "mobilenet_v2", 0), ("neighbours", "mobilenet_v2", 1), ("full", "mobilenet_v2", 0),
    ]  # fmt: skip
    assert StudyFlags().seeds == 3  # what varies is the draw and the distillation: spreads are over runs


def test_networks_from_scratch_have_random_images_and_all_of_them():
    found = plan(rcig("conv", "conv:augmented"), distil_with=("conv", "resnet:batch"), seeds=2)
    assert shape(found) == [
        ("rcig", "conv", 0), ("rcig", "conv", 1), ("rcig", "resnet:batch", 0), ("rcig", "resnet:batch", 1),
        ("random", "conv", 0), ("random", "conv", 1), ("full", "conv", 0),
    ]  # fmt: skip
    assert len({(config.scratch, config.rcig, config.data) for config in found}) == 1  # judged by the same recipe
    assert shape(plan(rcig("conv"), distil_with=("conv",), baselines=False)) == [("rcig", "conv", 0)]


def test_sets_of_networks_have_neighbours_in_the_frozen_judges():
    found = plan(rcig("conv", "mobilenet_v2"), distil_with=("conv", "alexnet"))
    assert shape(found)[4:] == [
        ("centroids", "mobilenet_v2", 0), ("neighbours", "mobilenet_v2", 0), ("neighbours", "mobilenet_v2", 0),
        ("full", "conv", 0),
    ]  # fmt: skip
    assert [config.source for config in found[5:7]] == ["demo-rcig-conv-s0", "demo-rcig-alexnet-s0"]
    labels = [row_label(config) for config in found[4:]]
    assert len(set(labels)) == 4 and labels[1] == "neighbours of demo-rcig-conv-s0, in mobilenet_v2"


def test_networks_may_judge_what_a_frozen_backbone_distilled():
    base = preset("preview", name="demo", dataset="digits", evaluate_on=("mobilenet_v2", "conv"))
    found = shape(plan(base, distil_with=("mobilenet_v2",)))
    assert ("centroids", "conv", 0) not in found and found[3:] == [
        ("centroids", "mobilenet_v2", 0), ("neighbours", "mobilenet_v2", 0), ("full", "mobilenet_v2", 0),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("method", "made_with", "judges"),
    [("rcig", "conv", ["conv", "conv:augmented", "mobilenet_v2", "vgg"]),
     ("lgm", "mobilenet_v2", ["mobilenet_v2", "conv", "clip_vitb16"])],
)  # fmt: skip
def test_a_matrix_asks_only_for_what_can_be_distilled(tmp_path, method: str, made_with: str, judges: list[str]):
    store = RunStore(tmp_path / "runs")
    run = fake_distill(store, name="one", method=method, backbone=made_with, evaluate_on=[made_with])
    wanted = [row.backbone for row in study_matrix([run], judges).rows]
    assert wanted == {"rcig": ["conv", "vgg"], "lgm": ["mobilenet_v2", "clip_vitb16"]}[method]


@pytest.mark.parametrize(
    "values",
    [{"kind": "distill", "backbone": "conv"}, {"kind": "embed", "backbone": "vgg:batch"},
     {"kind": "align", "evaluate_on": ("conv", "mobilenet_v2")},
     {"kind": "baseline", "backbone": "conv", "baseline": {"choice": "centroids"}}],
)  # fmt: skip
def test_what_needs_features_is_not_asked_of_networks_from_scratch(values: dict, here: Places):
    with pytest.raises(ConfigError, match="trained from scratch have no features to"):
        require_here(preset("standard", dataset="digits", **values), here)
    require_here(preset("rcig_digits"), here)


@pytest.mark.parametrize(
    ("words", "judges"),
    [
        (["--preset", "rcig_depth_3", "--distil-with", "resnet", "vgg"],
         ("resnet", "resnet:augmented", "vgg", "vgg:augmented")),
        (["--preset", "rcig_depth_3", "--distil-with", "resnet", "--evaluate-on", "vgg"], ("vgg",)),
        (["--preset", "rcig_depth_3"], ("conv", "conv:augmented")),
        (["--preset", "preview", "--distil-with", "mobilenet_v2"], ("mobilenet_v2",)),
    ],
)  # fmt: skip
def test_the_command_judges_with_the_networks_that_distil(words: list[str], judges: tuple[str, ...], monkeypatch):
    planned: list[RunConfig] = []
    monkeypatch.setattr(compute, "start_and_work", lambda configs, cluster="": planned.extend(configs) or 2)
    assert compute.study(["demo", "digits", *words]) == 2
    assert {config.evaluate_on for config in planned} == {judges}


def test_a_run_s_own_report_is_that_of_its_network_by_any_protocol(tmp_path):
    run = fake_distill(
        RunStore(tmp_path / "runs"), name="one", backbone="mobilenet_v2", evaluate_on=["clip_vitb16", "mobilenet_v2"]
    )
    for file in run.evals.iterdir():
        write_json(file, read_json(file) | {"protocol": "converged"})
    report = own_report(run)
    assert report is not None and (report["backbone"], report["protocol"]) == ("mobilenet_v2", "converged")


@pytest.mark.parametrize("per_class", [1, 4])
def test_rivals_of_several_images_per_class_are_chosen_by_distance_too(per_class: int):
    base = preset("preview", name="demo", dataset="digits", images_per_class=per_class)
    joint = "mobilenet_v2+resnet18"
    found = plan(base, distil_with=("mobilenet_v2", joint), rivals=True, seeds=2)
    by_distance = [one for one in shape(found) if one[0] in ("herding", "k-centres")]
    each = [(choice, backbone, 0) for backbone in ("mobilenet_v2", joint) for choice in ("herding", "k-centres")]
    assert by_distance == (each if per_class > 1 else [])  # of one image they are the centroids again
    assert len([one for one in shape(found) if one[0] in ("best-random", "greedy")]) == 2 * 2 * 2


def test_whoever_judges_a_set_of_a_study_has_a_column_wherever_the_study_is_told(
    store: RunStore, tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    run = fake_distill(store, name="one", study="demo", evaluate_on=[BACKBONES[0]])
    further = {BACKBONES[1]: "", BACKBONES[2]: "another"}  # `lgm evaluate` names no study
    for judge, study in further.items():
        asked = {"kind": "evaluate", "source": "one", "study": study, "evaluate_on": [judge]}
        fake_eval(_create(store, "finished", 1, asked), judge, CLASSES, 0.61)
    columns = result_table(store.study("demo")).columns
    assert set(columns) == {*BACKBONES[:3]}
    assert show_run("demo") == 0
    told = capsys.readouterr().out
    write_site([run], tmp_path / "site")
    pages = [study_report("demo", store.study("demo")), (tmp_path / "site" / "study-demo.html").read_text()]
    assert all(judge in words for judge in further for words in (told, *pages))
