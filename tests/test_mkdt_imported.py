"""Sets of MKDT's and KRR-ST's authors: read from the layouts that their programs write, judged as baselines."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from lgm_core.base.errors import ConfigError, UserError
from lgm_core.base.interfaces import TargetSet, generator
from lgm_core.base.real_settings import NO_CLASS
from lgm_core.cli.main import main
from lgm_core.config import validate
from lgm_core.methods.mkdt.imported_sets import imported, read_published
from lgm_core.presets import preset
from lgm_core.reports.card import write_export
from lgm_core.reports.page import run_report
from lgm_core.reports.summary import result_table
from lgm_core.runs.source_runs import read_set
from lgm_core.runs.store import RunFolder
from tests.one_thread import one_thread  # noqa: F401 (a fixture)

M, D = 20, 6
FLAGS = [
    "--preset", "mkdt_preview", "--data.train-per-class", "4", "--data.test-per-class", "3", "--pretrain.seeds", "1",
    "--pretrain.steps", "3", "--pretrain.learning-rate", "0.1", "--label-fraction", "1", "--scratch.width", "4",
    "--device.threads", "1", "--device.device", "cpu",
]  # fmt: skip


def _numbers(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(*shape, generator=generator("cpu", seed))


def mkdt_result(folder: Path, side: int = 32) -> Path:
    """As the authors' distiller writes it, at its first iteration and at two later ones."""
    folder.mkdir(parents=True)
    (folder / "hparams.txt").write_text("{'dataset': 'CIFAR10'}")
    for step in (1, 1000, 2000):
        torch.save(_numbers(M, 3, side, side, seed=step).requires_grad_(), folder / f"images_{step}.pt")
        torch.save(_numbers(M, D, seed=step + 1).requires_grad_() * 1, folder / f"labels_{step}.pt")
        torch.save(torch.tensor(step / 1e4, requires_grad=True), folder / f"synlr_{step}.pt")
    return folder


def krr_st(folder: Path, side: int = 32) -> Path:
    folder.mkdir(parents=True)
    torch.save(torch.rand(M, 3, side, side, generator=generator("cpu", 5)).requires_grad_(), folder / "x_syn.pt")
    torch.save(_numbers(M, D).requires_grad_(), folder / "y_syn.pt")
    return folder


@pytest.fixture(scope="module")
def cifar(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A cache with both sets imported, beside noise in CIFAR-10's place, of another brightness in each class."""
    folder, random = tmp_path_factory.mktemp("published"), np.random.default_rng(0)
    for split, count in (("train", 4), ("test", 3)):
        for label in range(10):
            place = folder / "cifar10" / "cifar-10-batches-py" / split / f"{label}_kind"
            place.mkdir(parents=True)
            for number in range(count):
                pixels = np.clip(random.normal(25 * label, 20, (32, 32, 3)), 0, 255).astype(np.uint8)
                Image.fromarray(pixels).save(place / f"{number}.png")
    theirs = ["--pretrain.teacher", "barlow_twins_resnet18_cifar10"]  # which is not here, and not needed
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("LGM_CACHE", str(folder))
        patch.setenv("LGM_DATASETS", str(folder))
        for name, files in (("theirs", mkdt_result(folder / "a")), ("krr", krr_st(folder / "b"))):
            assert main(["import", str(files), "cifar10", "--name", name, *FLAGS, *theirs]) == 0
        yield folder


def test_a_result_of_mkdt_is_read_at_its_last_step_or_at_one_that_is_named(tmp_path: Path):
    folder = mkdt_result(tmp_path / "2024-10-01_12:00:00None")
    last, first = read_published(folder), read_published(folder / "images_1.pt")
    assert (last.updates, first.updates) == (1999, 0) and last.rate == pytest.approx(0.2)
    assert torch.equal(last.images, _numbers(M, 3, 32, 32, seed=2000)) and not last.images.requires_grad
    assert torch.equal(first.targets, _numbers(M, D, seed=2))
    known = imported(folder, "cifar100", 100)
    assert known.preset == "mkdt_cifar100_2" and known.settings["scratch"] == {"resolution": 32} and not known.steps


def test_a_set_of_krr_st_is_read(tmp_path: Path):
    found = read_published(krr_st(tmp_path / "krr"))
    assert found.rate is None and found.updates is None and found.targets.shape == (M, D)
    assert torch.equal(read_published(tmp_path / "krr" / "x_syn.pt").images, found.images)


@pytest.mark.parametrize(
    "damage, words",
    [
        (lambda f: (f / "labels_2000.pt").unlink(), "lacks labels_2000.pt; wanted: images_T.pt, labels_T.pt and"),
        (lambda f: (f / "synlr_2000.pt").unlink(), "lacks synlr_2000.pt; wanted"),
        (lambda f: shutil.rmtree(f) or f.mkdir(), "lacks x_syn.pt and y_syn.pt; wanted"),
        (lambda f: (f / "images_2000.pt").write_bytes(b"PK\x03\x04 and no more"), "images_2000.pt cannot be read"),
        (lambda f: torch.save({"x": 1}, f / "images_2000.pt"), "images_2000.pt holds a dict; wanted: a tensor"),
        (lambda f: torch.save(torch.ones(2, dtype=torch.int64), f / "images_2000.pt"), "holds torch.int64; wanted"),
        (lambda f: torch.save(_numbers(M, 2, 8, 8), f / "images_2000.pt"), r"\[M, 1 or 3, R, R\] are expected"),
        (lambda f: torch.save(_numbers(M - 1, D), f / "labels_2000.pt"), r"targets \[20, D\] are expected, \[19, 6\]"),
        (lambda f: torch.save(torch.ones(2), f / "synlr_2000.pt"), r"the step size is one number, \[2\] were found"),
        (lambda f: torch.save(_numbers(M, D) / 0, f / "labels_2000.pt"), "numbers that are not finite"),
    ],
)  # fmt: skip
def test_what_is_malformed_is_one_sentence(damage, words: str, tmp_path: Path):
    folder = mkdt_result(tmp_path / "theirs", side=8)
    damage(folder)
    with pytest.raises(UserError, match=words) as found:
        read_published(folder)
    assert "\n" not in str(found.value)


@pytest.mark.slow
def test_published_sets_are_judged_as_baselines_and_a_table_has_them(
    cifar: Path, tmp_path: Path, capsys: pytest.CaptureFixture
):
    store = {name: RunFolder(cifar / "runs" / name) for name in ("theirs", "krr")}
    reports = {name: run.eval_reports()[0] for name, run in store.items()}
    assert [reports[name]["learning_rate"] for name in store] == [pytest.approx(0.2), pytest.approx(0.1)]
    assert all(report["train_images"] == M and report["labelled_images"] == 40 for report in reports.values())
    rows = {row.label for row in result_table(store.values()).rows}
    assert rows == {"published set theirs", "published set krr"}
    for run in store.values():
        assert run.own_labels() == ([0] * M, [NO_CLASS]) and NO_CLASS in run_report(run)
        assert "no class numbers" in run.status().notes[0]
        write_export(run, tmp_path / "export" / run.id)
        assert len(list((tmp_path / "export" / run.id / "images").glob("0000_*/*.png"))) == M
    assert main(["evaluate", "krr", "conv:instance", "--protocol", "scratch", "--name", "x"]) == 2
    assert "has no class numbers" in capsys.readouterr().err.replace("\n", " ")
    assert main(["evaluate", "theirs", "conv:instance", "--protocol", "pretrain", "--pretrain.steps", "2"]) == 0


def test_values_are_those_that_networks_here_see(cifar: Path):
    """MKDT's are normalised by other constants; KRR-ST's are values already, though they look like pixels."""
    sets = [read_set(RunFolder(cifar / "runs" / name)) for name in ("theirs", "krr")]
    theirs, krr = (found for found in sets if isinstance(found, TargetSet))
    own = read_published(cifar / "b").images
    assert torch.equal(krr.values, own) and torch.equal(krr.images, own) and krr.rate is None
    mean, std = torch.tensor((0.4914, 0.4822, 0.4465)), torch.tensor((0.2023, 0.1994, 0.2010))
    pictures = read_published(cifar / "a").images * std.view(1, 3, 1, 1) + mean.view(1, 3, 1, 1)
    torch.testing.assert_close(theirs.images, pictures.clamp(0, 1))
    train = sorted((cifar / "cifar10").rglob("train/*/*.png"))
    real = torch.stack([torch.from_numpy(np.array(Image.open(file))).permute(2, 0, 1) for file in train]) / 255
    centre, width = real.mean((0, 2, 3)).view(1, 3, 1, 1), real.std((0, 2, 3), correction=0).view(1, 3, 1, 1)
    torch.testing.assert_close(theirs.values, (pictures - centre) / width, rtol=1e-3, atol=1e-3)
    assert main(["import", str(cifar / "a"), "digits", "--name", "wrong", *FLAGS]) == 2


def test_wrong_settings_say_what_is_wrong():
    for changes, words in (
        ({"baseline": {"choice": "imported"}}, "baseline.folder is for the choices given and imported"),
        ({"baseline": {"choice": "imported", "folder": "x"}, "method": "lgm"}, "imported with a preset of MKDT"),
    ):
        with pytest.raises(ConfigError, match=words):
            validate(preset("mkdt_preview", kind="baseline", **changes))
