"""MKDT through the real engine: its stages, what is kept of them, resume, judging, baselines, forks."""

import json
import shutil
import threading
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from lgm_core.base.errors import ConfigError, Unavailable, UserError
from lgm_core.base.interfaces import TargetSet
from lgm_core.base.places import Places
from lgm_core.base.tensor_files import save_tensors
from lgm_core.cli.main import main
from lgm_core.config import RunConfig, validate
from lgm_core.engine import start, work
from lgm_core.evaluation.protocol import keys_of
from lgm_core.jobs.forking import prepare_fork
from lgm_core.methods.mkdt.presets import PRESETS
from lgm_core.presets import change, preset
from lgm_core.reports.page import run_report
from lgm_core.reports.pictures import class_names
from lgm_core.reports.pictures import labels as own_labels
from lgm_core.runs.source_runs import read_set
from lgm_core.runs.store import RunFolder
from tests.one_thread import one_thread  # noqa: F401 (a fixture)


@pytest.fixture(scope="module")
def small(quick_network: str) -> RunConfig:
    """Digits, a tiny network, a random teacher: a few seconds."""
    return preset(
        "mkdt_preview", dataset="digits", steps=6, images_per_class=2,
        evaluate_on=("conv:instance",), label_fraction=(0.1, 0.5),
        data={"train_per_class": 12, "test_per_class": 6, "resize": 224},
        device={"threads": 1, "device": "cpu", "precision": "float32"},  # measured anew in another cache otherwise
        scratch={"resolution": 8, "width": 4}, bank={"batch": 16},
        pretrain={"teacher": quick_network, "seeds": 2, "epochs": 3, "steps": 0, "momentum": 0.9,
                  "learning_rate": 0.1},
        mkdt={"experts": 2, "student_steps": 3, "batch": 8, "expert_batch": 40, "initial": "high-loss", "rate": 0.1,
              "target_rate": 1.0},
        live={"times": 2, "test_images": 30, "steps": 5}, record={"frames": 3, "checkpoint_seconds": 0.0},
    )  # fmt: skip


def finish(config: RunConfig, places: Places) -> RunFolder:
    run = start(config, places)
    assert work(run, places) == "finished", run.log_tail()
    return run


@pytest.fixture(scope="module")
def finished(small: RunConfig, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A cache with one finished run in it, to be copied."""
    cache = tmp_path_factory.mktemp("finished")
    finish(small, Places(cache=cache, weights=(), datasets=()))
    return cache


@pytest.fixture
def run(finished: Path, here: Places) -> RunFolder:
    shutil.copytree(finished, here.cache, dirs_exist_ok=True)
    return RunFolder(next(here.runs.iterdir()))


def bits(run: RunFolder) -> dict[str, bytes]:
    tensors = load_file(run.checkpoint)
    return {name: tensor.numpy().tobytes() for name, tensor in tensors.items()} | {"": run.synthetic.read_bytes()}


def test_a_run_writes_images_targets_and_the_step_size(run: RunFolder):
    metrics, found = run.metrics(), read_set(run)
    assert [line["step"] for line in metrics] == list(range(6))
    assert {"rate", "expert", "start_epoch", "experts_used", "pixels_moved"} <= set(metrics[0])
    assert sum("live:conv:instance" in line for line in metrics) == 2
    assert [line["step"] for line in run.details()] == [frame["step"] for frame in run.frame_list()]
    stages = run.details()[-1]["stages"]
    assert len(stages["losses"]) == 2 and 0 < stages["losses"][1] < stages["losses"][0] < 10
    assert stages["loss_taken"] > stages["loss_all"] > 0 and (stages["taken"], stages["images"]) == (20, 120)
    assert isinstance(found, TargetSet) and found.images.shape == (20, 3, 8, 8) and found.values.shape == (20, 1, 8, 8)
    assert found.targets.shape[0] == 20 and found.rate.item() == pytest.approx(0.1, abs=0.05)
    assert len(set(torch.bincount(found.labels, minlength=10).tolist())) > 1  # the hardest, whatever their class


def test_reports_are_by_share_of_labels(run: RunFolder):
    reports = {report["fraction"]: report for report in run.eval_reports()}
    assert set(reports) == {0.1, 0.5}
    for share, report in reports.items():
        assert report["protocol"] == "pretrain" and report["labelled_images"] == int(share * 120)
        assert report["train_images"] == 20 and report["test_images"] == 60 and len(report["top1_seeds"]) == 2
        assert report["learning_rate"] == pytest.approx(read_set(run).rate.item()) and report["steps"] == 3
        assert np.sum(report["confusion"]) == 60
    html = run_report(run)
    told = ("pretrain, on digits, 10 % of labels", "Loss: distance of the student from the expert", "<th>epoch 0</th>")
    for words in (*told, "20 hardest real images", "The student&#x27;s step size went from 0.1 to 0."):
        assert words in html


STAGES = ("features of", "experts: 2", "the hardest images", "distilling", "pre-training", "labels of")
QUICK = ("experts: 2", "distilling")


@pytest.mark.parametrize(
    "stage", [*QUICK, *(pytest.param(name, marks=pytest.mark.slow) for name in STAGES if name not in QUICK)]
)
def test_stopped_in_any_stage_it_goes_on_to_the_same_bits(stage: str, small: RunConfig, run: RunFolder, tmp_path: Path):
    places = Places(cache=tmp_path / "stopped", weights=(), datasets=())
    stopped, stop, seen = start(small, places), threading.Event(), []

    def listener(phase: str, done: int, total: int, values: object) -> None:
        if phase.startswith(stage) and done >= (3 if stage == "distilling" else 1) and not seen:
            seen.append(phase)
            stop.set()

    assert work(stopped, places, listener, stop) == "stopped" and seen
    assert work(stopped, places) == "finished"
    assert bits(stopped) == bits(run)
    assert [line["loss"] for line in stopped.metrics()] == [line["loss"] for line in run.metrics()]
    scores = [sorted((r["fraction"], r["top1_seeds"]) for r in one.eval_reports()) for one in (stopped, run)]
    assert scores[0] == scores[1]


@pytest.mark.slow
def test_experts_are_kept_shared_and_added_to(small: RunConfig, run: RunFolder, here: Places):
    (folder,) = (here.cache / "trajectories").iterdir()
    files = {path.name: path.stat().st_mtime_ns for path in folder.iterdir()}
    assert {"expert-0000.npy", "expert-0001.npy", "losses-0000.npy", "losses-0001.npy"} <= set(files)
    again = finish(change(small, {"mkdt": {"image_rate": 10.0}, "evaluate_on": ()}), here)
    more = finish(change(small, {"mkdt": {"experts": 3}, "evaluate_on": ()}), here)
    assert {path.name: path.stat().st_mtime_ns for path in folder.iterdir()}.items() >= files.items()
    assert (folder / "expert-0002.npy").exists() and len({one.id for one in (run, again, more)}) == 3
    finish(change(small, {"seed": 1, "evaluate_on": ()}), here)
    assert len(list((here.cache / "trajectories").iterdir())) == 2


@pytest.mark.slow
def test_a_set_is_judged_on_other_data_with_shares_of_their_labels(
    run: RunFolder, here: Places, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
):
    monkeypatch.setenv("LGM_CACHE", str(here.cache))
    words = ["evaluate", run.id, "conv:instance", "resnet10:batch", "--protocol", "pretrain", "--evaluate-data"]
    words += ["scenes", "--label-fraction", "0.2", "--pretrain.seeds", "1", "--name", "judged"]
    assert main(words) == 0
    reports = RunFolder(here.runs / "judged").eval_reports()
    assert {(one["backbone"], one["dataset"], one["fraction"]) for one in reports} == {
        ("conv:instance", "scenes", 0.2), ("resnet10:batch", "scenes", 0.2),
    }  # fmt: skip
    assert len(reports[0]["classes"]) == len(reports[0]["per_class"]) == 16 and reports[0]["train_images"] == 20
    shown = capsys.readouterr().out.replace("\n", " ")
    assert "scenes" in shown and "20 %" in shown


@pytest.mark.slow
def test_choices_of_real_images_go_through_the_same_evaluation(run: RunFolder, small: RunConfig, here: Places):
    rows = [5, 0, 17]
    (here.cache / "rows.json").write_text(json.dumps(rows))
    found = {}
    for choice in ("none", "random", "high-loss", "indices", "full"):
        chosen = {"choice": choice, "indices": str(here.cache / "rows.json")}
        made = finish(change(small, {"kind": "baseline", "baseline": chosen}), here)
        found[choice] = (made, {one["fraction"]: one for one in made.eval_reports()})
    counts = {choice: reports[0.1]["train_images"] for choice, (_, reports) in found.items()}
    assert counts == {"none": 0, "random": 20, "high-loss": 20, "indices": 3, "full": 120}
    assert {one["learning_rate"] for choice in found for one in found[choice][1].values()} == {0.1}
    assert len({str(reports[0.5]["top1_seeds"]) for _, reports in found.values()}) > 2
    hardest = json.loads(found["high-loss"][0].choice.read_text())["indices"]
    labels = load_file(found["high-loss"][0].synthetic)["labels"]
    assert torch.equal(labels, load_file(run.synthetic)["labels"]) and len(set(hardest)) == 20
    assert json.loads(found["indices"][0].choice.read_text())["indices"] == rows


def test_what_comes_to_no_number_fails_with_a_name(small: RunConfig, here: Places):
    diverging = change(small, {"kind": "baseline", "pretrain": {"learning_rate": 90.0, "epochs": 60}})
    failed = start(diverging, here)
    with pytest.raises(UserError, match="pre-training diverged"):
        work(failed, here)
    assert failed.status().state == "failed" and not failed.eval_reports()
    constant = start(change(small, {"kind": "baseline", "label_fraction": (0.001, 0.5), "name": "one"}), here)
    with pytest.raises(
        UserError, match="0.1 % of labels, targets of .*: the linear probe says the same class of every"
    ):
        work(constant, here)
    assert [report["fraction"] for report in constant.eval_reports()] == [0.5]


def test_a_set_without_class_numbers_refuses_judges_that_need_them(run: RunFolder, here: Places, quick_network: str):
    tensors = load_file(run.synthetic)
    save_tensors(tensors | {"labels": torch.full((20,), -1)}, run.synthetic)
    asked = {"kind": "evaluate", "source": run.id, "name": ""}
    linear = start(change(run.config(), asked, {"protocol": ("scratch",)}), here)
    with pytest.raises(UserError, match="has no class numbers, which the protocol scratch needs; judge it by"):
        work(linear, here)
    finish(change(run.config(), asked, {"label_fraction": (0.25,)}), here)


def test_wrong_settings_say_what_is_wrong(small: RunConfig, here: Places):
    for changes, words in (
        ({"backbone": "mobilenet_v2"}, "mkdt trains small networks.*--pretrain.teacher mobilenet_v2"),
        ({"backbone": "conv:batch"}, "statistics of batch norm.*take conv:instance"),
        ({"pretrain": {"teacher": "conv:depth5"}}, "conv:depth5: a depth of 5 halves the images 5 times"),
        ({"mkdt": {"initial": "indices"}}, "needs baseline.indices"),
        ({"kind": "baseline", "baseline": {"choice": "indices"}}, "needs baseline.indices"),
        ({"kind": "baseline", "baseline": {"choice": "none"}, "protocol": ("scratch",)}, "protocol pretrain alone"),
        ({"kind": "baseline", "baseline": {"choice": "high-loss"}, "method": "lgm"}, "one of mkdt_preview"),
        ({"label_fraction": (0.0,)}, "label_fraction must be between"),
    ):
        with pytest.raises(ConfigError, match=words):
            validate(change(small, changes))
    with pytest.raises(Unavailable, match="barlow_twins_resnet18_cifar10.pt"):
        start(change(small, {"pretrain": {"teacher": "barlow_twins_resnet18_cifar10"}}), here)
    with pytest.raises(UserError, match="mkdt.store_gigabytes allows 0.001"):
        work(start(change(small, {"mkdt": {"experts": 900, "store_gigabytes": 0.001}}), here), here)


@pytest.mark.slow
def test_a_fork_goes_on_from_the_checkpoint_or_from_a_picture(run: RunFolder, here: Places):
    exact = prepare_fork(run, 5, {"steps": 8, "mkdt": {"image_rate": 10.0}}, here)
    assert exact.checkpoint.exists() and work(exact, here) == "finished"
    assert [line["step"] for line in exact.metrics()] == [6, 7]
    picture = prepare_fork(run, run.frame_list()[1]["step"], {"steps": 8, "mkdt": {"image_rate": 0.0}}, here)
    assert not picture.checkpoint.exists() and work(picture, here) == "finished"
    assert "the teacher's targets" in picture.status().notes[0]


@pytest.mark.parametrize("name", PRESETS)
def test_every_preset_is_a_valid_run(name: str):
    config = validate(preset(name))
    assert config.method == "mkdt" and [key.protocol for key in keys_of(config)] == ["pretrain"] * 4
    if name != "mkdt_preview":  # spec, section 4
        tiny, five = "tiny" in name, name.endswith("5")
        images = config.images_per_class * {"cifar10": 10, "cifar100": 100, "tiny_imagenet": 200}[config.dataset]
        assert images == (100_000 if tiny else 50_000) * (5 if five else 2) // 100
        assert (config.steps, (knobs := config.mkdt).student_steps) == ((10_000, 10) if tiny else (5000, 40))
        assert knobs.image_rate == (1e5 if tiny else 1e4 if five else 1e3) and knobs.expert_epochs == 2
        assert knobs.segment == (4 if tiny else 10)  # 24 GB: docs/mkdt.md
        assert knobs.start_epochs == (5 if five and not tiny else 2) and knobs.experts == 100


def test_images_keep_the_classes_of_those_they_began_as(run: RunFolder, small: RunConfig):
    labels, classes = run.own_labels()
    assert labels == load_file(run.synthetic)["labels"].tolist() == own_labels(run) and len(classes) == 10
    run.synthetic.unlink()
    assert own_labels(run) == labels and class_names(run) == classes
