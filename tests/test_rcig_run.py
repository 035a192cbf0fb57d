"""RCIG through the real engine: a run, its files, evaluation from scratch, resume to the same bits, forks, import."""

import re
import shutil
import threading
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from lgm_core import engine
from lgm_core.base.errors import ConfigError
from lgm_core.base.places import Places
from lgm_core.cli.main import main
from lgm_core.cli.measuring import measure
from lgm_core.config import RunConfig, validate
from lgm_core.engine import start, work
from lgm_core.jobs.estimate import estimate
from lgm_core.jobs.forking import prepare_fork
from lgm_core.methods.rcig.presets import PRESETS
from lgm_core.presets import change, preset
from lgm_core.reports.page import run_report
from lgm_core.runs.store import RunFolder
from tests.one_thread import one_thread  # noqa: F401 (a fixture)


@pytest.fixture
def small() -> RunConfig:
    return _small()


def _small() -> RunConfig:
    """Digits, a tiny network, a second or two."""
    return preset(
        "rcig_digits", steps=12, evaluate_on=("conv", "conv:augmented"),
        data={"train_per_class": 20, "test_per_class": 10}, device={"threads": 1, "device": "cpu"},
        rcig={"pool": 3, "pool_life": 20, "batch": 64},
        live={"times": 2, "test_images": 50, "steps": 10}, record={"frames": 4, "checkpoint_seconds": 0.0},
        scratch={"width": 4, "steps": 60, "warmup": 10, "seeds": 2, "learning_rate": 3e-3},
    )  # fmt: skip


def finish(config: RunConfig, places: Places) -> RunFolder:
    run = start(config, places)
    assert work(run, places) == "finished", run.log_tail()
    return run


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A cache with one finished run in it, to be copied."""
    cache = tmp_path_factory.mktemp("finished")
    finish(_small(), Places(cache=cache, weights=(), datasets=()))
    return cache


@pytest.fixture
def run(finished: Path, here: Places) -> RunFolder:
    shutil.copytree(finished, here.cache, dirs_exist_ok=True)
    return RunFolder(next(here.runs.iterdir()))


def test_a_run_writes_what_the_pages_read(run: RunFolder):
    metrics, details = run.metrics(), run.details()
    assert [line["step"] for line in metrics] == list(range(12))
    assert {"batch_top1", "temperature", "implicit_share", "inner_first", "inner_last"} <= set(metrics[-1])
    assert sum(f"live:{run.config().backbone}" in line for line in metrics) == 2
    assert [line["step"] for line in details] == [frame["step"] for frame in run.frame_list()]
    last = details[-1]
    assert len(last["inner"]) == len(last["solve"]) == 20 and np.shape(last["labels"]) == (10, 10)
    assert last["inner"] == sorted(last["inner"], reverse=True)
    assert set(last["direct_norm"]) == {"pixels", "targets", "log_temperature"} and last["direct_norm"]["pixels"] > 0
    assert not run.trail() and not run.map()  # no map: its features would change with every step
    tensors = load_file(run.synthetic)
    assert tensors["images"].shape == (10, 3, 8, 8) and 0 <= tensors["images"].min() <= tensors["images"].max() <= 1
    assert tensors["pixels"].shape == (10, 1, 8, 8) and tensors["targets"].shape == (10, 10)
    assert tensors["labels"].tolist() == list(range(10)) and tensors["log_temperature"] != 0


def test_the_report_tells_the_learned_labels(run: RunFolder):
    said, last = run_report(run), run.details()[-1]
    assert "<h2>Learned labels</h2>" in said and f"outer loss: {last['temperature']:.3g}." in said
    cells = re.findall(r">(-?\d\.\d\d)</td>", said.split("Learned labels")[1])
    assert [float(cell) for cell in cells[:100]] == pytest.approx(np.ravel(last["labels"]), abs=0.0051)
    run.details_file.unlink()
    assert "Learned labels" not in run_report(run)


def test_the_reports_have_the_keys_of_all_others(run: RunFolder):
    reports = {report["backbone"]: report for report in run.eval_reports()}
    assert set(reports) == {"conv", "conv:augmented"}
    for report in reports.values():
        assert len(report["top1_seeds"]) == 2 and 0 < report["top1"] < 1 and report["top5"] >= report["top1"]
        assert report["train_images"] == 10 and report["test_images"] == 100 and report["worst_group"] is None
        assert len(report["per_class"]) == 10 and np.sum(report["confusion"]) == 100 and report["steps"] == 60


def test_a_stopped_run_goes_on_to_the_same_bits(small: RunConfig, run: RunFolder, tmp_path: Path):
    places = Places(cache=tmp_path / "stopped", weights=(), datasets=())
    stopped, stop = start(small, places), threading.Event()

    def listener(phase: str, done: int, total: int, values: object) -> None:
        if phase == "distilling" and done == 7 and not stopped.synthetic.exists():
            stop.set()

    assert work(stopped, places, listener, stop) == "stopped"
    assert work(stopped, places) == "finished"
    assert stopped.synthetic.read_bytes() == run.synthetic.read_bytes()
    assert stopped.checkpoint.read_bytes() == run.checkpoint.read_bytes()
    for name in ("loss", "batch_top1", f"live:{run.config().backbone}", "inner_rate", "implicit_share"):
        assert [line.get(name) for line in stopped.metrics()] == [line.get(name) for line in run.metrics()]
    assert stopped.details() == run.details()
    assert stopped.eval_reports()[0]["top1_seeds"] == run.eval_reports()[0]["top1_seeds"]


def test_other_networks_evaluate_the_set_with_its_learned_labels(run: RunFolder, here: Places, monkeypatch, capsys):
    monkeypatch.setenv("LGM_CACHE", str(here.cache))
    seen = {}
    real = engine.judge

    def spy(bench, config, judged, key):
        seen[key.network] = judged.images.images.shape
        return real(bench, config, judged, key)

    monkeypatch.setattr(engine, "judge", spy)
    assert main(["evaluate", run.id, "conv:instance", "--scratch.learning-rate", "0.002", "--name", "judged"]) == 0
    assert set(seen) == {"conv:instance"} and "conv:instance" in capsys.readouterr().out
    made = next(path for path in here.runs.iterdir() if path.name != run.id)
    assert made.name == "judged"
    assert RunFolder(made).config().scratch.learning_rate == 0.002
    assert RunFolder(made).eval_reports()[0]["learning_rate"] == 0.002


def test_learned_labels_are_what_the_networks_are_trained_on(run: RunFolder, here: Places, monkeypatch):
    from lgm_core.evaluation import from_scratch as scratch_report

    seen: list[torch.Tensor] = []
    original = scratch_report.train_networks

    def spy(images, targets, shape, **known):
        seen.append(targets)
        return original(images, targets, shape, **known)

    monkeypatch.setattr(scratch_report, "train_networks", spy)
    config = run.config()
    finish(change(config, {"kind": "evaluate", "source": run.id, "evaluate_on": ("conv",), "name": ""}), here)
    finish(change(config, {"kind": "baseline", "evaluate_on": ("conv",), "name": "", "source": ""}), here)
    learned = load_file(run.synthetic)["targets"]
    assert torch.equal(seen[0], learned) and seen[1].unique().tolist() == pytest.approx([-0.1, 0.9])


@pytest.mark.slow
def test_a_fork_goes_on_from_the_checkpoint_or_from_a_picture(run: RunFolder, here: Places):
    exact = prepare_fork(run, 11, {"steps": 14, "rcig": {"image_rate": 0.01}}, here)
    assert exact.checkpoint.exists() and work(exact, here) == "finished"
    assert [line["step"] for line in exact.metrics()] == [12, 13]
    step = run.frame_list()[1]["step"]
    picture = prepare_fork(run, step, {"steps": 14, "rcig": {"width": 5}}, here)
    assert not picture.checkpoint.exists() and work(picture, here) == "finished"
    assert load_file(picture.synthetic)["pixels"].shape == (10, 1, 8, 8)
    assert (picture.synthetic.stat().st_mode & 0o777) == (picture.path.stat().st_mode & 0o666)


@pytest.mark.parametrize("learn_labels", [True, False])
def test_a_fork_from_a_picture_takes_labels_and_temperature_along(run: RunFolder, here: Places, learn_labels: bool):
    before = run.details()[1]
    knobs = {"learn_labels": learn_labels, "image_rate": 1e-7, "temperature_rate": 0.0}
    changes = {"steps": before["step"] + 2, "evaluate_on": (), "rcig": knobs}
    fork = prepare_fork(run, before["step"], changes, here)
    assert work(fork, here) == "finished"
    made, one_hot = load_file(fork.synthetic), torch.eye(10) - 0.1
    labels = torch.tensor(before["labels"]) if learn_labels else one_hot
    torch.testing.assert_close(made["targets"], labels, atol=1e-4, rtol=0)
    assert (torch.tensor(before["labels"]) - one_hot).abs().max() > 0.01
    assert made["log_temperature"].exp().item() == pytest.approx(before["temperature"], rel=1e-4)
    (note,) = fork.status().notes
    labels = "labels as they were published" if learn_labels else "labels reset to one-hot"
    assert f"{labels}, temperature as it was published; optimiser" in note


@pytest.mark.slow  # `test_rcig.test_a_distillation_learns` is its quick one
def test_a_short_run_on_all_digits_beats_random_digits(here: Places):
    known = {"steps": 90, "live": {"times": 0}, "device": {"device": "cpu", "threads": 1},
             "rcig": {"width": 8, "pool": 4, "batch": 128, "image_rate": 0.01},
             "scratch": {"steps": 300, "seeds": 2, "learning_rate": 3e-3}}  # fmt: skip
    distilled, random = (finish(preset("rcig_digits", kind=kind, **known), here) for kind in ("distill", "baseline"))
    tops = [found.eval_reports()[0]["top1"] for found in (distilled, random)]
    assert tops[0] > tops[1] + 0.1, tops
    falling = [sorted(line["inner"], reverse=True) == line["inner"] for line in distilled.details()]
    assert sum(falling) > 0.7 * len(falling)


PAPER = {name: values for name, values in PRESETS.items() if name not in ("rcig_digits", "rcig_preview")}


@pytest.mark.parametrize("name", PRESETS)
def test_every_preset_is_a_valid_run(name: str):
    config = validate(preset(name))
    assert config.method == "rcig" and config.preset == name and name in PRESETS


def test_the_seven_named_configurations_have_the_papers_values():
    table = {  # side, batch norm, l2, beta, flip, repeats, direct and its real rows, implicit rows, pool, forward
        "rcig_depth_3": (32, False, 5e-4, 60, True, 1, 0, 0, 0, 0, 0),
        "rcig_depth_3_bn": (32, True, 5e-4, 60, True, 1, 0, 0, 0, 0, 0),
        "rcig_depth_3_no_flip": (28, False, 5e-4, 60, False, 1, 0, 0, 0, 0, 0),
        "rcig_cifar100_50": (32, False, 5e-4, 60, False, 2, 2000, 0, 2000, 2000, 2000),
        "rcig_depth_4_200": (64, False, 5e-4, 0, True, 1, 0, 400, 0, 0, 400),
        "rcig_depth_4_big": (64, False, 5e-4, 0, False, 1, 500, 256, 500, 256, 500),
        "rcig_depth_5": (128, False, 0.05, 0, True, 1, 0, 256, 0, 0, 256),
    }
    assert set(PAPER) == set(table)
    for name, values in table.items():
        r, s = (config := preset(name)).rcig, config.scratch
        assert (s.resolution, config.backbone == "conv:batch", r.l2_rate, r.softplus, s.flip, r.repeats, r.direct_rows,
                r.direct_real_rows, r.implicit_rows, r.pool_rows, r.forward_chunk) == values  # fmt: skip
        assert r.solve_rows == r.inner_rows == r.implicit_rows
        assert (r.pool, r.inner_steps, r.solve_steps, r.pool_life, r.pool_steps, r.pool_rate, r.image_rate, r.batch,
                s.width, r.ema) == (30, 20, 20, 100, 15, 5e-5, 3e-3, 1024, 128, 0.99)  # fmt: skip


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"backbone": "mobilenet_v2"}, "small networks of its own"),
        ({"backbone": "conv:augmented"}, "without augmentation"),
        ({"backbone": "conv:bach"}, "batch"),
        ({"scratch": {"depth": 4, "resolution": 36}}, "16 divides"),
        ({"rcig": {"pool_model_count": 30}}, "pool"),
        ({"rcig": {"linearise": False, "inner_rows": 5}}, "subsets"),
        ({"rcig": {"analytic_head": False, "implicit": False}}, "direct gradient"),
    ],
)
def test_mistakes_are_named(changes: dict, words: str):
    with pytest.raises(ConfigError, match=words):
        validate(preset("rcig_depth_3", **changes))


def test_the_estimate_comes_from_a_run_of_the_same_cost_or_from_measured_steps(run: RunFolder, here: Places):
    config = run.config()
    known = estimate(change(config, {"steps": 1000, "seed": 3}), here)
    assert known is not None and known.from_runs == (run.id,) and known.fits
    assert known.seconds_per_step == pytest.approx(run.status().seconds_per_step)
    assert known.seconds_total > 1000 * known.seconds_per_step
    wider = change(config, {"rcig": {"width": 5}})
    assert estimate(wider, here) is None
    measured = measure(wider, classes=10, places=here)
    assert measured["seconds"][0] > 0 and measured["forward_seconds"] > 0
