"""`lgm cache`: what can be had again is counted and dropped; what a run works with, and runs themselves, are left."""

import os
import shutil
import time
from pathlib import Path

import pytest
from filelock import FileLock

from lgm_core.cli.main import main
from lgm_core.runs.store import RunStore
from tests.fake_runs import fake_distill


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A cache with an entry or two of each kind, one of the features unused for forty days."""
    monkeypatch.setenv("LGM_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("LGM_WEIGHTS", str(tmp_path / "mine"))
    monkeypatch.setenv("COLUMNS", "200")
    root = tmp_path / "cache"
    for name in (
        "features/scenes-train-mobilenet_v2-01/features.safetensors", "weights/mobilenet_v2_torchvision.safetensors",
        "features/imagenette-train:9-per-class-seed-0-mobilenet_v2-02/features.safetensors", "weights/own.safetensors",
        "datasets/imagenette/imagenette2/train/a.jpg", "datasets/imagenet/train/a.jpg", "datasets/waterbirds/a.jpg",
        "estimates/01.json", "estimates/precision-02.json", "../mine/mobilenet_v2_torchvision.safetensors",
    ):  # fmt: skip
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(b"x" * 2**20)
    old = time.time() - 40 * 24 * 3600
    os.utime(root / "features" / "scenes-train-mobilenet_v2-01" / "features.safetensors", (old, old))
    return root


def left(root: Path, kind: str) -> list[str]:
    return sorted(path.name for path in (root / kind).iterdir())


def test_all_is_listed_with_size_and_last_use(root: Path, capsys):
    assert main(["cache"]) == 0
    said = capsys.readouterr().out
    for words in ("scenes-train-mobilenet_v2-01", "(40 days ago)", "own.safetensors", "2 files", "9.0 MB in "):
        assert words in said, words


def test_what_is_old_is_dropped_and_what_was_freed_is_said(root: Path, capsys):
    assert main(["cache", "drop", "features", "--older-than", "30"]) == 0
    assert left(root, "features") == ["imagenette-train:9-per-class-seed-0-mobilenet_v2-02"]
    assert "freed 1.0 MB" in capsys.readouterr().out
    assert main(["cache", "drop", "features"]) == 0 and left(root, "features") == []


@pytest.mark.parametrize("state", ["running", "queued", "finished"])
def test_what_a_run_works_with_is_left(state: str, root: Path, capsys):
    fake_distill(RunStore(root / "runs"), state, name="one", backbone="mobilenet_v2")  # of imagenette
    for kind in ("features", "weights", "datasets"):
        assert main(["cache", "drop", kind]) == 0
    said, works = capsys.readouterr().out, state != "finished"
    assert (f"the run one, which is {state}, uses it" in said) == works
    assert left(root, "features") == ["imagenette-train:9-per-class-seed-0-mobilenet_v2-02"] * works
    assert ("mobilenet_v2_torchvision.safetensors" in left(root, "weights")) == works
    assert ("imagenette" in left(root, "datasets")) == works
    assert (root / "runs" / "one" / "config.json").exists() and left(root.parent, "mine")


def test_experts_that_a_run_matches_are_left(root: Path, capsys):
    file = root / "trajectories" / "digits-train-conv-03" / "expert-0000.npy"
    file.parent.mkdir(parents=True)
    file.write_bytes(b"x")
    cases = (("running", "digits", True), ("running", "scenes", False), ("finished", "digits", False))
    for state, dataset, kept in cases:
        run = fake_distill(RunStore(root / "runs"), state, name=f"{state}-{dataset}", method="mkdt", dataset=dataset)
        assert main(["cache", "drop", "trajectories"]) == 0
        said = capsys.readouterr().out
        assert file.exists() == kept and (f"the run {run.id}, which is running, uses it" in said) == kept
        shutil.rmtree(run.path)
        file.parent.mkdir(exist_ok=True)
        file.write_bytes(b"x")


def test_what_cannot_be_fetched_again_is_dropped_by_name_only(root: Path, capsys):
    assert main(["cache", "drop", "datasets"]) == main(["cache", "drop", "weights"]) == 0
    assert left(root, "datasets") == ["imagenet"] and left(root, "weights") == ["own.safetensors"]
    assert "left datasets/imagenet: it cannot be fetched automatically" in capsys.readouterr().out
    assert main(["cache", "drop", "datasets", "imagenet"]) == main(["cache", "drop", "weights", "own"]) == 0
    assert left(root, "datasets") == left(root, "weights") == []


def test_features_that_are_being_computed_are_left(root: Path, capsys):
    place = root / "features" / "scenes-train-mobilenet_v2-01"
    with FileLock(place / "lock"):
        assert main(["cache", "drop", "features", "scenes"]) == 0
    assert "it is being computed" in capsys.readouterr().out and place.exists()


def test_a_run_that_goes_on_keeps_the_precision_that_was_measured(root: Path):
    fake_distill(RunStore(root / "runs"), "paused", name="one")
    assert main(["cache", "drop", "estimates"]) == 0
    assert left(root, "estimates") == ["precision-02.json"]


def test_what_lies_behind_a_link_is_left(root: Path, tmp_path: Path):
    (tmp_path / "far").mkdir()
    (tmp_path / "far" / "a.jpg").write_text("")
    (root / "datasets" / "cifar10").symlink_to(tmp_path / "far")
    assert main(["cache", "drop", "datasets", "cifar10"]) == 0
    assert "cifar10" not in left(root, "datasets") and (tmp_path / "far" / "a.jpg").exists()
    (root / "features").rename(tmp_path / "moved")
    (root / "features").symlink_to(tmp_path / "moved")
    assert main(["cache", "drop", "features"]) == 0 and len(left(root, "features")) == 2


def test_wrong_names_are_answered_in_plain_words(root: Path, capsys):
    assert main(["cache", "drop", "runs"]) == 2
    assert "unknown kind of cache 'runs'" in capsys.readouterr().err
    assert main(["cache", "drop", "features", "scene"]) == 2
    assert "unknown entry of features 'scene'" in capsys.readouterr().err
