"""Linear Gradient Matching: against the paper's literal step, chunks against one pass, targets against each other."""

from unittest.mock import patch

import numpy as np
import pytest
import torch
from jaxtyping import Float, Int
from torch import Tensor

from lgm_core.backbones.augment import Augment, Choices
from lgm_core.backbones.features import Bank
from lgm_core.base.device import Compute
from lgm_core.base.errors import ConfigError
from lgm_core.base.interfaces import Backbone, SyntheticSet, generator
from lgm_core.base.settings import AugmentConfig
from lgm_core.config import validate
from lgm_core.datasets.image_set import ArrayImages
from lgm_core.methods.lgm.config import LGMConfig, PyramidConfig, SyntheticConfig
from lgm_core.methods.lgm.gradients import LinearHead, head_gradient
from lgm_core.methods.lgm.literal_step import _gradient
from lgm_core.methods.lgm.objectives.gradient import GradientMatching
from lgm_core.methods.lgm.pyramid import PyramidSet
from lgm_core.methods.lgm.source import Source
from lgm_core.methods.lgm.step import LinearGradientMatching
from lgm_core.methods.lgm.targets import BankTarget, BatchTarget, MeanTarget, RealTarget
from lgm_core.presets import preset

C = 4


def literal_loss(
    real_features: Float[Tensor, "n d"],
    real_labels: Int[Tensor, "n"],
    backbone: Backbone,
    synthetic: SyntheticSet,
    augment: Augment,
    choices: Choices,
    head: LinearHead,
    compute: Compute,
) -> Float[Tensor, ""]:
    """1 - cos of the two head gradients, each by autograd: what the closed form must equal."""
    weight = head.weight.to(compute.device).clone().requires_grad_()
    bias = torch.zeros(len(weight), device=compute.device, requires_grad=True)
    real = _gradient(real_features, real_labels, weight, bias, graph=False).detach()
    features = compute.features(backbone, augment(synthetic.images(), choices))
    ours = _gradient(features, synthetic.labels[choices.image], weight, bias, graph=True)
    return 1 - torch.cosine_similarity(real, ours, dim=0)


class HeadTarget(RealTarget):
    """The gradient of fixed real features at whatever head the step has drawn; remembers the head."""

    zero_head = False

    def __init__(self, features: torch.Tensor, labels: torch.Tensor) -> None:
        self.features, self.labels = features, labels

    def gradient(self, head: LinearHead, step: int) -> torch.Tensor:
        self.head = head
        return head_gradient(self.features, self.labels, head)


def _distiller(toy, compute, target: RealTarget, *, keep_moments: bool = True, grow_every: int = 100, **config: object):
    pyramid = PyramidConfig(start=16, rescale=True, cascade=False)
    synthetic = PyramidSet(
        SyntheticConfig(resolution=18), pyramid, grow_every=grow_every, classes=C, images_per_class=1
    )
    lgm, chunk = (
        LGMConfig(**{"views": 3, "learning_rate": 2e-3, "objective": "cosine", **config}),
        config.get("chunk", 0),
    )
    objective = GradientMatching(target, config=lgm, rows=C, width=12, steps=50, seed=7, device=torch.device("cpu"))
    augment = Augment(AugmentConfig(), side=16, seed=0, device="cpu")
    source = Source(toy, augment=augment, objective=objective, compute=compute, views=3, seed=7, chunk=chunk)
    return LinearGradientMatching(lgm, steps=50, synthetic=synthetic, sources=[source], keep_moments=keep_moments)


@pytest.fixture
def real() -> tuple[torch.Tensor, torch.Tensor]:
    torch.manual_seed(0)
    return torch.randn(20, 12), torch.arange(C).repeat(5)


def _gradients(distiller: LinearGradientMatching) -> list[torch.Tensor]:
    return [level.grad.clone() for level in distiller.synthetic.levels]


def test_the_step_has_the_loss_and_gradient_of_the_papers_literal_step(toy, compute, real):
    target = HeadTarget(*real)
    ours = _distiller(toy, compute, target, head_std=0.3)
    literal = _distiller(toy, compute, target).synthetic
    result = ours.step(0)
    choices = ours.sources[0].augment.draw(C, views=3, random=generator("cpu", 7, 0, 0x76696577))
    unfrozen = toy.requires_grad_(True)
    loss = literal_loss(*real, unfrozen, literal, ours.sources[0].augment, choices, target.head, compute)
    loss.backward()
    assert result.loss == pytest.approx(loss.item(), rel=1e-5)
    for mine, theirs in zip(_gradients(ours), literal.levels, strict=True):
        assert theirs.grad.norm() > 0
        torch.testing.assert_close(mine, theirs.grad, rtol=2e-4, atol=1e-7)


@pytest.mark.parametrize("chunk", [1, 2])
def test_chunks_give_the_same_gradient(chunk, toy, compute, real):
    whole = _distiller(toy, compute, HeadTarget(*real))
    parts = _distiller(toy, compute, HeadTarget(*real), chunk=chunk)
    assert whole.step(0).loss == pytest.approx(parts.step(0).loss, rel=1e-6)
    for one, other in zip(_gradients(whole), _gradients(parts), strict=True):
        torch.testing.assert_close(one, other, rtol=1e-4, atol=1e-8)


def test_the_backbone_stays_frozen_and_the_loss_falls(toy, compute, real):
    distiller = _distiller(toy, compute, HeadTarget(*real), learning_rate=0.05)
    losses = [distiller.step(step).loss for step in range(40)]
    assert all(p.grad is None for p in toy.parameters())
    assert sum(losses[-5:]) < 0.8 * sum(losses[:5])


@pytest.mark.parametrize("keep", [True, False])
def test_moments_are_kept_or_dropped_as_a_level_comes(keep, toy, compute, real):
    distiller = _distiller(toy, compute, HeadTarget(*real), keep_moments=keep, grow_every=4)
    for step in range(5):
        distiller.step(step)
    state = distiller.state()
    steps = [int(state[f"adam.{i}.step"]) for i in range(len(distiller.synthetic.sides))]
    assert distiller.synthetic.sides[-1] == 18
    assert steps == ([5] * 5 + [1] if keep else [1] * 6)


def test_restored_distiller_goes_on_with_the_same_bits(toy, compute, real):
    whole = _distiller(toy, compute, HeadTarget(*real), grow_every=4)
    for step in range(9):
        whole.step(step)
    first = _distiller(toy, compute, HeadTarget(*real), grow_every=4)
    for step in range(4):
        first.step(step)
    saved = {name: tensor.clone() for name, tensor in first.state().items()}
    second = _distiller(toy, compute, HeadTarget(*real), grow_every=4)
    second.restore(saved)
    for step in range(4, 9):
        second.step(step)
    for name, tensor in whole.state().items():
        assert torch.equal(tensor, second.state()[name]), name


def test_cosine_schedule_ends_near_zero(toy, compute, real):
    distiller = _distiller(toy, compute, HeadTarget(*real), schedule="cosine")
    assert distiller.step(0).scalars["learning_rate"] == pytest.approx(2e-3)
    assert distiller.step(49).scalars["learning_rate"] < 1e-5


def _bank(real: tuple[torch.Tensor, torch.Tensor]) -> Bank:
    return Bank(real[0][:, None], real[1], C)


def test_bank_and_mean_targets_agree_at_a_head_of_zeros(real):
    cpu, head = torch.device("cpu"), LinearHead(torch.zeros(C, 12))
    labels = torch.cat([real[1][:-3], torch.zeros(3, dtype=torch.long)])  # not balanced
    for balanced in (True, False):
        bank = _bank((real[0], labels))
        whole = BankTarget(bank, balanced=balanced, rows=100, seed=0, device=cpu).gradient(head, 0)
        mean = MeanTarget(bank, balanced=balanced, device=cpu).gradient(head, 0)
        torch.testing.assert_close(whole, mean, atol=1e-6, rtol=1e-4)


def test_bank_target_draws_rows_anew_where_the_bank_is_large(real):
    cpu, head = torch.device("cpu"), LinearHead(torch.zeros(C, 12))
    target = BankTarget(_bank(real), balanced=True, rows=16, seed=0, device=cpu)
    whole = BankTarget(_bank(real), balanced=True, rows=100, seed=0, device=cpu).gradient(head, 0)
    draws = [target.gradient(head, step) for step in range(400)]
    assert not torch.equal(draws[0], draws[1]) and torch.equal(draws[0], target.gradient(head, 0))
    torch.testing.assert_close(torch.stack(draws).mean(dim=0), whole, atol=0.02, rtol=0)


@pytest.mark.parametrize("rows", [100, 16])
def test_a_trained_head_is_what_autograd_and_adam_come_to(real, rows):
    target = BankTarget(_bank(real), balanced=True, rows=rows, seed=0, device=torch.device("cpu"))
    head = LinearHead(torch.randn(C, 12, generator=torch.Generator().manual_seed(1)))
    features, labels, weights = target._chosen(3)
    weight = head.weight.clone().requires_grad_()
    adam = torch.optim.Adam([weight], lr=0.02)
    for _ in range(7):
        adam.zero_grad()
        (weights * torch.nn.functional.cross_entropy(features @ weight.T, labels, reduction="none")).sum().backward()
        adam.step()
    found = target.trained(head, 3, steps=7, rate=0.02).weight
    torch.testing.assert_close(found, weight.detach(), atol=1e-5, rtol=1e-4)
    assert not torch.equal(found, head.weight) and target.trained(head, 3, steps=0, rate=0.02) is head


def test_heads_of_a_trajectory_are_of_any_of_its_steps_and_are_asked_for_by_name(real):
    target = BankTarget(_bank(real), balanced=True, rows=100, seed=0, device=torch.device("cpu"))
    asked = LGMConfig(target="bank", head_steps=3)
    objective = GradientMatching(target, config=asked, rows=C, width=12, steps=50, seed=0, device=torch.device("cpu"))
    with patch.object(target, "trained", wraps=target.trained) as trained:
        heads = [objective._head(step).weight for step in range(40)]
    assert {call.kwargs["steps"] for call in trained.call_args_list} == {0, 1, 2, 3}
    assert torch.equal(heads[5], objective._head(5).weight)
    with pytest.raises(ConfigError, match="lgm.target mean has not; add --lgm.target bank"):
        validate(preset("preview", lgm={"head_steps": 3}))


def _pictures(pixels: np.ndarray, labels: list[int]) -> ArrayImages:
    return ArrayImages(name="toy/train", shards=[pixels], labels=labels, classes=("a", "b"))


def test_batch_target_sees_every_image_once_per_epoch(toy, compute):
    pixels = np.random.default_rng(0).integers(0, 255, (10, 20, 20, 3), dtype=np.uint8)
    images = _pictures(pixels, [0] * 5 + [1] * 5)
    augment = Augment(AugmentConfig(), side=16, seed=0, device="cpu")
    target = BatchTarget(images, toy, augment, compute, batch=5, resize=18, balanced=False, seed=0)
    assert sorted(target._indices(0) + target._indices(1)) == list(range(10))
    assert target._indices(0) != target._indices(2)
    head = LinearHead(torch.zeros(2, 12))
    assert torch.equal(target.gradient(head, 3), target.gradient(head, 3))
    assert not torch.equal(target.gradient(head, 3), target.gradient(head, 4))


def test_batch_target_takes_what_there_is_where_the_set_is_smaller_than_the_batch(toy, compute):
    pixels = np.zeros((3, 20, 20, 3), dtype=np.uint8)
    images = _pictures(pixels, [0, 1, 0])
    augment = Augment(AugmentConfig(), side=16, seed=0, device="cpu")
    target = BatchTarget(images, toy, augment, compute, batch=100, resize=18, balanced=False, seed=0)
    assert torch.isfinite(target.gradient(LinearHead(torch.zeros(2, 12)), 0)).all()
