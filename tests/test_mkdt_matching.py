"""MKDT's step: the matching loss and its gradient, which expert comes when, chunks, momentum, resume."""

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import Tensor

from lgm_core.backbones.students.networks import Student, StudentShape, build_student
from lgm_core.base.errors import UserError
from lgm_core.base.interfaces import generator
from lgm_core.methods.mkdt.config import MKDTConfig
from lgm_core.methods.mkdt.experts import ExpertRecipe, fresh, regression_loss, train_experts
from lgm_core.methods.mkdt.step import MKDT
from lgm_core.methods.mkdt.trajectories import Trajectories
from lgm_core.methods.mkdt.unrolled import Learnables, descend, match
from tests.one_thread import one_thread  # noqa: F401 (a fixture)

M, D = 10, 5
SHAPE = StudentShape(norm="instance", side=8, channels=3, classes=D, width=4, doubling=False)
CONFIG = MKDTConfig(
    experts=3, start_epochs=2, expert_epochs=1, student_steps=5, batch=4, image_rate=10.0, target_rate=1.0, rate=0.1,
    rate_rate=1e-3,
)  # fmt: skip


def _student(dtype: torch.dtype = torch.float32) -> Student:
    student = build_student(SHAPE, random=generator("cpu", 0), start="torch").to(dtype)
    return student.requires_grad_(False)


def _learned(dtype: torch.dtype = torch.float32) -> Learnables:
    pixels = torch.randn(M, 3, 8, 8, generator=generator("cpu", 1), dtype=dtype)
    return Learnables(
        pixels, torch.randn(M, D, generator=generator("cpu", 2), dtype=dtype), torch.tensor(0.1).to(dtype)
    )


CHUNKS = [torch.tensor(rows) for rows in ([0, 3, 5], [1, 2, 9], [4, 6, 7, 8], [3, 1], [0, 9, 8])]


def _ends(dtype: torch.dtype) -> tuple[Student, Tensor, Tensor]:
    student = _student(dtype)
    return student, fresh(student, 0, 0), fresh(student, 0, 0) + 0.05 * torch.randn_like(fresh(student, 0, 1))


def test_the_loss_is_one_without_steps_and_zero_where_the_expert_descended_on_the_very_chunks():
    student, start, goal = _ends(torch.float64)
    nothing = match(student, start, goal, _learned(torch.float64), [])
    assert nothing.loss == 1 and all(slope.abs().sum() == 0 for slope in nothing.gradient.leaves())
    learned = _learned(torch.float64)
    expert = start
    for rows in CHUNKS:
        flat = expert.clone().requires_grad_()
        regression_loss(student, flat, learned.pixels[rows], learned.targets[rows]).backward()
        expert = (flat - learned.rate * flat.grad).detach()  # type: ignore[operator]
    assert match(student, start, expert, learned, CHUNKS).loss < 1e-20
    assert match(student, start, expert, learned, CHUNKS[:-1]).loss > 1e-4


@pytest.mark.parametrize("segment", [1, 2, 4, 5, 9])
def test_segments_have_the_same_gradient_as_all_steps_at_once(segment: int):
    student, start, goal = _ends(torch.float64)
    whole = match(student, start, goal, _learned(torch.float64), CHUNKS)
    parts = match(student, start, goal, _learned(torch.float64), CHUNKS, segment=segment)
    assert parts.loss == pytest.approx(whole.loss, rel=1e-12)
    for one, other in zip(parts.gradient.leaves(), whole.gradient.leaves(), strict=True):
        torch.testing.assert_close(one, other, rtol=1e-9, atol=1e-14)


@pytest.mark.parametrize("segment", [0, 2])
def test_the_gradient_is_that_of_finite_differences(segment: int):
    student, start, goal = _ends(torch.float64)
    found = match(student, start, goal, _learned(torch.float64), CHUNKS, segment=segment).gradient
    for name, place in (("pixels", (3, 1, 4, 4)), ("targets", (9, 2)), ("rate", ())):
        losses = []
        for change in (1e-5, -1e-5):
            learned = _learned(torch.float64)
            getattr(learned, name)[place] += change
            losses.append(match(student, start, goal, learned, CHUNKS).loss)
        slope = getattr(found, name)[place].item()
        assert abs(slope) > 1e-6 and slope == pytest.approx((losses[0] - losses[1]) / 2e-5, rel=1e-3), name


def test_what_is_in_memory_does_not_grow_with_the_steps_of_a_segmented_match(monkeypatch: pytest.MonkeyPatch):
    graphs = []
    from lgm_core.methods.mkdt import unrolled

    def spy(*arguments, graph: bool = False):
        graphs.append((len(arguments[-1]), graph))
        return descend(*arguments, graph=graph)

    monkeypatch.setattr(unrolled, "descend", spy)
    student, start, goal = _ends(torch.float32)
    match(student, start, goal, _learned(), CHUNKS, segment=2)
    assert graphs == [(2, False), (2, False), (1, True), (2, True), (2, True)]


@pytest.fixture
def store(tmp_path: Path) -> Trajectories:
    student = _student()
    images, targets = (torch.randn(16, *shape, generator=generator("cpu", 5)) for shape in ((3, 8, 8), (D,)))
    snapshots = train_experts(
        range(3), student, lambda rows: images[rows], lambda rows: targets[rows],
        recipe=ExpertRecipe(epochs=2, batch=8), count=16, seed=0,
    )  # fmt: skip
    made = Trajectories(tmp_path, snapshots=3, size=snapshots.shape[2], half=False, device=torch.device("cpu"))
    for expert, one in enumerate(snapshots):
        made.add(expert, one)
    return made


def _mkdt(store: Trajectories, **changes: object) -> MKDT:
    return MKDT(
        replace(CONFIG, **changes), learned=_learned(), labels=torch.arange(M) % 3, decode=lambda values: values,  # type: ignore[arg-type]
        student=_student(), store=store, seed=0,
    )  # fmt: skip


def test_every_expert_is_visited_before_one_comes_again(store: Trajectories):
    mkdt = _mkdt(store, experts=5)
    visits = [mkdt.visit(step) for step in range(40)]
    for turn in range(8):
        assert sorted(expert for expert, _ in visits[5 * turn : 5 * turn + 5]) == list(range(5))
    orders = {tuple(expert for expert, _ in visits[5 * turn : 5 * turn + 5]) for turn in range(8)}
    assert len(orders) > 3 and {start for _, start in visits} == {0, 1}
    assert len({_mkdt(store, one_expert=True).visit(step)[0] for step in range(20)}) == 1


def test_chunks_are_shuffled_passes_with_the_short_rest_first(store: Trajectories):
    mkdt = _mkdt(store)
    chunks = mkdt.chunks(3)
    assert [len(rows) for rows in chunks] == [2, 4, 4, 2, 4]
    assert sorted(torch.cat(chunks[:3]).tolist()) == list(range(M))
    assert [rows.tolist() for rows in chunks] == [rows.tolist() for rows in mkdt.chunks(3)]
    assert [rows.tolist() for rows in chunks] != [rows.tolist() for rows in mkdt.chunks(4)]


def test_steps_bring_the_student_nearer_to_the_experts(store: Trajectories):
    mkdt = _mkdt(store, image_rate=30.0)
    found = [mkdt.step(step) for step in range(60)]
    assert sum(one.loss for one in found[-6:]) < 0.9 * sum(one.loss for one in found[:6])
    assert found[0].scalars["rate"] == pytest.approx(0.1) and found[-1].scalars["rate"] != found[0].scalars["rate"]
    assert [one.scalars["experts_used"] for one in found[:5]] == [1, 2, 3, 3, 3]


def test_three_steps_of_sgd_with_momentum(store: Trajectories):
    mkdt = _mkdt(store)
    leaf = torch.nn.Parameter(mkdt.learned.targets.clone())
    optimiser = torch.optim.SGD([leaf], lr=1.0, momentum=0.5)
    for step in range(3):
        first, goal = store.pair(mkdt.visit(step)[0], mkdt.visit(step)[1], mkdt.visit(step)[1] + 1)
        leaf.grad = match(_student(), first, goal, mkdt.learned, mkdt.chunks(step)).gradient.targets
        mkdt.step(step)
        optimiser.step()
    torch.testing.assert_close(mkdt.learned.targets, leaf.detach())


def test_it_goes_on_from_its_state_to_the_same_bits(store: Trajectories):
    whole, first, second = _mkdt(store), _mkdt(store), _mkdt(store)
    for step in range(6):
        whole.step(step)
    for step in range(3):
        first.step(step)
    second.restore({name: tensor.clone() for name, tensor in first.state().items()})
    for step in range(3, 6):
        second.step(step)
    assert all(torch.equal(tensor, second.state()[name]) for name, tensor in whole.state().items())


def test_what_it_exports_are_images_targets_and_the_step_size(store: Trajectories):
    mkdt = _mkdt(store)
    mkdt.step(0)
    found = mkdt.export()
    assert found.images.shape == (M, 3, 8, 8) and 0 <= found.images.min() <= found.images.max() <= 1
    assert torch.equal(found.values, mkdt.learned.pixels) and found.targets.shape == (M, D)
    assert found.rate.item() != pytest.approx(0.1, abs=1e-9)
    assert mkdt.details()["expert"] == mkdt.visit(0)[0]


def test_a_step_that_diverges_says_what_to_do(store: Trajectories):
    mkdt = _mkdt(store, image_rate=1e30)
    with pytest.raises(UserError, match="matching diverged at step .*lower mkdt.rate"):
        for step in range(4):
            mkdt.step(step)
