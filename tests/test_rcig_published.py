"""The authors' published checkpoints: read from the layout in which Flax writes them, shown and evaluated as a run."""

import os
from dataclasses import replace
from pathlib import Path

import msgpack
import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from lgm_core.base.errors import UserError
from lgm_core.base.places import Places
from lgm_core.cli.main import main
from lgm_core.engine import start, work
from lgm_core.methods.rcig.published import read_published
from lgm_core.presets import change
from lgm_core.runs.store import RunFolder
from tests.conftest import real_file
from tests.one_thread import one_thread  # noqa: F401 (a fixture)
from tests.test_rcig_run import finish


def _extension(array: np.ndarray, code: int = 1) -> msgpack.ExtType:
    return msgpack.ExtType(code, msgpack.packb((array.shape, array.dtype.name, array.tobytes()), use_bin_type=True))


def _published(path: Path, step: int = 40) -> dict[str, np.ndarray]:
    """A checkpoint in the layout in which Flax writes the authors' training state."""
    random = np.random.default_rng(0)
    arrays = {
        "x_proto": random.normal(size=(10, 8, 8, 1)).astype(np.float32),
        "y_proto": random.normal(size=(10, 10)).astype(np.float32),
        "log_temp": np.asarray(0.3, dtype=np.float32),
    }
    masks = [{"log_temp"}, {"x_proto", "y_proto"}]
    belief = [
        {"inner_state": {"0": {"count": _extension(np.asarray(step)),
                               "mu": {k: {} if k in mask else _extension(0.1 * v) for k, v in arrays.items()},
                               "nu": {k: {} if k in mask else _extension(v**2) for k, v in arrays.items()}}, "1": {}}}
        for mask in masks
    ]  # fmt: skip
    share = np.float32(1 - 0.99**step)
    tree = {
        "step": step, "train_it": step,
        "params": {name: _extension(array) for name, array in arrays.items()},
        "opt_state": {"0": belief[0], "1": belief[1]},
        "ema_hidden": {name: _extension((array + 1) * share) for name, array in arrays.items()},
        "ema_average": {name: _extension(array + 1) for name, array in arrays.items()},
    }  # fmt: skip
    tree["params"]["log_temp"] = _extension(arrays["log_temp"], 3)
    path.write_bytes(msgpack.packb(tree, use_bin_type=True))
    return arrays


def test_a_published_checkpoint_is_read_as_it_was_written(tmp_path: Path):
    arrays = _published(tmp_path / "checkpoint_40")
    found = read_published(tmp_path / "checkpoint_40")
    assert found.step == 40 and set(found.values) == set(found.first) == {"pixels", "targets", "log_temperature"}
    np.testing.assert_array_equal(found.values["pixels"], arrays["x_proto"].transpose(0, 3, 1, 2))
    np.testing.assert_allclose(found.second["targets"], arrays["y_proto"] ** 2)
    (tmp_path / "other").write_bytes(msgpack.packb({"params": {}}))
    for name, words in (("other", "not an RCIG checkpoint"), ("missing", "give the path of a file")):
        with pytest.raises(UserError, match=words):
            read_published(tmp_path / name)
    (tmp_path / "text").write_text("{'a': 1}")
    with pytest.raises(UserError, match="checkpoint"):
        read_published(tmp_path / "text")


def test_a_published_checkpoint_becomes_a_run_that_is_shown_and_evaluated(tmp_path, here: Places, monkeypatch):
    monkeypatch.setenv("LGM_CACHE", str(here.cache))
    arrays = _published(tmp_path / "checkpoint_40")
    flags = ["--preset", "rcig_digits", "--name", "theirs", "--scratch.steps", "20", "--scratch.seeds", "1"]
    flags += ["--device.threads", "1", "--device.device", "cpu"]
    assert main(["import", str(tmp_path / "checkpoint_40"), "digits", *flags]) == 0
    assert main(["import", str(tmp_path / "checkpoint_40"), "digits", *flags, "--steps", "39"]) == 2
    run = RunFolder(here.runs / "theirs")
    assert run.status().state == "finished" and run.config().steps == 40 and not run.metrics()
    tensors = load_file(run.synthetic)
    torch.testing.assert_close(tensors["pixels"], torch.from_numpy(arrays["x_proto"].transpose(0, 3, 1, 2) + 1))
    torch.testing.assert_close(tensors["log_temperature"], torch.tensor(1.3))
    assert [frame["step"] for frame in run.frame_list()] == [39] and run.eval_reports()[0]["backbone"] == "conv"
    further = change(run.config(), {"steps": 42, "name": "further", "rcig": {"width": 4, "pool": 2},
                                    "evaluate_on": ()})  # fmt: skip
    assert [line["step"] for line in finish(further, here).metrics()] == [40, 41]
    wrong = replace(further, images_per_class=2, name="wrong")
    monkeypatch.setattr(
        "lgm_core.methods.rcig.assembly.open_real", lambda *given: pytest.fail("whitened before it was checked")
    )
    with pytest.raises(UserError, match="images_per_class"):
        work(start(wrong, here), here)


def test_the_authors_own_set_is_worth_what_was_measured(here: Places, monkeypatch: pytest.MonkeyPatch):
    """Minutes on a core: their CIFAR-10 set, one image per class, by one network on all test images."""
    file = os.environ.get("LGM_RCIG_PUBLISHED")
    if not file:
        pytest.skip("LGM_RCIG_PUBLISHED names no file: the authors' checkpoint_15000 (CIFAR-10, one image per class)")
    real_file("LGM_DATASETS", "cifar10")
    monkeypatch.setenv("LGM_CACHE", str(here.cache))
    flags = ["--name", "theirs", "--scratch.seeds", "1", "--evaluate-on", "conv"]
    assert main(["import", file, "cifar10", *flags]) == 0
    (report,) = RunFolder(here.runs / "theirs").eval_reports()
    assert report["top1"] == pytest.approx(0.502, abs=0.03)
