"""What umap-learn compiles is kept on disk, and a map is the same whether it was compiled just now or found there."""

import json
import os
import subprocess
import sys
from pathlib import Path
from pickle import UnpicklingError
from types import ModuleType
from typing import Any

import pytest
from numba.core.caching import FunctionCache
from numba.core.dispatcher import Dispatcher

from lgm_core.analysis.compiled_umap import open_umap, with_umap

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

    def made() -> list[Any]:
        done = subprocess.run([sys.executable, "-c", MAP], env=values, capture_output=True, check=True)
        return json.loads(done.stdout)

    first, second = made(), made()
    assert first[1:] == [0, 1] and second[1:] == [1, 0]
    kept = [*tmp_path.rglob("umap_.smooth_knn_dist*.nb?")]  # others are kept by the libraries themselves
    for file in kept:  # as a power cut leaves them
        file.write_bytes(file.read_bytes()[:20])
    assert kept and made()[0] == second[0] == first[0]
    assert made()[1:] == [1, 0]  # and kept anew


def test_what_was_kept_and_is_damaged_is_done_once_more_and_no_more():
    tries: list[str] = []

    def use(library: ModuleType) -> str:
        tries.append(library.__name__)
        if len(tries) < 2:
            raise UnpicklingError("pickle data was truncated")
        return "made"

    assert with_umap(use) == "made" and tries == ["umap"] * 2
    with pytest.raises(EOFError):
        with_umap(_always)
    with pytest.raises(ValueError, match="of its own"):
        with_umap(_wrong)


def _always(library: ModuleType) -> None:
    raise EOFError


def _wrong(library: ModuleType) -> None:
    raise ValueError("of its own")
