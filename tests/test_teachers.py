"""Teachers of MKDT: the ResNet-18s for small images, the layouts of their checkpoints, and targets from the banks."""

from pathlib import Path

import pytest
import torch
from torch import nn

from lgm_core.backbones.builders import BUILDERS
from lgm_core.backbones.catalog import find_row, status
from lgm_core.backbones.frozen import open_backbone
from lgm_core.backbones.representations import open_teacher
from lgm_core.base.errors import Unavailable
from lgm_core.base.interfaces import State, generator
from lgm_core.base.places import Places
from lgm_core.config import RunConfig
from lgm_core.presets import change
from lgm_core.runs.recorder import Recorder
from lgm_core.runs.start import start
from lgm_core.workbench import Workbench

NAME = "barlow_twins_resnet18_cifar10"


def _network() -> tuple[nn.Module, State]:
    network = BUILDERS["small_resnet"](find_row(NAME), None)
    state = {name: torch.randn_like(value) * 0.05 if value.is_floating_point() else value
             for name, value in network.state_dict().items()}  # fmt: skip
    state = {name: value.abs() + 0.5 if "running_var" in name else value for name, value in state.items()}
    network.load_state_dict(state)
    return network.eval(), state


def _numbered(state: State, pooled: bool) -> State:
    """As Mix-BT stores it: a sequence of the children, with a max-pool before the stages or without."""
    tops = {"conv1": 0, "bn1": 1} | {f"layer{stage}": 2 + stage + pooled for stage in range(1, 5)}
    return {f"f.{tops[name.partition('.')[0]]}.{name.partition('.')[2]}": value for name, value in state.items()}


LAYOUTS = {
    "torchvision": lambda state: state,
    "wrapped": lambda state: {f"module.encoder.{name}": value for name, value in state.items()},
    "stem": lambda state: {(f"stem.{name}" if name[0] in "cb" else name): value for name, value in state.items()},
    "numbered": lambda state: _numbered(state, False),
    "numbered with a pool": lambda state: _numbered(state, True),
}


@pytest.mark.parametrize("layout", LAYOUTS)
def test_a_checkpoint_of_any_of_its_programs_opens(layout: str, here: Places):
    network, state = _network()
    stored = LAYOUTS[layout](state) | {"fc.weight": torch.zeros(3, 512), "g.0.weight": torch.zeros(2, 2)}
    here.weights[-1].mkdir(parents=True)
    torch.save({"state_dict": stored}, here.weights[-1] / f"{NAME}.pt")
    row = find_row(NAME)
    assert status(row, here) == "ready"
    backbone, images = open_backbone(NAME, here), torch.rand(2, 3, 32, 32, generator=generator("cpu", 0))
    with torch.no_grad():
        wanted = network((images - torch.tensor(row.mean).view(3, 1, 1)) / torch.tensor(row.std).view(3, 1, 1))
        torch.testing.assert_close(backbone(images), wanted, rtol=1e-3, atol=1e-4)


def test_the_stem_of_barlow_twins_pads_by_two():
    twins, simclr = (BUILDERS["small_resnet"](find_row(name), None) for name in (NAME, "simclr_resnet18_cifar10"))
    images = torch.zeros(1, 3, 32, 32)
    assert twins.conv1(images).shape[-1] == 34 and simclr.conv1(images).shape[-1] == 32


def test_weights_that_no_program_can_fetch_say_what_to_do(here: Places, small_run: RunConfig):
    assert status(find_row(NAME), here) == "manual"
    for ask in (lambda: open_backbone(NAME, here), lambda: start(change(small_run, {"backbone": NAME}), here)):
        with pytest.raises(Unavailable, match=rf"take {NAME}.pt from https://.*save it as .*{NAME}.pt"):
            ask()
    assert not list(Path(here.cache).glob("runs/*"))


def test_targets_are_the_backbones_features_raw_or_of_unit_length(here: Places, small_run: RunConfig):
    run, name = start(small_run, here), small_run.backbone
    with Recorder(run, small_run.record, steps=1) as recorder:
        bench = Workbench(small_run, here, recorder)
        configs = [change(small_run, {"pretrain": {"teacher": name, "scale": scale}}) for scale in ("raw", "unit")]
        raw, unit = (open_teacher(bench, config) for config in configs)
        assert open_teacher(bench, configs[0]) is raw and unit.facts != raw.facts
        rows = torch.tensor([3, 0])
        features = bench.clean_bank(bench.train, bench.backbone(name)).features[:, 0].float()
        assert len(raw) == len(unit) == len(features) == 30 and raw.size == features.shape[1]
        assert torch.equal(raw.of_rows(rows), features[rows])
        every = unit.of_rows(torch.arange(30))
        assert every.mean(dim=0).abs().max() < 1e-5 and every.square().mean().item() == pytest.approx(1, abs=1e-5)
        images = bench.pictures(bench.train, rows, 224)
        torch.testing.assert_close(unit.of_images(images), every[rows], atol=0.05, rtol=0.05)
