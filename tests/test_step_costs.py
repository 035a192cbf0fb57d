"""Which past steps tell what a step of Linear Gradient Matching will cost, and how its views are counted."""

import pytest

from lgm_core.base.costs import DataSize, Measured, Room
from lgm_core.methods.catalog import own_settings
from lgm_core.methods.lgm.estimate import cost_of, from_measured, measured_by
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
    if "target" not in lgm:  # what is measured has no real side
        assert measured_by(*both(**lgm)) != measured_by(*both())


def test_what_costs_nothing_is_told_by_all():
    assert cost_of(*both(average=0.5, learning_rate=0.1, views=7)) == cost_of(*both())
    one = "mobilenet_v2"
    assert cost_of(*both(one, joint="all")) == cost_of(*both(one))


@pytest.mark.parametrize("lgm", [{}, {"joint": "all"}, {"flat_radius": 0.1}], ids=lambda lgm: str(lgm))
def test_measured_steps_are_whole_ones(lgm: dict):
    """30 views in each backbone were measured at 3 s, all passes of the step with them."""
    cost = from_measured(*both(**lgm), MEASURED, ROOM)
    assert cost.seconds_per_step == pytest.approx(3.0)
