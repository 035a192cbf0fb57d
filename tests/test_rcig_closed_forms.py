"""RCIG's closed forms against literal autodiff and finite differences, in float64, on networks of a few weights."""

import subprocess
import sys

import pytest
import torch

from lgm_core.backbones.students.networks import StudentShape, build_student
from lgm_core.backbones.students.parameters import flatten, named
from lgm_core.backbones.students.training import centred_targets
from lgm_core.base.interfaces import generator
from lgm_core.methods.rcig.autograd_problem import Literal
from lgm_core.methods.rcig.convexified import Convexified
from lgm_core.methods.rcig.inner_problem import RealBatch, Setting, label_margin
from lgm_core.methods.rcig.labelled import LabelledSet
from lgm_core.methods.rcig.linearised import Frozen, Jacobian
from lgm_core.methods.rcig.tangents import is_chain
from tests.one_thread import one_thread  # noqa: F401 (a fixture)

C, M, B, SIDE = 3, 3, 7, 8


def _learned(*, flip: bool = True, learn_labels: bool = True) -> LabelledSet:
    random = generator("cpu", 3)
    labels = torch.arange(M) % C
    targets = centred_targets(labels, C).double() + 0.3 * torch.randn(M, C, generator=random, dtype=torch.float64)
    pixels = torch.randn(M, 1, SIDE, SIDE, generator=random, dtype=torch.float64)
    learned = LabelledSet(pixels, targets, labels, decode=lambda x: x, flip=flip, learn_labels=learn_labels, decay=0.9)
    learned.log_temperature.data.fill_(0.4)
    return learned


def _frozen(architecture: str = "conv", norm: str = "none", softplus: float = 3.0, side: int = SIDE) -> Frozen:
    shape = StudentShape(architecture=architecture, norm=norm, side=side, channels=1, classes=C, width=2, depth=2,
                         softplus=softplus)  # fmt: skip
    student = build_student(shape, random=generator("cpu", 5)).double()
    for buffer in student.buffers():
        if buffer.is_floating_point():
            buffer.add_(0.5)
    vector = flatten(student)
    vector = vector + 0.1 * torch.randn(vector.shape, generator=generator("cpu", 6), dtype=torch.float64)
    return Frozen(student, vector, dict(student.named_buffers()))


def _setting(learned: LabelledSet, *, margin: bool = True, penalty: float = 0.2) -> Setting:
    images, targets = learned.materialise()
    return Setting(images=images, targets=targets, learned=learned.leaves(), penalty=penalty, margin=margin)


def _real() -> RealBatch:
    random = generator("cpu", 11)
    images = torch.randn(B, 1, SIDE, SIDE, generator=random, dtype=torch.float64)
    return RealBatch(images=images, labels=torch.arange(B) % C)


def _vectors(frozen: Frozen) -> tuple[torch.Tensor, torch.Tensor]:
    random = generator("cpu", 13)
    return tuple(0.3 * torch.randn(frozen.size, generator=random, dtype=torch.float64) for _ in range(2))  # type: ignore


def _close(one: dict, other: dict) -> None:
    for name in other:
        torch.testing.assert_close(one[name], other[name], rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("norm", ["none", "batch"])
@pytest.mark.parametrize("flip", [True, False])
def test_closed_forms_are_literal_autodiff(flip: bool, norm: str):
    frozen, learned = _frozen(norm=norm), _learned(flip=flip)
    closed = Convexified(frozen, _setting(learned), chunk=3)
    literal = Literal(frozen, _setting(learned))
    at, vector = _vectors(frozen)
    loss, gradient = closed.loss_and_gradient(at)
    wanted_loss, wanted = literal.loss_and_gradient(at)
    assert loss.item() == pytest.approx(wanted_loss.item(), rel=1e-12) and wanted.norm() > 1e-3
    torch.testing.assert_close(gradient, wanted, rtol=1e-12, atol=1e-12)
    torch.testing.assert_close(closed.curvature(vector, at), literal.curvature(vector, at), rtol=1e-12, atol=1e-12)
    ours, theirs = closed.outer(at, _real()), literal.outer(at, _real())
    assert ours.loss == pytest.approx(theirs.loss, rel=1e-12) and ours.top1 == theirs.top1
    torch.testing.assert_close(ours.gradient, theirs.gradient, rtol=1e-12, atol=1e-12)
    assert all(theirs.direct[name].norm() > 1e-4 for name in ("pixels", "targets", "log_temperature"))
    _close(ours.direct, theirs.direct)
    implicit = literal.implicit(vector, at)
    assert implicit["pixels"].norm() > 1e-4 and implicit["log_temperature"] == 0
    _close(closed.implicit(vector, at), implicit)


def test_the_curvature_is_symmetric_and_at_least_the_weight_decay():
    frozen, learned = _frozen(), _learned()
    problem = Convexified(frozen, _setting(learned), chunk=3)
    one, other = _vectors(frozen)
    left, right = one @ problem.curvature(other, one), other @ problem.curvature(one, one)
    assert left.item() == pytest.approx(right.item(), rel=1e-12)
    floor = 0.2 / (2 * M * C)
    eigenvalues = torch.linalg.eigvalsh(
        torch.stack([problem.curvature(e, one) for e in torch.eye(frozen.size).double()])
    )
    assert eigenvalues[0].item() == pytest.approx(floor, rel=1e-9) and eigenvalues[-1] > 2 * floor


def _solved(problem: Convexified, right: torch.Tensor) -> torch.Tensor:
    """H^-1 right by conjugate gradients: H is a multiple of 1 plus a matrix of rank N C, so that few steps suffice."""
    found, residual = torch.zeros_like(right), right.clone()
    along = residual
    for _ in range(3 * 2 * M * C):
        if residual.norm() < 1e-15 * right.norm():
            break
        moved = problem.curvature(along, right)
        length = residual @ residual / (along @ moved)
        found, after = found + length * along, residual - length * moved
        along, residual = after + after @ after / (residual @ residual) * along, after
    return found


def _hypergradient(learned: LabelledSet, frozen: Frozen) -> tuple[float, dict, dict]:
    """Outer loss, direct and implicit gradient with both problems solved to the end."""
    problem = Convexified(frozen, _setting(learned), chunk=3)
    start = problem.start()
    optimum = -_solved(problem, problem.loss_and_gradient(start)[1])
    assert problem.loss_and_gradient(optimum)[1].norm() < 1e-12
    outer = problem.outer(optimum, _real())
    return outer.loss, outer.direct, problem.implicit(_solved(problem, outer.gradient), optimum)


@pytest.mark.parametrize("name", ["pixels", "targets", "log_temperature"])
def test_direct_and_implicit_together_are_the_finite_difference_of_the_solved_problem(name: str):
    frozen, learned = _frozen(), _learned()
    _, direct, implicit = _hypergradient(learned, frozen)
    leaf = learned.leaves()[name].data
    along = torch.randn(leaf.shape, generator=generator("cpu", 17), dtype=torch.float64)
    step = 1e-5
    leaf += step * along
    above = _hypergradient(learned, frozen)[0]
    leaf -= 2 * step * along
    below = _hypergradient(learned, frozen)[0]
    measured = (above - below) / (2 * step)
    told, without = ((direct[name] + implicit[name]) * along).sum().item(), (direct[name] * along).sum().item()
    assert told == pytest.approx(measured, rel=1e-6)
    if name != "log_temperature":  # the implicit part is no correction
        assert abs(without - measured) > 0.01 * abs(measured)


def test_the_flips_gradient_is_the_sum_of_both_halves():
    frozen, learned = _frozen(), _learned(flip=True)
    pixels = torch.cat([learned.pixels, learned.pixels.flip(-1)]).detach()
    targets = torch.cat([learned.targets, learned.targets]).detach()
    plain = LabelledSet(pixels, targets, torch.arange(2 * M) % C, decode=lambda x: x, flip=False, learn_labels=True,
                        decay=0.9)  # fmt: skip
    plain.log_temperature.data.fill_(0.4)
    at, vector = _vectors(frozen)
    for part in ("outer", "implicit"):
        found = []
        for one in (learned, plain):
            problem = Convexified(frozen, _setting(one), chunk=3)
            found.append(problem.outer(at, _real()).direct if part == "outer" else problem.implicit(vector, at))
        both = found[1]["pixels"]
        torch.testing.assert_close(found[0]["pixels"], both[:M] + both[M:].flip(-1))
        torch.testing.assert_close(found[0]["targets"], found[1]["targets"][:M] + found[1]["targets"][M:])


def test_labels_that_are_not_learned_have_no_gradient():
    frozen, learned = _frozen(), _learned(learn_labels=False)
    outer = Convexified(frozen, _setting(learned), chunk=3).outer(_vectors(frozen)[0], _real())
    assert outer.direct["targets"].norm() == 0 and outer.direct["pixels"].norm() > 0


def test_the_margin_pushes_the_largest_entry_up_to_half_the_chance():
    targets = torch.tensor([[0.5, 0.4, 0.0], [9.0, 0.0, 0.0]], requires_grad=True)
    assert label_margin(targets).item() == pytest.approx((0.1 + 1 / 6) / 2)
    label_margin(targets).backward()
    assert targets.grad is not None
    assert targets.grad.tolist() == [[0.5, -0.5, 0.0], [0.0, 0.0, 0.0]]


@pytest.mark.parametrize("name", ["conv", "conv:relu", "conv:batch", "conv:odd", "alexnet:group"])
def test_products_with_the_jacobian_are_each_others_transpose(name: str):
    architecture, _, word = name.partition(":")
    norm = word if word in ("batch", "group") else "none"
    side = 11 if word == "odd" else 32 if architecture == "alexnet" else SIDE  # the pooling leaves out what is odd
    frozen = _frozen(architecture, norm, 0.0 if word == "relu" else 3.0, side=side)
    images = torch.randn(4, 1, side, side, generator=generator("cpu", 1), dtype=torch.float64)
    jacobian = Jacobian(frozen, images)
    displacement = torch.randn(frozen.size, generator=generator("cpu", 2), dtype=torch.float64)
    outputs = torch.randn(4, C, generator=generator("cpu", 3), dtype=torch.float64)
    forward = jacobian.times(displacement)
    assert is_chain(frozen.student.body) == (architecture == "conv")
    torch.testing.assert_close(forward, frozen.tangent(images, displacement))
    torch.testing.assert_close(jacobian.features, frozen.features(images))
    assert (forward * outputs).sum().item() == pytest.approx(
        (jacobian.transposed(outputs) @ displacement).item(), rel=1e-9
    )


def test_the_flat_vector_ends_with_the_heads_weight():
    frozen = _frozen()
    whole, body = named(frozen.student, frozen.parameters), named(frozen.student, frozen.body)
    assert list(whole)[-2:] == ["head.bias", "head.weight"] and list(body) == list(whole)[:-1]
    assert torch.equal(whole["head.weight"], frozen.head_weight)


def test_subsets_are_the_whole_where_they_hold_all_and_constants_elsewhere():
    frozen, learned = _frozen(), _learned()
    at, vector = _vectors(frozen)
    whole = Convexified(frozen, _setting(learned), chunk=3)
    chunked = Convexified(frozen, _setting(learned), chunk=2, forward_chunk=2)
    everything = torch.randperm(2 * M, generator=generator("cpu", 1))
    some, others = everything[:2], everything[2:]
    for rows in (None, everything):
        torch.testing.assert_close(chunked.loss_and_gradient(at, rows)[1], whole.loss_and_gradient(at)[1])
        torch.testing.assert_close(chunked.curvature(vector, at, rows), whole.curvature(vector, at))
        _close(chunked.implicit(vector, at, rows), whole.implicit(vector, at))
        _close(chunked.outer(at, _real(), rows).direct, whole.outer(at, _real()).direct)
    halves = [chunked.implicit(vector, at, rows)["pixels"] for rows in (some, others)]
    touched = {int(row) % M for row in some}
    assert {i for i in range(M) if halves[0][i].norm() > 0} == touched
    parts = [chunked.loss_and_gradient(at, rows)[1] - whole._scale * at for rows in (some, others)]
    torch.testing.assert_close(parts[0] + parts[1], whole.loss_and_gradient(at)[1] - whole._scale * at)
    real = _real()
    some_real = RealBatch(images=real.images, labels=real.labels, rows=torch.tensor([5, 0]))
    assert chunked.outer(at, some_real).loss == pytest.approx(whole.outer(at, real).loss)
    _close(chunked.outer(at, some_real).direct, whole.outer(at, real).direct)
    assert not torch.allclose(chunked.outer(at, some_real).gradient, whole.outer(at, real).gradient)


@pytest.mark.parametrize("switches", [{"linearise": False}, {"naive": True}])
def test_ablations_have_the_derivatives_of_their_losses(switches: dict):
    frozen, learned = _frozen(), _learned()
    problem = Literal(frozen, _setting(learned), **switches)
    at = 0.1 * torch.randn(problem.start().shape, generator=generator("cpu", 4), dtype=torch.float64)
    along = torch.randn(at.shape, generator=generator("cpu", 8), dtype=torch.float64)
    step = 1e-5
    ends = [problem.loss_and_gradient(at + sign * step * along) for sign in (1, -1)]
    slope = (ends[0][0] - ends[1][0]) / (2 * step)
    assert slope.item() == pytest.approx((problem.loss_and_gradient(at)[1] @ along).item(), rel=1e-6)
    curve = (ends[0][1] - ends[1][1]) / (2 * step)
    torch.testing.assert_close(problem.curvature(along, at), curve, rtol=1e-5, atol=1e-7)
    outer = problem.outer(at, _real())
    losses = [problem.outer(at + sign * step * along, _real()).loss for sign in (1, -1)]
    assert (losses[0] - losses[1]) / (2 * step) == pytest.approx((outer.gradient @ along).item(), rel=1e-5)
    assert problem.implicit(along, at)["pixels"].norm() > 0
    assert (outer.direct["pixels"].norm() == 0) == bool(switches.get("naive"))


@pytest.mark.slow
def test_products_through_the_compiler_are_the_same():
    """In a process of its own: the compiler cannot follow the checks of shapes that these tests switch on."""
    ran = subprocess.run([sys.executable, "-m", "tests.compiled_products"], capture_output=True, text=True, timeout=300)
    assert ran.returncode == 0, ran.stderr
    assert ran.stdout.split() == ["times", "transposed"]  # each went through once, for two networks
