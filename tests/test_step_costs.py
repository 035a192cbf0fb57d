"""Which past steps tell what a step of Linear Gradient Matching will cost, and how its views are counted."""

from dataclasses import replace

import pytest

from lgm_core.base.costs import DECODE_SECONDS, DataSize, Measured, Room
from lgm_core.methods.catalog import own_settings
from lgm_core.methods.lgm.estimate import cost_of, from_measured, measured_by
from lgm_core.methods.lgm.measure import measure
from lgm_core.methods.lgm.targets import BankTarget
from lgm_core.presets import preset

DATA = DataSize(classes=10, train=100, test=20, grey=False)
ROOM = Room(kind="cpu", free=0)
MEASURED = Measured(views=(10, 30), seconds=(1.0, 3.0), bytes=(10**6, 3 * 10**6), forward_seconds=0.01, device="cpu")


def both(backbone: str = "mobilenet_v2+resnet18", **lgm: object):
    config = preset("standard", backbone=backbone, lgm={"views": 3, **lgm})
    return own_settings(config), config, DATA


@pytest.mark.parametrize(
    "lgm",
    [{"joint": "all"}, {"source_weights": [1, 3]}, {"flat_radius": 0.1}, {"objective": "ridge"}, {"target": "bank"}],
    ids=lambda lgm: str(lgm),
)
def test_steps_that_cost_otherwise_tell_nothing(lgm: dict):
    assert cost_of(*both(**lgm)) != cost_of(*both())
    assert measured_by(*both(**lgm)) != measured_by(*both())


def test_the_rows_and_trained_heads_of_a_bank_are_part_of_a_step(toy, compute):
    """A step reads 100 images x 5 views, at most `bank_rows` of them; seeking flat minima, twice."""
    found, plain = replace(MEASURED, row_seconds=0.001), both("mobilenet_v2", target="bank")
    views = from_measured(*both("mobilenet_v2"), found, ROOM).seconds_per_step
    rows = min(100 * plain[1].bank.views, 65536)
    assert from_measured(*plain, found, ROOM).seconds_per_step == pytest.approx(views + rows * 0.001)
    few = both("mobilenet_v2", target="bank", bank_rows=16, flat_radius=0.1)
    assert from_measured(*few, found, ROOM).seconds_per_step == pytest.approx(views + 2 * 16 * 0.001)
    assert measured_by(*both(target="bank", head_steps=30)) != measured_by(*both(target="bank"))


def test_heads_are_trained_while_a_bank_is_measured(toy, compute, monkeypatch):
    steps, whole = [], BankTarget.trained
    monkeypatch.setattr(BankTarget, "trained", lambda self, head, step, **its: steps.append(its["steps"]) or whole(
        self, head, step, **its))  # fmt: skip
    for target, head_steps in (("mean", 0), ("bank", 7)):
        lgm = {"target": target, "head_steps": head_steps, "bank_rows": 32}
        config = preset("standard", lgm=lgm, synthetic={"resolution": 16})
        found = measure(own_settings(config), config, 10, compute=compute, network=lambda name: toy, tick=lambda: None)
        assert (found["row_seconds"] > 0) == (target == "bank")
    assert steps == [4] * 4


def test_a_sharpened_gradient_needs_no_more_noise_to_be_measured(toy, compute):
    config = preset("standard", lgm={"real_power": 0.5}, synthetic={"resolution": 16})
    found = measure(own_settings(config), config, 10, compute=compute, network=lambda name: toy, tick=lambda: None)
    assert min(found["seconds"]) > 0


def test_each_view_of_a_batch_is_seen_in_one_network():
    """The forward pass that was measured is that of both: 0.01 s."""
    for lgm, images in (({}, 30), ({"joint": "all"}, 60)):
        batch = from_measured(*both(target="batch", **lgm), MEASURED, ROOM).seconds_per_step
        mean = from_measured(*both(**lgm), MEASURED, ROOM).seconds_per_step
        assert batch - mean == pytest.approx(images * (0.005 + DECODE_SECONDS))


def test_jitter_costs_and_how_much_of_it_does_not():
    plain, little, much = (preset("standard", augment={"colour_jitter": by}) for by in (0, 0.1, 0.4))
    for cost in (cost_of, measured_by):
        at = [cost(own_settings(config), config, DATA) for config in (plain, little, much)]
        assert at[0] != at[1] == at[2]


def test_what_costs_nothing_is_told_by_all():
    assert cost_of(*both(average=0.5, learning_rate=0.1, views=7)) == cost_of(*both())
    one = "mobilenet_v2"
    assert cost_of(*both(one, joint="all")) == cost_of(*both(one))


@pytest.mark.parametrize("lgm", [{}, {"joint": "all"}, {"flat_radius": 0.1}], ids=lambda lgm: str(lgm))
def test_measured_steps_are_whole_ones(lgm: dict):
    """30 views in each backbone were measured at 3 s, all passes of the step with them."""
    cost = from_measured(*both(**lgm), MEASURED, ROOM)
    assert cost.seconds_per_step == pytest.approx(3.0)
