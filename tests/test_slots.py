"""Device slots: first come, first served, one run per device, the dead make room; and how much memory is free."""

import pytest
import torch

from lgm_core.base.locks import take
from lgm_core.base.machine import free_memory
from lgm_core.jobs import slots


def test_slots_are_taken_in_order_and_dead_tickets_are_cleared(tmp_path):
    calls: list[tuple[int, str]] = []

    class Enough(Exception):
        pass

    def waiting(position: int, names: str) -> None:
        calls.append((position, names))
        raise Enough

    with slots.take_slot(tmp_path, ["cpu-0"], "a", waiting) as slot:
        assert slot == "cpu-0" and slots.try_slot(tmp_path, ["cpu-0"]) is None
        with pytest.raises(Enough), slots.take_slot(tmp_path, ["cpu-0"], "b", waiting):
            pass
        assert calls == [(1, "cpu-0")]
        living = take(tmp_path / "queue" / "1-living")
        assert living is not None
        with living:
            living.write("cpu-0")
            living.flush()
            (tmp_path / "queue" / "0-dead").write_text("cpu-0")
            with pytest.raises(Enough), slots.take_slot(tmp_path, ["cpu-0"], "c", waiting):
                pass
            assert calls[-1] == (2, "cpu-0") and not (tmp_path / "queue" / "0-dead").exists()
            with slots.take_slot(tmp_path, ["cuda-0"], "d", waiting) as slot:  # another device, another queue
                assert slot == "cuda-0"
    assert [path.name for path in (tmp_path / "queue").iterdir()] == ["1-living"]
    (tmp_path / "queue" / "1-living").unlink()
    with slots.take_slot(tmp_path, ["cpu-0"], "e", waiting) as slot:
        assert slot == "cpu-0"


def test_slots_follow_what_is_visible(monkeypatch):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "2,5")
    assert slots.device_slots() == ["cuda-2", "cuda-5"] and slots.wanted_slots("cuda:1") == ["cuda-5"]
    assert slots.wanted_slots("auto") == ["cuda-2", "cuda-5"] and slots.wanted_slots("cpu") == ["cpu-0"]
    assert slots.environment_of("cuda-5", "auto") == {"CUDA_VISIBLE_DEVICES": "5"}
    assert slots.environment_of("cuda-5", "cuda:1") == {} == slots.environment_of("cpu-0", "auto")
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    assert slots.device_slots() == ["cpu-0"] == slots.wanted_slots("cuda:1")


def test_free_memory_is_told_without_torch():
    assert 10**7 < free_memory("cpu-0") < 10**14
    assert torch.cuda.is_available() or free_memory("cuda-7") == 0
