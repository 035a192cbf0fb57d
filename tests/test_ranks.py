"""Two processes that share the work of one: the same result but for the order of sums, and the same bits on both."""

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from torch import Tensor
from torch.distributed import TCPStore

from lgm_core.base import ranks
from lgm_core.base.errors import UserError
from tests import shared_work

ROOT = Path(__file__).parent.parent


@pytest.fixture(scope="module")
def second() -> Iterator[None]:
    """A second process, for all tests of this file."""
    store = TCPStore("127.0.0.1", 0, is_master=True, wait_for_workers=False)
    with subprocess.Popen([sys.executable, "-m", "tests.shared_work", str(store.port)], cwd=ROOT) as other:
        ranks.join(store, 0, 2, 0)
        yield
        ranks.leave()
        assert other.wait(20) == 0


def _by_two(name: str, *given: object) -> list[Tensor]:
    """What both processes come to; the same bits, or the test fails."""
    with ranks.together(name, *given):
        own, others = ranks.collect(shared_work.WORK[name](*given))
    assert all(torch.equal(mine, theirs) for mine, theirs in zip(own, others, strict=True))
    return own


param, slow = pytest.param, pytest.mark.slow


@pytest.mark.parametrize(
    ("name", "given"),
    [
        ("lgm", ["cosine"]), ("lgm", ["cosine-per-class", 5]), ("lgm", ["mse", 5]), param("lgm", ["ridge"], marks=slow),
        ("fresh_batches", []), ("lgm", ["cosine", 3, "forward"]), ("lgm", ["cosine", 3, "backward"]),
        param("rcig", [], marks=slow),
    ],
    ids=["cosine", "per-class", "mse", "ridge", "batch", "short-forward", "short-backward", "rcig"],
)  # fmt: skip
def test_two_processes_come_to_what_one_comes_to(name: str, given: list, second):
    for one, two in zip(shared_work.WORK[name](*given), _by_two(name, *given), strict=True):
        torch.testing.assert_close(two, one, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("name", ["mkdt", "third_derivative"])
def test_derivatives_through_shared_sums_are_those_of_one_process(name: str, second):
    for one, two in zip(shared_work.WORK[name](), _by_two(name), strict=True):
        torch.testing.assert_close(two, one, rtol=1e-9, atol=1e-12)


def test_a_shared_bank_has_the_bits_of_one_process_and_may_be_given_up(second, tmp_path):
    (alone,) = shared_work.bank(tmp_path / "one")
    with pytest.raises(KeyboardInterrupt):
        _by_two("bank", tmp_path / "two", -1, 4)
    (shared,) = _by_two("bank", tmp_path / "two")
    assert torch.equal(alone, shared)


def test_what_the_second_process_cannot_read_is_told_by_the_first(second, tmp_path):
    with pytest.raises(UserError, match="image 3 cannot be read"):
        _by_two("bank", tmp_path, 3)


def test_a_share_is_everything_in_one_process_and_all_shares_are_the_whole():
    assert ranks.share(7) == slice(0, 7) and ranks.ranks() == 1 and ranks.rank() == 0
    parts = [ranks.share_of(7, rank, 3) for rank in range(3)]
    assert [row for part in parts for row in range(7)[part]] == list(range(7))
    assert max(part.stop - part.start for part in parts) == 3
