"""The closed form of the head's gradient, against autograd; the zero-head form; the distance."""

import pytest
import torch
from torch.nn.functional import cross_entropy

from lgm_core.base.interfaces import generator
from lgm_core.datasets.spread import class_weights
from lgm_core.methods.lgm.gradients import LinearHead, cosine_distance, head_gradient, zero_head_gradient

N, C, D = 23, 5, 7


def _case() -> tuple[torch.Tensor, torch.Tensor, LinearHead]:
    torch.manual_seed(3)
    labels = torch.cat([torch.arange(C), torch.randint(C, (N - C,))])
    head = LinearHead.draw(classes=C, features=D, std=0.7, random=generator("cpu", 1))
    return torch.randn(N, D), labels, head


def _by_autograd(features: torch.Tensor, labels: torch.Tensor, head: LinearHead) -> torch.Tensor:
    weight, bias = head.weight.clone().requires_grad_(), torch.zeros(C, requires_grad=True)
    loss = cross_entropy(features @ weight.T + bias, labels)
    by_weight, by_bias = torch.autograd.grad(loss, (weight, bias), create_graph=True)
    return torch.cat((by_weight, by_bias[:, None]), dim=1)


def test_closed_form_equals_autograd():
    features, labels, head = _case()
    torch.testing.assert_close(head_gradient(features, labels, head), _by_autograd(features, labels, head))


def test_derivative_with_respect_to_features_equals_autograd_of_autograd():
    features, labels, head = _case()
    target = torch.randn(C, D + 1)
    ours, literal = features.clone().requires_grad_(), features.clone().requires_grad_()
    cosine_distance(head_gradient(ours, labels, head), target).backward()
    cosine_distance(_by_autograd(literal, labels, head), target).backward()
    assert ours.grad.norm() > 0.01
    torch.testing.assert_close(ours.grad, literal.grad)


def test_zero_head_needs_class_means_only():
    features, labels, _ = _case()
    means = torch.stack([features[labels == c].mean(dim=0) for c in range(C)])
    prior = torch.bincount(labels, minlength=C) / N
    head = LinearHead(torch.zeros(C, D))
    torch.testing.assert_close(zero_head_gradient(means, prior), head_gradient(features, labels, head))


@pytest.mark.slow
def test_small_heads_have_the_zero_head_gradient_on_average():
    features, labels, _ = _case()
    draws = [
        head_gradient(features, labels, LinearHead.draw(classes=C, features=D, std=0.05, random=generator("cpu", k)))
        for k in range(300)
    ]
    zero = head_gradient(features, labels, LinearHead(torch.zeros(C, D)))
    assert cosine_distance(torch.stack(draws).mean(dim=0), zero) < 1e-4
    assert cosine_distance(draws[0], zero) > 1e-4


def test_row_weights_balance_the_classes():
    features, labels, head = _case()
    weights = class_weights(labels, C)
    per_class = [head_gradient(features[labels == c], labels[labels == c], head) for c in range(C)]
    torch.testing.assert_close(head_gradient(features, labels, head, weights), torch.stack(per_class).mean(dim=0))


def test_parts_of_the_rows_add_up():
    features, labels, head = _case()
    weights = torch.full((N,), 1 / N)
    parts = [head_gradient(features[s], labels[s], head, weights[s]) for s in (slice(0, 9), slice(9, N))]
    torch.testing.assert_close(parts[0] + parts[1], head_gradient(features, labels, head))


def test_cosine_distance_of_equal_opposite_and_zero():
    gradient = torch.randn(C, D + 1)
    assert cosine_distance(gradient, 3 * gradient).abs() < 1e-6
    torch.testing.assert_close(cosine_distance(gradient, -gradient), torch.tensor(2.0))
    assert torch.isfinite(cosine_distance(gradient, torch.zeros_like(gradient)))
