"""RCIG's parts: optimisers, learning rates, pool, learned set, clip; and a few steps of the whole."""

import math
from dataclasses import replace

import pytest
import torch

from lgm_core.backbones.students.networks import StudentShape, build_student
from lgm_core.backbones.students.training import centred_targets
from lgm_core.base.errors import UserError
from lgm_core.base.interfaces import generator
from lgm_core.datasets.transforms.fit import fit
from lgm_core.datasets.whitened import WhitenedSplit
from lgm_core.methods.rcig.config import RCIGConfig
from lgm_core.methods.rcig.labelled import LabelledSet
from lgm_core.methods.rcig.pool import Pool
from lgm_core.methods.rcig.rate_search import is_falling
from lgm_core.methods.rcig.step import RCIG, clipped, number_type
from lgm_core.methods.rcig.traces import label_rows
from tests.one_thread import one_thread  # noqa: F401 (a fixture)

C, SIDE = 4, 8
CONFIG = RCIGConfig(
    batch=24, pool=3, pool_life=8, pool_steps=4, inner_steps=4, solve_steps=4,
    inner_rate=1e-3, solve_rate=1.0,
)  # fmt: skip


def _learned(
    flip: bool = True, per_class: int = 1, decay: float = 0.99, dtype: torch.dtype = torch.float32
) -> LabelledSet:
    labels = torch.arange(C).repeat_interleave(per_class)
    pixels = torch.randn(len(labels), 1, SIDE, SIDE, generator=generator("cpu", 1)).to(dtype)
    targets = centred_targets(labels, C).to(pixels)
    return LabelledSet(pixels, targets, labels, decode=lambda x: x, flip=flip, learn_labels=True, decay=decay)


def _real() -> WhitenedSplit:
    """Four kinds of noisy pictures."""
    labels = torch.arange(60) % C
    kinds = torch.randint(0, 200, (C, 1, SIDE, SIDE), generator=generator("cpu", 2))
    noise = torch.randint(0, 55, (60, 1, SIDE, SIDE), generator=generator("cpu", 3))
    pixels = (kinds[labels] + noise).byte()
    return WhitenedSplit(pixels, labels, fit("standardise", lambda: iter([pixels])), torch.device("cpu"))


def _pool(config: RCIGConfig = CONFIG, norm: str = "none", width: int = 3) -> Pool:
    shape = StudentShape(norm=norm, side=SIDE, channels=1, classes=C, width=width, softplus=config.softplus)
    student = build_student(shape, random=generator("cpu", 0)).to(number_type(config))
    return Pool(student, size=config.pool, life=config.pool_life,
                most_steps=config.pool_steps, rate=config.pool_rate, seed=0, rows=config.pool_rows)  # fmt: skip


def _rcig(per_class: int = 1, norm: str = "none", flip: bool = True, width: int = 3, **changes: object) -> RCIG:
    config = replace(CONFIG, **changes)  # type: ignore[arg-type]
    learned = _learned(flip, per_class, dtype=number_type(config))
    learned.learn_labels = config.learn_labels
    return RCIG(config, synthetic=learned, real=_real(), pool=_pool(config, norm, width), seed=0)


def test_the_implicit_gradient_is_never_longer_than_the_direct_one():
    direct = torch.tensor([3.0, 4.0])
    torch.testing.assert_close(clipped(torch.tensor([0.0, 50.0]), direct), torch.tensor([0.0, 5.0]))
    torch.testing.assert_close(clipped(torch.tensor([0.0, 0.5]), direct), torch.tensor([0.0, 0.5]))
    assert clipped(torch.zeros(2), direct).tolist() == [0, 0] and clipped(torch.tensor(0.0), direct) == 0
    assert clipped(torch.tensor([math.nan, 1.0]), direct).tolist() == [0, 0]


def test_the_published_mean_is_corrected_for_its_start():
    learned = _learned(decay=0.9)
    assert torch.equal(learned.published().pixels, learned.pixels)
    before = learned.pixels.detach().clone()
    learned.update_mean()
    torch.testing.assert_close(learned.published().pixels, before)
    learned.pixels.data += 1
    learned.update_mean()
    torch.testing.assert_close(learned.published().pixels, before + (0.1 * 1) / (1 - 0.9**2), rtol=1e-4, atol=1e-5)
    learned.log_temperature.data.fill_(2.0)
    learned.update_mean()
    assert learned.published().log_temperature.item() == pytest.approx(0.1 * 2 / (1 - 0.9**3), rel=1e-5)


def test_the_penalty_counts_images_before_flips():
    penalties = {}
    for flip in (True, False):
        rcig = _rcig(flip=flip, per_class=2)
        problem = rcig._problem(rcig._pool.fresh())
        penalties[flip] = problem._setting.penalty
        assert len(problem._setting.images) == (16 if flip else 8)
    assert penalties == {True: pytest.approx(5e-4 * 8), False: pytest.approx(5e-4 * 8)}


def test_the_pool_trains_what_was_chosen_and_replaces_what_is_old():
    pool, learned = _pool(), _learned()
    with torch.no_grad():
        images, targets = learned.materialise()
    fresh = pool.frozen(1)
    counts = [pool.train(1, images, targets, step) for step in range(8)]
    assert set(counts) == {1, 2, 3, 4}
    trained = pool.frozen(1)
    assert not torch.equal(fresh.parameters, trained.parameters)
    other = _pool()
    other.restore({name: tensor.clone() for name, tensor in pool.state().items()})
    assert torch.equal(other.frozen(1).parameters, trained.parameters)
    assert other.train(1, images, targets, 9) == pool.train(1, images, targets, 9)
    assert torch.equal(other.frozen(1).parameters, pool.frozen(1).parameters)
    assert "2.parameters" not in pool.state() and pool.state()["generations"].tolist() == [0, 3, 0]
    assert torch.equal(other.frozen(2).parameters, pool.frozen(2).parameters)  # never chosen, never stored
    assert not torch.equal(pool.fresh().parameters, fresh.parameters)
    other.restore({"generations": torch.tensor([0, 1, 0])})
    assert not torch.equal(other.frozen(1).parameters, fresh.parameters)  # what comes after it is another network


def test_training_in_the_pool_lowers_its_loss_by_plain_adam():
    config = replace(CONFIG, pool_steps=1, pool_rate=1e-3)
    pool, learned = _pool(config, norm="batch"), _learned()
    with torch.no_grad():
        images, targets = learned.materialise()
    before = pool.frozen(0)
    pool.train(0, images, targets, 0)
    after = pool.frozen(0)
    moved = after.parameters - before.parameters
    assert moved.abs().max().item() == pytest.approx(1e-3, rel=1e-3)  # the first step of Adam
    changed = {name for name in after.buffers if not torch.equal(after.buffers[name], before.buffers[name])}
    assert changed == {"body.1.running_mean", "body.1.running_var", "body.1.num_batches_tracked",
                       "body.5.running_mean", "body.5.running_var", "body.5.num_batches_tracked"}  # fmt: skip


@pytest.mark.parametrize(
    "changes",
    [
        {}, {"implicit": False}, {"implicit": False, "inner_steps": 0}, {"flip": False}, {"margin": False},
        {"learn_labels": False}, {"linearise": False}, {"analytic_head": False}, {"norm": "batch"}, {"float64": True},
        {"per_class": 3, "repeats": 2, "direct_rows": 5, "direct_real_rows": 7, "implicit_rows": 5, "solve_rows": 6,
         "inner_rows": 6, "pool_rows": 5, "forward_chunk": 8},
    ],
    ids=lambda changes: "+".join(changes) or "method",
)  # fmt: skip
def test_every_switch_learns_and_is_its_own(changes: dict):
    rcig, plain = _rcig(**changes), _rcig()
    first = {name: leaf.detach().clone() for name, leaf in rcig.synthetic.leaves().items()}
    results = [rcig.step(step) for step in range(3)]
    assert all(math.isfinite(result.loss) for result in results)
    moved = {name: (leaf - first[name]).abs().max().item() for name, leaf in rcig.synthetic.leaves().items()}
    assert moved["pixels"] == pytest.approx(9e-3, rel=0.5)
    assert (moved["targets"] == 0) == (changes.get("learn_labels") is False)
    assert (moved["log_temperature"] == 0) == (changes.get("analytic_head") is False)
    for step in range(3):
        plain.step(step)
    if changes and "margin" not in changes:  # which one-hot labels have already
        assert not torch.equal(rcig.export().values[:C], plain.export().values)
    assert (results[-1].scalars["implicit_share"] == 0) == (changes.get("implicit") is False)


def test_a_distillation_learns():
    rcig = _rcig(image_rate=0.03, width=6, inner_rate=0.01, solve_rate=5.0)
    results = [rcig.step(step) for step in range(50)]
    assert results[-1].loss < 0.6 * results[0].loss
    assert results[-1].scalars["batch_top1"] > results[0].scalars["batch_top1"] + 0.3


def test_the_search_gives_rates_at_which_both_solves_fall():
    rcig = _rcig(inner_rate=0.0, solve_rate=0.0)
    told: list[str] = []
    rcig.search(lambda what, done, total: told.append(what))
    assert rcig.rates.inner > 1e-5 and rcig.rates.solve > 100 * rcig.rates.inner  # the curvature is tiny
    assert set(told) == {"searching the inner learning rate", "searching the inverse Hessian's learning rate"}
    problem = rcig._problem(rcig._pool.fresh())  # the one that was searched with
    at, losses = rcig._descend(problem, rcig.rates.inner, 0)
    residuals = rcig._solve(problem, rcig._outer(problem, at, 0).gradient, at, rcig.rates.solve, 0)[1]
    assert is_falling(losses) and is_falling(residuals) and residuals[0] == 0
    assert not is_falling(rcig._descend(problem, rcig.rates.inner / 0.84, 0)[1])


@pytest.mark.parametrize("float64", [False, True])
def test_a_restored_state_goes_on_to_the_same_bits(float64: bool):
    one = _rcig(norm="batch", float64=float64)
    for step in range(4):
        one.step(step)
    saved = {name: tensor.clone() for name, tensor in one.state().items()}
    other = _rcig(norm="batch", float64=float64)
    other.restore(saved)
    for step in range(47, 53):  # over the step at which the inner rate is looked at
        assert one.step(step) == other.step(step)
    ends = one.state(), other.state()
    assert ends[0].keys() == ends[1].keys()
    assert all(torch.equal(ends[0][name], ends[1][name]) for name in ends[0])


def test_images_that_are_no_numbers_end_in_a_sentence():
    rcig = _rcig()
    with torch.no_grad():
        rcig.synthetic.pixels[0, 0, 0, 0] = math.nan
    with pytest.raises(UserError, match="no longer finite. Lower rcig.image_rate"):
        rcig.step(0)


def test_float64_is_computed_throughout_and_published_as_float32():
    """The published values of both agree to the few digits that float32 has left after two solves and Adam."""
    wide, narrow = _rcig(float64=True), _rcig()
    for step in range(3):
        wide.step(step)
        narrow.step(step)
    floats = {name: tensor.dtype for name, tensor in wide.state().items() if tensor.is_floating_point()}
    assert {name for name, dtype in floats.items() if dtype != torch.float64} == set()
    for name in ("values", "targets", "log_temperature"):
        one, other = getattr(wide.export(), name), getattr(narrow.export(), name)
        assert one.dtype == other.dtype == torch.float32
        torch.testing.assert_close(one, other, atol=2e-4, rtol=1e-3)
    assert wide.synthetic.images().dtype == torch.float32


def test_a_restored_state_takes_up_what_a_fork_changes():
    one = _rcig()
    for step in range(3):
        one.step(step)
    one.rates.inner *= 0.9  # as the adaptation does
    saved = {name: tensor.clone() for name, tensor in one.state().items()}
    same, other = _rcig(), _rcig(inner_rate=0.5, solve_rate=2.0, ema=0.5)
    other.synthetic.decay = 0.5
    same.restore(saved)
    other.restore(saved)
    assert (same.rates.inner, same.rates.solve) == (one.rates.inner, one.rates.solve)
    assert (other.rates.inner, other.rates.solve) == (0.5, 2.0)
    other.step(3)
    std = [rcig.synthetic.published().pixels.std().item() for rcig in (one, other)]
    assert std[1] == pytest.approx(std[0], rel=0.05)  # a mean all the same: its weights are known


def test_every_real_image_is_seen_once_per_epoch():
    rcig = _rcig()
    seen = torch.cat([rcig._real_rows(step) for step in range(2)])
    assert len(seen.unique()) == 48 and not torch.equal(rcig._real_rows(0), rcig._real_rows(2))


def test_large_label_matrices_are_shown_class_by_class():
    labels = torch.arange(60).repeat_interleave(2)
    rows, kind = label_rows(centred_targets(labels, 60), labels)
    assert kind == "classes" and rows.shape == (50, 50)
    assert label_rows(centred_targets(torch.arange(4), 4), torch.arange(4))[1] == "images"
