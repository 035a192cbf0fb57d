"""The real images that a baseline takes: by chance, by features in one backbone or in several, or as a file says.

>>> choose(bench, config, source=None)  # indices into bench.train
"""

from collections.abc import Callable
from functools import partial
from pathlib import Path

import torch
from jaxtyping import Int
from torch import Tensor

from lgm_core.backbones.abstract_bench import Bench
from lgm_core.base.names import load
from lgm_core.config import RunConfig
from lgm_core.datasets import baselines, rivals
from lgm_core.methods.catalog import method_of, own_settings
from lgm_core.runs.source_runs import images_of
from lgm_core.runs.start import require_like_source
from lgm_core.runs.store import RunFolder

_BY_DISTANCE: dict[str, Callable[..., Tensor]] = {
    "centroids": baselines.choose_centroids,
    "herding": baselines.choose_herding,
    "k-centres": baselines.choose_k_centres,
}


def choose(bench: Bench, config: RunConfig, source: RunFolder | None) -> Int[Tensor, "p"]:
    """Indices of the training images that a baseline takes, class-major where it is the same number of each class.

    `source`: the run whose neighbours are chosen.
    """
    labels = torch.as_tensor(bench.train.labels)
    classes, per_class = bench.classes, config.images_per_class
    if config.baseline.choice == "random":
        return baselines.choose_random(labels, classes=classes, per_class=per_class, seed=config.seed)
    if config.baseline.choice == "indices":
        return baselines.read_indices(Path(config.baseline.indices), len(labels))
    if config.baseline.choice == "high-loss":
        return load(method_of(config).high_loss)(own_settings(config), config, bench)
    backbones = [bench.backbone(name) for name in config.networks()]
    spaces = [bench.clean_bank(bench.train, backbone).features[:, 0] for backbone in backbones]
    if source is not None:
        require_like_source(config, source)  # a run of an earlier version may not have been asked
        images, image_labels = images_of(source)
        synthetic = rivals.joined_space([bench.seen_clean(images, backbone).cpu() for backbone in backbones])
        return baselines.choose_neighbours(synthetic, image_labels, rivals.joined_space(spaces), labels)
    if config.baseline.choice == "best-random":
        return rivals.choose_best_random(spaces, labels, classes=classes, per_class=per_class, seed=config.seed)
    if config.baseline.choice == "greedy":
        tick = partial(bench.phase, "exchanging images")
        return rivals.choose_greedy(spaces, labels, classes=classes, per_class=per_class, seed=config.seed, tick=tick)
    way = _BY_DISTANCE[config.baseline.choice]
    return way(rivals.joined_space(spaces), labels, classes=classes, per_class=per_class)
