"""A run that compares how backbones see a data set, pair by pair.

>>> align(bench, config, recorder)  # alignment.json: evaluate_on by the same; a pair is null until it is computed
>>> recorder.run.alignment()["cka"]
[[1.0, 0.62, None], [0.62, 1.0, None], [None, None, 1.0]]
"""

from typing import Any

from torch import Tensor

from lgm_core.analysis.alignment import linear_cka, mutual_knn
from lgm_core.analysis.neighbours import neighbours_within
from lgm_core.analysis.trail import clean_features
from lgm_core.backbones.abstract_bench import Bench
from lgm_core.base.settings import SharedConfig
from lgm_core.datasets.spread import spread
from lgm_core.runs.recorder import Recorder

_KS = (1, 2, 5, 10, 20, 50, 100, 200, 500)


def align(bench: Bench, config: SharedConfig, recorder: Recorder) -> None:
    """Linear CKA, plain and debiased, and mutual nearest neighbours of every pair of backbones, on test images."""
    names = list(dict.fromkeys(config.evaluate_on))
    indices = spread(bench.test.labels, config.align.images)
    ks = [k for k in _KS if k < min(config.align.largest_k, len(indices) - 1)]
    ks.append(min(config.align.largest_k, len(indices) - 1))
    values = _empty_alignment(names, len(indices), ks)
    recorder.alignment(values)
    features, neighbours = {}, {}
    for done, name in enumerate(names):
        features[name] = clean_features(bench, bench.test, indices, bench.backbone(name)).to(bench.compute.device)
        neighbours[name] = neighbours_within(features[name], k=ks[-1]).cpu()
        for other in names[:done]:
            bench.phase(f"comparing {other} and {name}")
            pair = names.index(other), done
            _fill(values, pair, features[other], features[name], neighbours[other], neighbours[name])
            recorder.alignment(values)


def _fill(values: dict[str, Any], pair: tuple[int, int], a: Tensor, b: Tensor, near_a: Tensor, near_b: Tensor) -> None:
    i, j = pair
    found = {"cka": linear_cka(a, b), "cka_debiased": linear_cka(a, b, debiased=True)}
    for key, value in found.items():
        values[key][i][j] = values[key][j][i] = round(value, 5)
    ks = [int(k) for k in values["mutual_knn"]]
    for k, share in mutual_knn(near_a, near_b, ks=ks).items():
        values["mutual_knn"][str(k)][i][j] = values["mutual_knn"][str(k)][j][i] = round(share, 5)


def _empty_alignment(names: list[str], images: int, ks: list[int]) -> dict[str, Any]:
    """The result before any pair is compared: None everywhere but on the diagonal, where every measure is 1."""

    def empty() -> list[list[float | None]]:
        return [[1.0 if i == j else None for j in range(len(names))] for i in range(len(names))]

    return {
        "backbones": names,
        "images": images,
        "split": "test",
        "cka": empty(),
        "cka_debiased": empty(),
        "mutual_knn": {str(k): empty() for k in ks},
        "ceiling": {"cka": 1.0, "cka_debiased": 1.0, "mutual_knn": dict.fromkeys(map(str, ks), 1.0)},
        "chance": {"mutual_knn": {str(k): round(k / (images - 1), 5) for k in ks}},
    }
