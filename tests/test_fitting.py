"""Memory of a step: what a view keeps, chunks that fit, a device that runs out, and the precision that is faster."""

import json

import pytest
import torch

from lgm_core.backbones import precision
from lgm_core.backbones.fitting import bytes_per_view, fitting_chunk
from lgm_core.backbones.precision import choose_precision
from lgm_core.base.device import Compute, is_out_of_memory, step_memory
from tests.conftest import ToyBackbone
from tests.test_lgm import C, HeadTarget, _distiller, _gradients


def test_bytes_per_view_are_those_that_autograd_keeps(compute):
    # kept: the view for the multiply and for the convolution, the tanh's output, the pooled input of the last layer
    small, large = (bytes_per_view(ToyBackbone(side=side), compute) for side in (16, 32))
    assert 2500 < small < 20_000 and 3.5 < large / small < 6


@pytest.mark.parametrize(("free", "chunk"), [(0, 0), (10**6, 0), (10**5, 53), (100, 1)])
def test_chunks_fit_into_the_free_memory(free, chunk):
    assert fitting_chunk(100, 1000, free) == chunk


@pytest.mark.parametrize("error", [torch.OutOfMemoryError("CUDA out of memory"), None])
def test_a_device_that_runs_out_of_memory_gets_half_the_chunk(error, toy, compute, monkeypatch):
    torch.manual_seed(0)
    target = HeadTarget(torch.randn(20, 12), torch.arange(C).repeat(5))
    whole, short = _distiller(toy, compute, target), _distiller(toy, compute, target)
    error = error or RuntimeError("[enforce fail at alloc_cpu.cpp:117] DefaultCPUAllocator: can't allocate memory")
    (source,) = short.sources
    features, sizes = source._features, []

    def scarce(images, choices):
        sizes.append(len(choices))
        if len(choices) > 4:
            raise error
        return features(images, choices)

    monkeypatch.setattr(source, "_features", scarce)
    first, second = whole.step(0), short.step(0)
    assert sizes[:2] == [12, 6] and set(sizes[2:]) == {3} and source.chunk == 3
    assert second.loss == pytest.approx(first.loss, rel=1e-6)
    assert [note.split(";")[1].split(":")[0] for note in second.notes] == [
        " continuing with lgm.chunk 6",
        " continuing with lgm.chunk 3",
    ]
    for one, other in zip(_gradients(whole), _gradients(short), strict=True):
        torch.testing.assert_close(one, other, rtol=1e-4, atol=1e-8)
    assert short.step(1).notes == ()
    assert int(short.state()["chunk"]) == 3


def test_other_errors_are_not_swallowed(toy, compute, monkeypatch):
    distiller = _distiller(toy, compute, HeadTarget(torch.randn(4, 12), torch.arange(C)))
    monkeypatch.setattr(
        distiller.sources[0], "_features", lambda *_: (_ for _ in ()).throw(RuntimeError("shapes do not fit"))
    )
    with pytest.raises(RuntimeError, match="shapes"):
        distiller.step(0)
    assert not is_out_of_memory(RuntimeError("shapes do not fit"))


@pytest.mark.parametrize(("seconds", "chosen"), [((1.0, 0.5), "bfloat16"), ((1.0, 0.95), "float32")])
def test_the_faster_precision_is_measured_once(seconds, chosen, toy, compute, tmp_path, monkeypatch):
    calls = []

    def measure(backbone, compute):
        calls.append(backbone.name)
        return {name: [9.0, value] for name, value in zip(("float32", "bfloat16"), seconds, strict=True)}

    monkeypatch.setattr(precision, "_measure", measure)
    assert [choose_precision(toy, compute, tmp_path) for _ in range(2)] == [chosen] * 2
    assert calls == ["toy"]
    file = next(tmp_path.glob("precision-*.json"))
    assert json.loads(file.read_text())["backbone"] == "toy"
    for other in ({"x": 1}, {"precision": "bfloat33"}, {"precision": ["float32"]}):  # of no version that there is
        file.write_text(json.dumps(other))
        assert choose_precision(toy, compute, tmp_path) == chosen and json.loads(file.read_text())["backbone"] == "toy"


def test_both_precisions_are_timed(toy, compute):
    times = precision._measure(toy, compute)
    assert len(times["float32"]) == len(times["bfloat16"]) >= 3


def test_a_backbones_own_precision_counts(toy):
    compute = Compute(torch.device("cpu"), "float32", {"toy": "bfloat16"})
    plain = Compute(torch.device("cpu"), "float32")
    images = torch.rand(2, 3, 16, 16)
    assert compute.features(toy, images).dtype == torch.float32
    assert not torch.equal(compute.features(toy, images), plain.features(toy, images))


def test_memory_of_a_call_is_what_it_adds():
    megabytes = step_memory(lambda: torch.ones(30, 1024, 1024 // 4).sum(), torch.device("cpu")) / 2**20
    assert megabytes == 0 or 25 < megabytes < 80
