"""What umap-learn compiles is kept on disk, and a map is the same whether it was compiled just now or found there."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from numba.core.caching import FunctionCache
from numba.core.dispatcher import Dispatcher

from lgm_core.analysis.compiled_umap import open_umap

MAP = """
import json, torch
from umap.umap_ import smooth_knn_dist
from lgm_core.analysis.projection import umap_points
features = torch.randn(60, 8, generator=torch.Generator().manual_seed(0))
points = umap_points(features, neighbours=5, min_dist=0.1, seed=0)
stats = smooth_knn_dist.stats
print(json.dumps([points.tolist(), sum(stats.cache_hits.values()), sum(stats.cache_misses.values())]))
"""


def test_each_function_of_the_library_is_kept():
    module = open_umap().umap_
    found = [function for function in vars(module).values() if isinstance(function, Dispatcher)]
    assert len(found) > 5 and all(isinstance(function._cache, FunctionCache) for function in found)


def test_where_nothing_can_be_written_the_library_works_as_before(monkeypatch: pytest.MonkeyPatch):
    def refused(self: Dispatcher) -> None:
        raise RuntimeError("cannot cache function: no locator available")

    monkeypatch.setattr(Dispatcher, "enable_caching", refused)
    assert open_umap.__wrapped__() is open_umap()


@pytest.mark.slow
def test_a_second_process_compiles_nothing_and_has_the_same_map(tmp_path: Path):
    values = os.environ | {"NUMBA_CACHE_DIR": str(tmp_path)}
    first, second = (
        json.loads(subprocess.run([sys.executable, "-c", MAP], env=values, capture_output=True, check=True).stdout)
        for _ in range(2)
    )
    assert first[1:] == [0, 1] and second[1:] == [1, 0]
    assert first[0] == second[0]
