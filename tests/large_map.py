"""A map of very many points, out of a small one: for browser tests, `docs/experiments/latency.py` and `map_points.py`.

>>> enlarge(fake_embed(store, source, backbone="dino_vits16", name="map-large"), 50_000)
"""

import numpy as np

from lgm_core.base.files import read_json, write_json
from lgm_core.runs.store import RunFolder
from tests.fake_runs import REAL


def enlarge(run: RunFolder, many: int) -> None:
    """So many points; the thumbnails are those of the first images, over and over."""
    found, random = read_json(run.map_file), np.random.default_rng(0)
    repeat = -(-many // REAL)
    found |= {name: (found[name] * repeat)[:many] for name in ("labels", "pca", "umap", "wrong", "distance")}
    found["umap"] = (np.array(found["umap"]) + random.normal(size=(many, 2)) * 0.8).tolist()
    found["indices"] = list(range(many))
    write_json(run.map_file, found)
    thumbs = run.path.parent.parent / "thumbs" / found["thumbs"] / "index.json"
    index = read_json(thumbs)
    index |= {"labels": (index["labels"] * repeat)[:many], "count": many, "pages": ["0000.webp"] * (-(-many // 1024))}
    write_json(thumbs, index)
