"""Neighbours of more rows than are searched one by one: what the graph finds, and what becomes of what it does not."""

import shutil
import sys
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from torch import Tensor

from lgm_core.analysis import embedding, neighbours
from lgm_core.analysis.neighbours import nearest, neighbours_within
from lgm_core.analysis.projection import fit_pca
from lgm_core.analysis.shared_neighbours import neighbourhood
from lgm_core.base.device import keep_freed_memory, step_memory, usual_memory
from lgm_core.base.interfaces import generator
from lgm_core.base.places import Places
from lgm_core.config import RunConfig
from lgm_core.engine import work
from lgm_core.presets import change
from lgm_core.runs.start import start


def clustered(n: int, width: int = 96, clusters: int = 40) -> Tensor:
    """Rows around centres, 24 dimensions within a cluster, as features of a backbone are; float16."""
    source = generator("cpu", 3)
    centres, inner = torch.randn(clusters, width, generator=source), torch.randn(24, width, generator=source) / 5
    rows = torch.randn(n, 24, generator=source) @ inner
    return (centres[torch.arange(n) % clusters] + rows).half()


@pytest.mark.slow  # compiles for half a minute
def test_the_graph_finds_nearly_all_neighbours_and_the_same_ones_twice(monkeypatch: pytest.MonkeyPatch):
    rows = clustered(3000)
    exact, cosines = neighbours_within(rows, k=12)
    monkeypatch.setattr(neighbours, "MOST_EXACT", len(rows) - 1)
    found, similarity = neighbours_within(rows, k=12)
    assert found.shape == similarity.shape == (3000, 12) and not (found == torch.arange(3000)[:, None]).any()
    assert all(len(set(row)) == 12 for row in found.tolist())
    recall = (found[:, :, None] == exact[:, None, :]).any(dim=2).float().mean()
    assert recall >= 0.99, f"{recall:.4f}"  # 1.0000 where it was tried
    assert (similarity.diff(dim=1) <= 1e-5).all() and (cosines - similarity).abs().max() < 0.05
    one = torch.nn.functional.normalize(rows.float())
    assert torch.allclose((one[:100, None] * one[found[:100]]).sum(dim=2), similarity[:100], atol=1e-5)
    again = neighbours_within(rows, k=12)
    assert torch.equal(again[0], found) and torch.equal(again[1], similarity)


def test_rows_that_the_graph_leaves_short_are_looked_for_exactly(monkeypatch: pytest.MonkeyPatch):
    rows, asked = clustered(50), {}

    def descent(data: np.ndarray, **settings: object) -> SimpleNamespace:
        places, similarity = nearest(rows, rows, k=8)
        asked.update(settings)
        places[5, 3:], similarity[5, 3:] = -1, -torch.inf  # as of a row for which it found too few
        places[7] = torch.tensor([9, 8, 6, 5, 4, 3, 2, 1])  # its own place taken by duplicates
        return SimpleNamespace(neighbor_graph=(places.int().numpy(), 1 - similarity.numpy()))

    expected = neighbours_within(rows, k=6)
    monkeypatch.setitem(sys.modules, "pynndescent", SimpleNamespace(NNDescent=descent))
    monkeypatch.setattr(neighbours, "MOST_EXACT", 49)
    found, similarity = neighbours_within(rows, k=6)
    others = torch.arange(50) != 7
    assert torch.equal(found[others], expected[0][others]) and torch.allclose(similarity[5], expected[1][5], atol=1e-6)
    assert found[7].tolist() == [9, 8, 6, 5, 4, 3] and asked["random_state"] == 0 and asked["n_jobs"] == 1


def test_a_run_says_that_its_neighbours_are_approximate(small_run: RunConfig, here: Places, tmp_path, monkeypatch):
    def descent(data: np.ndarray, **settings: object) -> SimpleNamespace:
        places, similarity = nearest(torch.from_numpy(data), torch.from_numpy(data), k=25)
        return SimpleNamespace(neighbor_graph=(places.int().numpy(), 1 - similarity.numpy()))

    monkeypatch.setitem(sys.modules, "pynndescent", SimpleNamespace(NNDescent=descent))
    monkeypatch.setattr(embedding, "umap_points", lambda features, **_: features[:, :2])  # it would import the real one
    twin = shutil.copy(small_run.backbone.split(":")[1], tmp_path / "twin.py")
    asked = {"images": 30, "largest_k": 5, "maps": False, "permutations": 2, "resamples": 2, "groups": 0}
    config = change(
        small_run, {"kind": "align", "align": asked, "evaluate_on": (small_run.backbone, f"python:{twin}:build")}
    )
    maps = change(small_run, {"kind": "embed", "embed": {"images": 30, "umap_neighbours": 5}})
    for one, said in ((config, False), (replace(config, seed=1), True), (maps, True)):
        monkeypatch.setattr(neighbours, "MOST_EXACT", 29 if said else 30)
        run = start(one, here)
        assert work(run, here) == "finished", run.log_tail()
        assert any("30 images among each other were found approximately" in n for n in run.status().notes) == said


def test_as_many_rows_as_are_exact_ask_no_graph_and_tell_how_far_they_are(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setitem(sys.modules, "pynndescent", None)  # an import would fail
    monkeypatch.setattr(neighbours, "MOST_EXACT", 50)
    told: list[int] = []
    neighbours_within(clustered(50), k=6, rows=20, told=told.append)
    assert told == [0, 20, 40, 50]


def test_many_queries_are_those_of_their_parts(monkeypatch: pytest.MonkeyPatch):
    rows = clustered(60)
    whole = nearest(rows, rows, k=7)
    monkeypatch.setattr(neighbours, "QUERIES", 13)
    parts = nearest(rows, rows, k=7, chunk=11)
    assert torch.equal(whole[0], parts[0]) and torch.allclose(whole[1], parts[1])


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="reads its own memory where Linux tells it")
def test_what_is_computed_in_parts_holds_a_part_at_a_time():
    """With the allocator as runs set it, small results between large parts once kept all parts until the end."""
    rows, near = clustered(6000).float(), torch.randint(0, 6000, (6000, 50), generator=generator("cpu", 1))
    long = torch.randn(150_000, 256, generator=generator("cpu", 1)).half()
    pca = fit_pca(long)
    keep_freed_memory()
    try:
        kernel = step_memory(lambda: neighbourhood(rows, near), torch.device("cpu"))
        points = step_memory(lambda: pca.project(long), torch.device("cpu"))
        fitted = step_memory(lambda: fit_pca(long), torch.device("cpu"))
    finally:
        usual_memory()
    assert kernel < 60e6  # a part of 64 rows is 2.5 MB, all parts are 230 MB
    assert points < 60e6 and fitted < 150e6  # a part of 8192 rows is 8 MB, all parts are 154 MB; as doubles twice that
