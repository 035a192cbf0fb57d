"""What a set begins as: noise, random photographs, or those that the backbones of the run choose."""

import pytest
import torch

from lgm_core.config import RunConfig, validate
from lgm_core.datasets.baselines import choose_centroids, choose_random
from lgm_core.datasets.rivals import choose_greedy
from lgm_core.engine import start
from lgm_core.methods.catalog import own_settings
from lgm_core.methods.lgm.assembly import synthetic_set
from lgm_core.presets import change
from lgm_core.runs.recorder import Recorder
from lgm_core.workbench import Workbench


@pytest.mark.parametrize("initial", ["real", "centroids", "greedy"])
def test_a_set_begins_as_the_photographs_that_were_chosen(initial: str, small_run: RunConfig, here):
    config = validate(change(small_run, {"synthetic": {"initial": initial, "parameterisation": "pixels"}, "seed": 3}))
    run, known = start(config, here), {"classes": 10, "per_class": 1}
    with Recorder(run, config.record, steps=config.steps) as recorder:
        bench = Workbench(config, here, recorder)
        begun, labels = synthetic_set(own_settings(config), config, bench), torch.as_tensor(bench.train.labels)
        bank = bench.view_bank(bench.train, bench.backbone(config.backbone), config.augment, config.bank.views)
        features = bank.features.float().mean(dim=1)
        chosen = {
            "real": choose_random(labels, **known, seed=3),
            "centroids": choose_centroids(features, labels, **known),
            "greedy": choose_greedy([features], labels, **known, seed=3),
        }
        assert len({tuple(indices.tolist()) for indices in chosen.values()}) == 3  # so that the check tells them apart
        wanted = bench.pictures(bench.train, chosen[initial], config.synthetic.resolution).cpu()
    torch.testing.assert_close(begun.images().detach(), wanted, rtol=0, atol=1e-2)  # images keep a little from 0 and 1
