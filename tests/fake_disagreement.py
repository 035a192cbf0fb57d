"""A comparison of backbones as an align run writes it, made in a moment: for the tests of its page and its reader.

>>> found = open_disagreement(fake_disagreement(RunStore(tmp_path / "runs")))
>>> found.names
['mobilenet_v2', 'clip_vitb16', 'tf_efficientnet_lite0']
"""

from itertools import combinations
from typing import Any

import numpy as np
from safetensors.numpy import save_file

from lgm_core.base.files import read_json, write_json
from lgm_core.runs.store import RunFolder, RunStore
from tests.fake_runs import BACKBONES, CLASSES, REAL, fake_align, fake_thumbs

K, KS = 12, [1, 5, 10, 12]


def fake_disagreement(store: RunStore, backbones: tuple[str, ...] = BACKBONES, **values: Any) -> RunFolder:
    """`REAL` images; the further apart two backbones stand in the list, the fewer neighbours they have in common."""
    run, random = fake_align(store, backbones, **values), np.random.default_rng(0)
    count, rows = len(backbones), np.arange(REAL)
    near = np.stack([_neighbours(np.random.default_rng(place)) for place in range(count)])
    pairs = list(combinations(range(count), 2))
    shared = np.stack([[_common(near[i, :, :k], near[j, :, :k]) for k in KS] for i, j in pairs])
    points = np.stack([np.cos(0.628 * (rows % 10)), np.sin(0.628 * (rows % 10))], axis=1)
    maps = np.stack([points + 0.2 * random.normal(size=points.shape) + [0.5 * place, 0] for place in range(count)])
    tensors = {
        "indices": rows.astype(np.int32), "labels": (rows % 10).astype(np.int32), "neighbours": near.astype(np.int32),
        "similarity": np.tile(np.linspace(0.9, 0.3, K), (count, REAL, 1)).astype(np.float16),
        "shared": shared.astype(np.int16), "pca": maps.astype(np.float32), "umap": maps.astype(np.float32),
    }  # fmt: skip
    save_file(tensors, run.images_file)
    facts = {
        "thumbs": fake_thumbs(store, "imagenette", "test"), "classes": list(CLASSES), "ks": KS,
        "measured": [row for pair in pairs for row in _measured(list(pair))],
        "pairs": [
            {
                "pair": list(pair), "null": {str(k): [REAL * 9] + [1] * k for k in KS},
                "torn": [[_group([3, 14, 25, 36, 47])], [_group([1, 2, 3, 4]), _group([50, 61, 72, 83, 94, 5])]],
            }
            for pair in pairs
        ],
    }  # fmt: skip
    write_json(run.alignment_file, read_json(run.alignment_file) | facts)
    return run


def _neighbours(random: np.random.Generator) -> np.ndarray:
    """Other images of the same class, and some of others."""
    found = []
    for row in range(REAL):
        same = [other for other in range(row % 10, REAL, 10) if other != row]
        others = random.choice([other for other in range(REAL) if other != row and other not in same], K // 2, False)
        found.append(random.permutation([*random.choice(same, K - K // 2, replace=False), *others]))
    return np.asarray(found)


def _common(left: np.ndarray, right: np.ndarray) -> list[int]:
    return [len({*a} & {*b}) for a, b in zip(left.tolist(), right.tolist(), strict=True)]


def _measured(pair: list[int]) -> list[dict[str, Any]]:
    facts = {"mean_by_chance": 0.1, "threshold": 0.15, "p": 0.005, "score": 0.41, "score_interval": [0.39, 0.43]}
    value = {"value": 0.5, "interval": [0.48, 0.52]}
    rows = [{"pair": pair, "measure": name, "k": None} | facts | value for name in ("cka", "cka_debiased", "rsa")]
    rows += [{"pair": pair, "measure": name, "k": k} | facts | value for name in ("mutual_knn", "cknna") for k in KS]
    return [
        *rows,
        {"pair": pair, "measure": "consensus", "k": 10, "score": 0.4, "score_interval": [0.3, 0.5], "p": 0.01},
    ]


def _group(members: list[int]) -> dict[str, Any]:
    facts = {"rank_near": 4.0, "rank_far": 61.0, "cosine_near": 0.8, "cosine_far": 0.2, "kept_near": 0.9}
    return {"members": members, "kept_far": 0.1} | facts
