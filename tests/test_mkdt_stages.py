"""MKDT's stages: killed in each, a run goes on to the same bits; and these do not depend on what was kept before."""

import json
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from lgm_core.base.errors import Unmeasured
from lgm_core.base.knobs import to_dict
from lgm_core.base.places import Places
from lgm_core.base.tensor_files import save_tensors
from lgm_core.config import RunConfig
from lgm_core.engine import start, work
from lgm_core.evaluation import pretraining
from lgm_core.presets import change
from lgm_core.runs.store import RunFolder
from tests.one_thread import one_thread  # noqa: F401 (a fixture)
from tests.test_mkdt_run import STAGES, bits, finish, finished, run, small  # noqa: F401 (fixtures)

pytestmark = pytest.mark.slow  # `test_mkdt_run` has the quick ones

ROOT = Path(__file__).parent.parent


@pytest.mark.parametrize("moment", ["expert", *(f"{stage}@{3 if stage == 'distilling' else 1}" for stage in STAGES)])
def test_killed_in_any_stage_it_goes_on_to_the_same_bits(
    moment: str,
    small: RunConfig,  # noqa: F811
    run: RunFolder,  # noqa: F811
    tmp_path: Path,
):
    places = Places(cache=tmp_path / "killed", weights=(), datasets=())
    (tmp_path / "config.json").write_text(json.dumps(to_dict(small)))
    command = [sys.executable, "-m", "tests.killed_run", moment, str(places.cache), str(tmp_path / "config.json")]
    died = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert died.returncode == -signal.SIGKILL, died.stderr[-2000:]
    killed = start(small, places)
    assert killed.status().state == "running" and work(killed, places) == "finished"
    assert bits(killed) == bits(run)
    scores = [sorted((r["fraction"], r["top1_seeds"]) for r in one.eval_reports()) for one in (killed, run)]
    assert scores[0] == scores[1]


def test_the_result_is_the_same_whether_stages_were_kept_or_not(small: RunConfig, run: RunFolder, here: Places):  # noqa: F811
    wanted, seen = bits(run), set()
    shutil.rmtree(here.runs)
    again = start(small, here)
    assert work(again, here, lambda phase, *rest: seen.add(phase)) == "finished"
    assert bits(again) == wanted and "distilling" in seen
    assert not [phase for phase in seen if phase.startswith("experts")]  # those were kept


def test_a_smaller_set_of_the_hardest_images_begins_a_larger_one(small: RunConfig, run: RunFolder, here: Places):  # noqa: F811
    hardest = {"kind": "baseline", "baseline": {"choice": "high-loss"}, "evaluate_on": ()}
    chosen = [finish(change(small, hardest, {"images_per_class": each}), here) for each in (1, 3)]
    few, many = (json.loads(one.choice.read_text())["indices"] for one in chosen)
    assert (len(few), len(many), len(set(many))) == (10, 30, 30) and many[:10] == few


def test_a_step_size_that_is_not_above_zero_is_a_failure_with_a_name(small: RunConfig, run: RunFolder, here: Places):  # noqa: F811
    tensors = load_file(run.synthetic)
    save_tensors(tensors | {"rate": torch.tensor(-0.01)}, run.synthetic)
    asked = change(run.config(), {"kind": "evaluate", "source": run.id, "name": "", "label_fraction": (0.25,)})
    with pytest.raises(Unmeasured, match=r"learned with a step size of -0.01, .*--pretrain.no-learned-rate"):
        work(start(asked, here), here)
    finish(change(asked, {"pretrain": {"learned_rate": False}}), here)


def test_an_accuracy_on_the_way_that_comes_to_no_number_does_not_end_the_run(
    small: RunConfig,  # noqa: F811
    here: Places,
    monkeypatch: pytest.MonkeyPatch,
):
    def diverging(*given: object, **more: object) -> None:
        raise Unmeasured("pre-training diverged")

    monkeypatch.setattr(pretraining, "pretrained", diverging)
    made = finish(change(small, {"evaluate_on": ()}), here)
    assert len(made.metrics()) == small.steps and not [name for name in made.metrics()[-1] if name.startswith("live")]
    assert "no accuracy of conv:instance on the way: pre-training diverged" in made.status().notes


def test_a_damaged_expert_and_damaged_losses_are_made_again(
    small: RunConfig,  # noqa: F811
    run: RunFolder,  # noqa: F811
    here: Places,
):
    (folder,) = (here.cache / "trajectories").iterdir()
    kept = {folder / name: (folder / name).read_bytes() for name in ("expert-0001.npy", "losses-0000.npy")}
    for file, content in kept.items():
        file.write_bytes(content[:-60] + bytes([content[-60] ^ 1]) + content[-59:])
    again = finish(change(small, {"name": "again"}), here)
    assert bits(again) == bits(run) and all(file.read_bytes() == content for file, content in kept.items())
    notes = [note for note in again.status().notes if note.endswith("computing it again")]
    assert len(notes) == 2 and "expert-0001.npy is damaged" in notes[0] and "losses-0000.npy" in notes[1]
