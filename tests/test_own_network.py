"""Networks of the user's own, from a function in a Python file: distilled and judged with, and mistakes by sentence."""

from dataclasses import replace
from pathlib import Path

import pytest
import torch

from lgm_core.backbones.catalog import find_row, status
from lgm_core.backbones.frozen import open_backbone
from lgm_core.base.errors import Unavailable, UnknownName, UserError
from lgm_core.engine import work
from lgm_core.runs.start import start

FILE = """
import torch
from torch import nn
from beside import WIDTH

class Small(nn.Module):
    def __init__(self):
        super().__init__()
        self.layers = nn.Sequential(nn.Conv2d(3, WIDTH, 3, stride=4), nn.BatchNorm2d(WIDTH), nn.ReLU())
    def forward(self, images):
        return self.layers(images).mean(dim=(2, 3))

def build():
    return Small(), {"input_size": 32, "mean": (0.5, 0.4, 0.3), "std": (0.5, 0.25, 0.2)}

def plain():
    network = Small()
    network.input_size = 48
    return network
"""


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """A file with two functions, which imports another one that lies beside it."""
    (tmp_path / "beside.py").write_text("WIDTH = 6\n")
    (tmp_path / "mine.py").write_text(FILE)
    return tmp_path / "mine.py"


def test_size_and_statistics_are_what_it_says_of_itself(file: Path, here):
    told = open_backbone(f"python:{file}:build", here)
    assert (told.input_size, told.feature_size) == (32, 6) and told.scale.flatten().tolist() == [2, 4, 5]
    usual = open_backbone(f"python:{file}:plain", here)
    assert usual.input_size == 48 and usual.scale.flatten()[0] == pytest.approx(1 / 0.229)
    assert status(find_row(f"python:{file}:build"), here) == "ready"
    images = torch.rand(4, 3, 48, 48)
    assert torch.equal(usual(images), open_backbone(f"python:{file}:plain", here)(images))  # the same random numbers


def test_another_file_or_other_weights_are_another_network(file: Path, here):
    name = f"python:{file}:build"
    hashes = [open_backbone(name, here).weights_hash for _ in range(2)]
    file.write_text(f"{FILE}# changed\n")
    hashes.append(open_backbone(name, here).weights_hash)
    read = f"super().__init__(); self.register_buffer('w', torch.load({str(file.parent / 'w.pt')!r}))"
    file.write_text(FILE.replace("super().__init__()", read))
    for value in (1.0, 2.0):
        torch.save(torch.tensor([value]), file.parent / "w.pt")
        hashes.append(open_backbone(name, here).weights_hash)
    assert hashes[0] == hashes[1] and len(set(hashes)) == 4  # one name, four networks


@pytest.mark.slow
def test_a_distillation_with_it(file: Path, here, small_run):
    name = f"python:{file}:build"
    run = start(replace(small_run, backbone=name, evaluate_on=(name,)), here)
    assert work(run, here) == "finished"
    (report,) = run.eval_reports()
    assert report["backbone"] == name and 0 <= report["top1"] <= 1
    assert run.metrics()[-1]["loss"] < run.metrics()[0]["loss"]


def test_a_module_that_is_installed_is_found_without_importing_it(file: Path, here, monkeypatch):
    package = file.parent / "own_package"
    package.mkdir()
    (package / "__init__.py").write_text("raise ImportError('not yet')")
    file.rename(package / "nets.py")
    monkeypatch.syspath_prepend(file.parent)
    row = find_row("python:own_package.nets:build")
    assert row.source.path == package / "nets.py" and status(row, here) == "ready"
    with pytest.raises(UserError, match="failed with ImportError: not yet"):
        open_backbone(row.name, here)
    (package / "__init__.py").write_text("")
    assert open_backbone(row.name, here).input_size == 32


@pytest.mark.parametrize(
    ("body", "text"),
    [
        ("def build(:", "failed with SyntaxError"),
        ("def make(): pass", "has no function 'build'; it has make"),
        ("build = 3", "has no function 'build'; it has none"),
        ("def build(): return 3", "returned int; expected a torch.nn.Module"),
        ("def build(size): return 3", "failed with TypeError: build() missing 1 required"),
        ("def build(): return 1 / 0", "failed with ZeroDivisionError: division by zero (FILE, line 2)"),
        ("def build(): return nn.Identity()", "the network returned [2, 3, 224, 224]; features [2, D] are expected"),
        ("def build(): return nn.Linear(3, 4)", "failed with RuntimeError"),
        ("def build(): return nn.Flatten(), {'size': 32}", "returned unknown size; known are input_size, mean, std"),
        ("def build(): return nn.Flatten(), {'input_size': 0}", "at least 8; 0 was given"),
        ("def build(): return nn.Flatten(), {'std': (1, 1)}", "std is three numbers"),
        (
            "class A(nn.Module):\n forward = lambda s, x: x.detach().flatten(1)\ndef build(): return A()",
            "cannot be differentiated",
        ),
    ],
)
def test_mistakes_are_answered_in_plain_words(body: str, text: str, tmp_path: Path, here):
    file = tmp_path / "wrong.py"
    file.write_text(f"from torch import nn\n{body}\n")
    with pytest.raises(UserError) as error:
        open_backbone(f"python:{file}:build", here)
    assert text.replace("FILE", str(file)) in str(error.value)


def test_names_that_lead_nowhere(tmp_path: Path, here):
    for name in ("python:mine.py", "python:mine.py:", "python:mine.py:a b"):
        with pytest.raises(UnknownName):
            find_row(name)
    with pytest.raises(UnknownName, match="no Python module 'nowhere'"):
        find_row("python:nowhere.nets:build")
    assert status(find_row(f"python:{tmp_path}/gone.py:build"), here) == "missing"
    with pytest.raises(Unavailable, match=r"gone\.py does not exist"):
        open_backbone(f"python:{tmp_path}/gone.py:build", here)
