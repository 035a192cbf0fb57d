"""A folder of class folders judged as a set: what fits is judged as a run's images are, what does not fit is said."""

import shutil
from pathlib import Path

import pytest
import torch
from PIL import Image

from lgm_core.base.errors import UserError
from lgm_core.cli.main import main
from lgm_core.datasets.given import count_and_digest, given_images, own_side
from lgm_core.reports.card import write_export
from lgm_core.runs.source_runs import images_of
from lgm_core.runs.store import RunStore
from tests.fake_runs import CLASSES, fake_distill
from tests.test_cli import SMALL


def written(root: Path, names: list[str], size: tuple[int, int] = (32, 32)) -> Path:
    for place, name in enumerate(names):
        (root / name).mkdir(parents=True)
        Image.new("RGB", size, (20 * place, 90, 200 - 15 * place)).save(root / name / "a.png")
    return root


@pytest.mark.parametrize(
    "names", [["b b", "A", "Tench"], ["0001_b_b", "0000_a", "0002_tench"], ["B-B", "a", "n01440764"]]
)
def test_class_folders_are_matched_by_name_number_or_wnid(names: list[str], tmp_path: Path):
    given = given_images(written(tmp_path / "set", names), ("a", "b b", "tench"))
    assert given.labels.tolist() == [0, 1, 2] and [file.split("/")[0] for file in given.files][1] == names[0]
    assert own_side(given) == 32


def test_images_of_several_sizes_have_no_side_of_their_own(tmp_path: Path):
    written(written(tmp_path / "set", ["a"]), ["b"], size=(40, 40))
    assert own_side(given_images(tmp_path / "set", ("a", "b"))) == 0


@pytest.mark.parametrize(
    ("names", "text"),
    [
        (["a", "c"], "c: not a class of the data set; no folder for b. Its classes are: a, b"),
        (["a"], "no folder for b"),
        (["a", "A ", "b"], "several folders for one class"),
        ([], "has no class folders"),
    ],
)
def test_what_does_not_fit_is_refused(names: list[str], text: str, tmp_path: Path):
    (tmp_path / "set").mkdir()
    with pytest.raises(UserError, match=text):
        given_images(written(tmp_path / "set", names), ("a", "b"))


def test_a_class_without_images_is_refused(tmp_path: Path):
    (written(tmp_path / "set", ["a", "b"]) / "b" / "a.png").unlink()
    with pytest.raises(UserError, match="no image in .*/set/b"):
        given_images(tmp_path / "set", ("a", "b"))


def test_an_export_is_judged_and_other_images_are_another_run(quick_network, tmp_path: Path, monkeypatch, capsys):
    monkeypatch.setenv("LGM_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("COLUMNS", "200")
    store = RunStore(tmp_path / "cache" / "runs")
    words = ["evaluate", f"folder:{tmp_path / 'set'}", quick_network]
    written(tmp_path / "set" / "images", [f"000{digit}_{digit}" for digit in range(10)], size=(32, 32))
    settings = [*SMALL, "--dataset", "digits"]
    assert main(words) == 2 and "which data set" in capsys.readouterr().err
    for _ in range(2):  # the same images are the same run
        assert main([*words, *settings]) == 0
    (run,) = store.runs()
    (report,) = run.eval_reports()
    assert report["train_images"] == 10 and report["backbone"] == quick_network
    assert "images of given-set-" in capsys.readouterr().out and run.config().images_per_class == 1
    images, labels = images_of(run)
    assert images.shape == (10, 3, 32, 32) and labels.tolist() == list(range(10))
    assert torch.equal((images[3, :, 0, 0] * 255).round().int(), torch.tensor([60, 90, 155], dtype=torch.int32))
    shutil.copyfile(tmp_path / "set/images/0001_1/a.png", tmp_path / "set/images/0000_0/a.png")
    assert count_and_digest(tmp_path / "set")[1] not in run.id
    assert main([*words, *settings]) == 0 and len(store.runs()) == 2


def test_the_folder_of_a_choice_that_has_none_is_refused(tmp_path: Path, monkeypatch, capsys):
    monkeypatch.setenv("LGM_CACHE", str(tmp_path))
    assert main(["baseline", "random", "digits", "--baseline.folder", "x"]) == 2
    assert "baseline.folder is for the choices given" in capsys.readouterr().err
    assert main(["evaluate", f"folder:{tmp_path / 'gone'}", "mobilenet_v2", "--dataset", "digits"]) == 3
    assert "gone does not exist" in capsys.readouterr().err


def test_a_fake_export_of_all_classes_fits(tmp_path: Path):
    run = fake_distill(RunStore(tmp_path / "runs"), name="one")
    given = given_images(write_export(run, tmp_path / "out"), CLASSES)
    assert given.labels.tolist() == list(range(10)) and own_side(given) == 48
