"""Toys shared by the tests: a small real network with random weights, a folder for runs, paths to real data."""

import gc
import logging
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from jaxtyping import Float
from safetensors.torch import save_file
from torch import Tensor, nn

from lgm_core.base.device import Compute
from lgm_core.base.interfaces import Backbone
from lgm_core.base.places import Places
from lgm_core.config import RunConfig
from lgm_core.presets import change
from lgm_core.runs import heart
from lgm_core.runs.store import RunStore
from tests.browser import chromium, opened

# A core for each worker, and for the processes that it starts: two threads each on two busy cores are ten times slower.
# Workers inherit this from the process that starts them, where it is set first.
os.environ.setdefault("OMP_NUM_THREADS", "1")
torch.set_num_threads(1)


QUICK_NETWORK = """
from torch import nn

def build():
    layers = nn.Conv2d(3, 16, 5, stride=2), nn.BatchNorm2d(16), nn.SiLU(), nn.Conv2d(16, 24, 3, stride=2), nn.SiLU()
    return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(2), nn.Flatten()), {"input_size": 48}
"""


def pytest_collection_finish() -> None:
    """Streamlit collects garbage after each script: what is loaded by now need not be searched each time."""
    gc.collect()
    gc.freeze()


def pytest_unconfigure() -> None:
    gc.unfreeze()


class ToyBackbone(Backbone):
    """A smooth two-layer network on 16 px images: quick, differentiable, with features of 12 numbers."""

    def __init__(self, seed: int = 0, side: int = 16) -> None:
        super().__init__()
        self.name, self.input_size, self.feature_size, self.weights_hash = "toy", side, 12, str(seed)
        with torch.random.fork_rng():
            torch.manual_seed(seed)
            self.net = nn.Sequential(
                nn.Conv2d(3, 8, 5, stride=2), nn.Tanh(), nn.AdaptiveAvgPool2d(3), nn.Flatten(), nn.Linear(72, 12)
            )
        self.register_buffer("scale", torch.tensor([2.0, 4.0, 3.0]).view(1, 3, 1, 1))
        self.requires_grad_(False)

    def normalise(self, images: Float[Tensor, "n 3 r r"]) -> Float[Tensor, "n 3 r r"]:
        return (images - 0.4) * self.scale

    def encode(self, normalised: Float[Tensor, "n 3 s s"]) -> Float[Tensor, "n d"]:
        return self.net(normalised)


@pytest.fixture
def toy() -> ToyBackbone:
    return ToyBackbone()


@pytest.fixture
def compute() -> Compute:
    return Compute(torch.device("cpu"), "float32")


@pytest.fixture(scope="session")
def small_weights(tmp_path_factory: pytest.TempPathFactory) -> str:
    """`file:` name of a small timm network with random weights."""
    import timm  # takes as long as torch, and most files of tests need none of it

    path = tmp_path_factory.mktemp("weights") / "small.safetensors"
    with torch.random.fork_rng():
        torch.manual_seed(0)
        network = timm.create_model("test_efficientnet", num_classes=5)
    for module in network.modules():  # random statistics, so that batch norm in eval mode does something
        if isinstance(module, nn.BatchNorm2d):
            module.running_var.fill_(0.5)
    save_file(network.state_dict(), path)
    return f"file:{path}?timm=test_efficientnet"


@pytest.fixture(scope="session")
def quick_network(tmp_path_factory: pytest.TempPathFactory) -> str:
    """`python:` name of a network that is opened and stepped in no time, for tests of what is done with a network."""
    file = tmp_path_factory.mktemp("network") / "quick.py"
    file.write_text(QUICK_NETWORK)
    return f"python:{file}:build"


@pytest.fixture
def here(tmp_path: Path) -> Places:
    """Places in an empty folder."""
    return Places(cache=tmp_path, weights=(tmp_path / "weights",), datasets=(tmp_path / "datasets",))


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> RunStore:
    """An empty folder of runs, the one that pages and commands see."""
    monkeypatch.setenv("LGM_CACHE", str(tmp_path))
    return RunStore(tmp_path / "runs")


@pytest.fixture
def small_run(quick_network: str) -> RunConfig:
    """A distillation of a second: three digits images per class, 18 steps, five levels."""
    return change(
        RunConfig(dataset="digits", backbone=quick_network, steps=18, evaluate_on=(quick_network,)),
        {
            "data": {"train_per_class": 3, "test_per_class": 3, "resize": 224},
            "device": {"threads": 1, "precision": "float32"},
            "synthetic": {"resolution": 32},
            "pyramid": {"grow_every": 3},
            "lgm": {"views": 2, "schedule": "constant"},
            "bank": {"views": 2, "batch": 10},
            "live": {"times": 2, "test_images": 20, "steps": 10},
            "probe": {"views": 3, "epochs": 20, "full_views": 2, "full_epochs": 2, "seeds": 2},
            "record": {"frames": 6, "checkpoint_seconds": 0.0},
        },
    )


@pytest.fixture(autouse=True)
def wishes_are_heard_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """A few small steps may be over before a writer looks again at what it is asked for."""
    monkeypatch.setattr(heart, "LOOK_SECONDS", 0.0)


@pytest.fixture(autouse=True)
def no_log_is_left_open() -> Iterator[None]:
    """The next test's lines would go to a folder that may be gone."""
    yield
    left = [handler for handler in logging.getLogger("lgm").handlers if isinstance(handler, logging.FileHandler)]
    for handler in left:
        logging.getLogger("lgm").removeHandler(handler)
    assert not left, left


@pytest.fixture(autouse=True)
def no_panel_fails_unseen(caplog: pytest.LogCaptureFixture, request: pytest.FixtureRequest) -> Iterator[None]:
    """What a page's panel catches fails the test, unless that is what it is about."""
    yield
    caught = [record.getMessage() for record in caplog.get_records("call") if record.name == "lgm.pages"]
    assert not caught or request.node.get_closest_marker("panels_may_fail"), caught


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    """Chromium, for the tests of one file."""
    with chromium() as found:
        yield found


@pytest.fixture
def page(browser: Any) -> Iterator[Any]:
    """A tab of its own for each test."""
    with opened(browser) as tab:
        yield tab


def real_file(variable: str, name: str) -> Path:
    """A file or folder under one of the paths in an environment variable; skips the test where it is not there."""
    for folder in os.environ.get(variable, "").split(os.pathsep):
        if folder and (Path(folder) / name).exists():
            return Path(folder) / name
    pytest.skip(f"{name} is not in ${variable}: real data are not at hand")
