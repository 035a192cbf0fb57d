"""What goes on from before: images with other settings (a fork, a run that failed), and the precision of a run."""

import pytest
import torch

from lgm_core.backbones.augment import Augment
from lgm_core.backbones.features import Bank
from lgm_core.base.files import read_json, write_json
from lgm_core.base.interfaces import generator
from lgm_core.base.places import Places
from lgm_core.base.settings import AugmentConfig
from lgm_core.config import RunConfig
from lgm_core.engine import start
from lgm_core.methods.lgm.config import LGMConfig, SyntheticConfig
from lgm_core.methods.lgm.objectives.gradient import GradientMatching
from lgm_core.methods.lgm.pixels import PixelSet
from lgm_core.methods.lgm.source import Source
from lgm_core.methods.lgm.step import LinearGradientMatching
from lgm_core.methods.lgm.targets import MeanTarget
from lgm_core.presets import change
from lgm_core.runs.recorder import Recorder
from lgm_core.workbench import Workbench

C, WIDTH, CPU = 4, 12, torch.device("cpu")


def _distiller(toy, compute, steps: int, **settings: object) -> LinearGradientMatching:
    lgm = LGMConfig(**{"views": 2, "learning_rate": 0.05, **settings})
    bank = Bank(torch.randn(20, 1, WIDTH, generator=generator("cpu", 1)), torch.arange(C).repeat(5), C)
    target = MeanTarget(bank, balanced=True, device=CPU)
    objective = GradientMatching(target, config=lgm, rows=C, width=WIDTH, steps=steps, seed=0, device=CPU)
    augment = Augment(AugmentConfig(), side=16, seed=0, device="cpu")
    source = Source(toy, augment=augment, objective=objective, compute=compute, views=2, seed=0)
    pixels = PixelSet(SyntheticConfig(resolution=18), classes=C, images_per_class=1, random=generator("cpu", 3))
    return LinearGradientMatching(lgm, steps=steps, synthetic=pixels, sources=[source], keep_moments=True)


def _taken_up(toy, compute, *, average: float, steps: int) -> tuple[LinearGradientMatching, list[torch.Tensor]]:
    """A fork, with other settings, of a run of ten steps that averaged its last five; its images step by step."""
    source = _distiller(toy, compute, 10, average=0.5)
    for step in range(10):
        source.step(step)
    fork, seen = _distiller(toy, compute, steps, average=average), []
    fork.restore(source.state())
    for step in range(10, steps):
        fork.step(step)
        seen.append(fork.synthetic.images().detach().clone())
    return fork, seen


def test_a_fork_without_an_average_ends_with_what_it_has_learned(toy, compute):
    fork, seen = _taken_up(toy, compute, average=0.0, steps=14)
    assert torch.equal(fork.export().images, seen[-1]) and "average" not in fork.state()


@pytest.mark.parametrize(("average", "counted"), [(0.25, 4), (0.5, 6)])
def test_a_fork_averages_its_own_last_images(toy, compute, average: float, counted: int):
    """Sixteen steps in all: the last four, or, of the last eight, the six that are its own."""
    fork, seen = _taken_up(toy, compute, average=average, steps=16)
    assert fork.state()["averaged"].item() == counted
    torch.testing.assert_close(fork.export().images, torch.stack(seen[-counted:]).mean(0))


@pytest.mark.parametrize(("asked", "used"), [(0, 4), (2, 2), (8, 4)])
def test_a_smaller_chunk_than_the_checkpoints_is_used(toy, compute, asked: int, used: int):
    before, after = (_distiller(toy, compute, 10, chunk=chunk) for chunk in (4, asked))
    before.sources[0].chunk = 4
    after.restore(before.state())
    assert [source.chunk for source in after.sources] == [used]


def test_a_run_goes_on_in_the_precision_it_began_with(small_run: RunConfig, here: Places):
    """Though another one is the faster where it goes on, such as on another node, or was measured anew."""
    run, used = start(change(small_run, {"device": {"precision": "auto"}}), here), []
    for _ in range(2):
        with Recorder(run, small_run.record, steps=1) as recorder:
            bench = Workbench(run.config(), here, recorder)
            used.append(bench.compute.precision_of(bench.backbone(small_run.backbone)))
        for measured in here.estimates.glob("precision-*.json"):
            other = {"float32": "bfloat16", "bfloat16": "float32"}[used[0]]
            write_json(measured, read_json(measured) | {"precision": other})
    assert used[1] == used[0] == run.weights()[small_run.backbone]["precision"]
