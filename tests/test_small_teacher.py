"""A teacher that is trained here, on the classes of the run: its targets, what is kept of it, runs with it."""

import json
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest
import torch

from lgm_core.backbones import representations
from lgm_core.backbones.representations import open_teacher, target_size
from lgm_core.backbones.students import small_teacher
from lgm_core.base.knobs import to_dict
from lgm_core.base.places import Places
from lgm_core.config import RunConfig
from lgm_core.engine import start, work
from lgm_core.presets import change, preset
from lgm_core.runs.recorder import Recorder
from lgm_core.runs.store import RunFolder
from lgm_core.workbench import Workbench
from tests.one_thread import one_thread  # noqa: F401 (a fixture)


@pytest.fixture
def config() -> RunConfig:
    return preset(
        "mkdt_preview", dataset="digits", steps=3, images_per_class=1, label_fraction=(0.5,),
        data={"train_per_class": 12, "test_per_class": 6}, device={"threads": 1, "device": "cpu"},
        scratch={"resolution": 8, "width": 4}, live={"times": 0},
        pretrain={"teacher": "conv:batch", "teacher_steps": 60, "seeds": 1, "steps": 3, "learning_rate": 0.1},
        mkdt={"experts": 1, "student_steps": 2, "batch": 5, "expert_batch": 40, "rate": 0.1, "target_rate": 1.0},
    )  # fmt: skip


def test_its_targets_are_features_that_tell_the_classes_and_are_kept(
    config: RunConfig, here: Places, monkeypatch: pytest.MonkeyPatch
):
    with Recorder(start(config, here), config.record, steps=1) as recorder:
        bench = Workbench(config, here, recorder)
        assert target_size(bench, config) == 4 * 2 * 2 and not (here.cache / "teachers").exists()
        teacher, rows = open_teacher(bench, config), torch.arange(120)
        found, labels = teacher.of_rows(rows), torch.as_tensor(bench.train.labels)
        assert found.shape == (120, 16) and found.square().mean().item() == pytest.approx(1, abs=1e-4)
        means = torch.stack([found[labels == label].mean(0) for label in range(10)])
        assert (torch.cdist(found, means).argmin(1) == labels).float().mean() > 0.6  # untrained: 0.4
        pictures = bench.pictures(bench.train, rows, 8)
        torch.testing.assert_close(teacher.of_images(pictures), found, atol=0.05, rtol=0.05)
        monkeypatch.setattr(small_teacher, "train_networks", lambda *given, **more: pytest.fail("trained again"))
        again = representations.open_teacher(Workbench(config, here, recorder), config)
        assert torch.equal(again.of_rows(rows), found) and again.facts == teacher.facts
        with pytest.raises(pytest.fail.Exception):
            longer = change(config, {"pretrain": {"teacher_steps": 61}})
            open_teacher(Workbench(longer, here, recorder), longer)


def test_a_run_that_is_stopped_while_it_is_trained_goes_on_to_the_same_bits(config: RunConfig, tmp_path: Path):
    found = []
    for name in ("whole", "stopped"):
        places, stop = Places(cache=tmp_path / name, weights=(), datasets=()), threading.Event()

        def listener(phase: str, done: int, total: int, values: object, stop: threading.Event = stop) -> None:
            if phase.startswith("the teacher conv:batch, in training") and done >= 30:
                stop.set()

        run = start(config, places)
        if name == "stopped":
            assert work(run, places, listener, stop) == "stopped"
            assert not list((places.cache / "teachers").glob("*.safetensors"))
        assert work(run, places) == "finished", run.log_tail()
        found.append((run.synthetic.read_bytes(), [report["top1_seeds"] for report in run.eval_reports()]))
    assert found[0] == found[1]
    assert "on the class numbers of all training images" in run.status().notes[0]


@pytest.mark.slow
@pytest.mark.parametrize("moment", ["the teacher conv:batch, in training@30", "experts: 1@1", "distilling@2"])
def test_killed_while_it_is_trained_or_later_it_goes_on_to_the_same_bits(
    moment: str, config: RunConfig, here: Places, tmp_path: Path
):
    whole, places = start(config, here), Places(cache=tmp_path / "killed", weights=(), datasets=())
    assert work(whole, here) == "finished"
    (tmp_path / "config.json").write_text(json.dumps(to_dict(config)))
    command = [sys.executable, "-m", "tests.killed_run", moment, str(places.cache), str(tmp_path / "config.json")]
    died = subprocess.run(command, cwd=Path(__file__).parent.parent, capture_output=True, text=True)
    assert died.returncode == -signal.SIGKILL, died.stderr[-2000:]
    trained = list((places.cache / "teachers").glob("*.safetensors"))
    assert len(trained) == (0 if "in training" in moment else 1)
    killed = start(config, places)
    assert killed.status().state == "running" and work(killed, places) == "finished"
    assert killed.synthetic.read_bytes() == whole.synthetic.read_bytes()
    assert killed.checkpoint.read_bytes() == whole.checkpoint.read_bytes()
    scores = [[report["top1_seeds"] for report in one.eval_reports()] for one in (killed, whole)]
    assert scores[0] == scores[1]
    teachers = [next((one.cache / "teachers").glob("*.safetensors")).read_bytes() for one in (places, here)]
    assert teachers[0] == teachers[1]


def test_a_network_without_pre_training_needs_no_teacher(config: RunConfig, here: Places):
    none = change(config, {"kind": "baseline", "baseline": {"choice": "none"}, "label_fraction": (1.0,)})
    run = start(none, here)
    assert work(run, here) == "finished" and not (here.cache / "teachers").exists()
    assert RunFolder(run.path).eval_reports()[0]["train_images"] == 0
