"""MKDT's experts: their trajectories, the store that keeps them, and the images that are hardest for them."""

import os
import resource
import signal
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from lgm_core.backbones.students.networks import Student, StudentShape, build_student
from lgm_core.backbones.students.parameters import flatten, layout
from lgm_core.backbones.students.regression import RegressionRecipe, pretrained
from lgm_core.base.errors import Unmeasured, UserError
from lgm_core.base.interfaces import generator
from lgm_core.methods.mkdt.experts import ExpertRecipe, fresh, train_experts
from lgm_core.methods.mkdt.hardest import hardest, image_losses, kept_losses
from lgm_core.methods.mkdt.sealed_arrays import save_sealed
from lgm_core.methods.mkdt.trajectories import Trajectories
from tests.one_thread import one_thread  # noqa: F401 (a fixture)

N, D = 22, 5
RECIPE = ExpertRecipe(epochs=3, batch=8)
SHAPE = StudentShape(norm="instance", side=8, channels=3, classes=D, width=4, doubling=False)
IMAGES = torch.randn(N, 3, 8, 8, generator=generator("cpu", 1))
TARGETS = torch.randn(N, D, generator=generator("cpu", 2))


def _student() -> Student:
    return build_student(SHAPE, random=generator("cpu", 0), start="torch")


def _trained(experts: list[int], **changes: object) -> Tensor:
    recipe = ExpertRecipe(**{**vars(RECIPE), **changes})  # type: ignore[arg-type]
    return train_experts(
        experts, _student(), lambda rows: IMAGES[rows], lambda rows: TARGETS[rows], recipe=recipe, count=N, seed=7
    )


def test_an_expert_is_trained_as_torchs_own_sgd_trains_it():
    network, seed, expert = _student(), 7, 2
    start, place = fresh(network, seed, expert), 0
    for name, shape in layout(network):
        network.get_parameter(name).data = start[place : place + shape.numel()].view(shape).clone()
        place += shape.numel()
    optimiser, wanted = torch.optim.SGD(network.parameters(), lr=0.1, momentum=0.9, weight_decay=1e-4), [start]
    for epoch in range(3):
        order = torch.randperm(N, generator=generator("cpu", seed, expert, epoch, 0x6F726472))
        for rows in order.split(8):
            optimiser.zero_grad()
            nn.functional.mse_loss(network(IMAGES[rows]), TARGETS[rows]).backward()
            optimiser.step()
        wanted.append(flatten(network))
    torch.testing.assert_close(_trained([expert])[0], torch.stack(wanted), rtol=1e-4, atol=1e-6)


def test_snapshots_are_distinct_and_the_first_epochs_of_a_longer_training_are_the_same():
    short, long = _trained([0]), _trained([0], epochs=5)
    assert short.shape == (1, 4, flatten(_student()).numel())
    for one in range(3):
        assert (long[0, one + 1] - long[0, one]).norm() > 1e-2
    assert torch.equal(long[:, :4], short)


def test_experts_side_by_side_are_those_that_are_trained_alone():
    together, alone = _trained([4, 1]), torch.cat([_trained([4]), _trained([1])])
    torch.testing.assert_close(together, alone, rtol=1e-4, atol=1e-5)
    assert (alone[0, 0] - alone[1, 0]).norm() > 1


def test_a_training_that_diverges_says_so():
    with pytest.raises(UserError, match=r"an expert diverged in epoch 1 .*lower mkdt.expert_rate"):
        _trained([0], rate=1e6)
    recipe = RegressionRecipe(learning_rate=1e6)
    with pytest.raises(Unmeasured, match="pre-training diverged: the loss is (inf|nan) at step"):
        pretrained(lambda rows: IMAGES[rows], lambda rows: TARGETS[rows], SHAPE, count=N, recipe=recipe,
                   random=generator("cpu", 0), device=torch.device("cpu"))  # fmt: skip


def test_the_store_keeps_what_it_was_given_and_never_changes_it(tmp_path: Path):
    for half in (False, True):
        snapshots = _trained([0])[0]
        store = Trajectories(
            tmp_path / str(half), snapshots=4, size=snapshots.shape[1], half=half, device=snapshots.device
        )
        assert not store.is_whole(0, pytest.fail)
        store.add(0, snapshots)
        assert store.is_whole(0, pytest.fail)
        start, goal = store.pair(0, 1, 3)
        exact = {"rtol": 1e-3, "atol": 1e-4} if half else {"rtol": 0, "atol": 0}
        torch.testing.assert_close(start, snapshots[1], **exact)
        torch.testing.assert_close(goal, snapshots[3], **exact)
        start.zero_()  # a copy
        assert store.snapshot(0, 1).abs().sum() > 0 and start.dtype == torch.float32
        file = tmp_path / str(half) / "expert-0000.npy"
        assert file.stat().st_size == pytest.approx(store.bytes_of(1), abs=300)
    assert store.bytes_of(10) == 10 * 4 * snapshots.shape[1] * 2
    with pytest.raises(UserError, match=r"10 experts with 4 snapshots .*mkdt.store_gigabytes allows 1e-06"):
        store.require_room(10, 1e-6)


def test_the_ranking_is_by_mean_loss_and_a_smaller_set_begins_a_larger_one(tmp_path: Path):
    student, flats = _student(), _trained([0, 1])[:, 1]
    losses = [image_losses(student, flat, lambda r: IMAGES[r], lambda r: TARGETS[r], N) for flat in flats]
    outputs = torch.stack([torch.func.functional_call(student, _named(student, flat), (IMAGES,)) for flat in flats])
    mean = (outputs - TARGETS).square().mean(dim=(0, 2))
    order = hardest(losses)
    assert order.tolist() == mean.argsort(descending=True).tolist() and sorted(order.tolist()) == list(range(N))
    assert hardest([torch.ones(6)]).tolist() == list(range(6))  # equal losses: in the set's order
    path = tmp_path / "losses.npy"
    for made in losses:
        assert torch.equal(kept_losses(path, lambda made=made: made, count=N, note=pytest.fail), losses[0])
    content, told = bytearray(path.read_bytes()), list[str]()
    content[200] ^= 1
    path.write_bytes(content)
    assert torch.equal(kept_losses(path, lambda: losses[0], count=N, note=told.append), losses[0]) and len(told) == 1


@pytest.mark.parametrize("harm", ["first row", "last row", "header", "digest", "cut", "empty", "garbage", "of other"])
def test_what_is_damaged_in_the_store_is_told_and_made_again(harm: str, tmp_path: Path):
    store, told = Trajectories(tmp_path, snapshots=3, size=50, half=False, device=torch.device("cpu")), list[str]()
    store.add(0, torch.randn(3, 50))
    file = tmp_path / "expert-0000.npy"
    content = bytearray(file.read_bytes())
    places = {"first row": 140, "last row": len(content) - 100, "digest": -1, "header": content.index(b"<f4")}
    if harm in places:
        content[places[harm]] ^= 2
    if harm == "of other":
        save_sealed(file, np.zeros((2, 75), np.float32))
    else:
        file.write_bytes({"cut": content[:-40], "empty": b"", "garbage": b"\xff" * 800}.get(harm, content))
    assert not store.is_whole(0, told.append) and not file.exists()
    assert len(told) == 1 and "expert-0000.npy is damaged" in told[0] and told[0].endswith("computing it again")


def test_a_full_disk_leaves_no_half_of_an_expert(tmp_path: Path):
    """Its last bytes, too, are refused with an error, wherever the file grows too large."""
    array = np.random.default_rng(0).random((3, 5000), np.float32)
    save_sealed(tmp_path / "a.npy", array)
    size, before = (tmp_path / "a.npy").stat().st_size, resource.getrlimit(resource.RLIMIT_FSIZE)
    ignored = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    try:
        for room in (0, 100, size // 2, size - 100, size - 1):
            resource.setrlimit(resource.RLIMIT_FSIZE, (room, before[1]))
            with pytest.raises(OSError, match="File too large"):
                save_sealed(tmp_path / "b.npy", array)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
        signal.signal(signal.SIGXFSZ, ignored)
    assert [path.name for path in tmp_path.iterdir()] == ["a.npy"]
    assert np.array_equal(np.load(tmp_path / "a.npy"), array)


def test_experts_of_earlier_versions_have_no_digests_and_pass(tmp_path: Path):
    store = Trajectories(tmp_path, snapshots=3, size=50, half=False, device=torch.device("cpu"))
    np.save(tmp_path / "expert-0000.npy", np.ones((3, 50), np.float32))
    assert store.is_whole(0, pytest.fail) and store.snapshot(0, 2).sum() == 50


def _named(student: Student, flat: Tensor) -> dict[str, Tensor]:
    from lgm_core.backbones.students.parameters import named

    return named(student, flat)


def test_the_store_is_bounded_over_all_settings_and_names_what_to_drop(tmp_path: Path):
    def store(name: str) -> Trajectories:
        return Trajectories(tmp_path / name, snapshots=2, size=1000, half=False, device=torch.device("cpu"))

    for name, used in (("newer", 2e9), ("oldest", 1e9)):
        store(name).add(0, torch.zeros(2, 1000))
        os.utime(next((tmp_path / name).iterdir()), (used, used))
    mine, room = store("mine"), 4 * 8300 / 1e9  # an expert takes 8,000 bytes, and a header and digests
    mine.require_room(2, room)
    with pytest.raises(UserError, match="of 2 other settings take .*: lgm cache drop trajectories oldest$"):
        mine.require_room(3, room)
    for expert in range(3):
        mine.add(expert, torch.zeros(2, 1000))
    mine.require_room(3, room)  # nothing is added
    (tmp_path / "oldest" / "expert-0000.npy").unlink()
    mine.require_room(3, room)
    with pytest.raises(UserError, match="^5 experts with 2 snapshots of 1,000 parameters take"):
        mine.require_room(5, room)
