"""The images that a baseline takes: those of a folder, of a published set, or training images.

These are chosen by chance, by features in one backbone or in several, or as a file says.

>>> choose(bench, config, source=None)  # indices into bench.train
"""

from collections.abc import Callable
from functools import partial
from pathlib import Path

import torch
from jaxtyping import Int
from torch import Tensor

from lgm_core.backbones.abstract_bench import Bench
from lgm_core.base.interfaces import HardSet, LearnedSet
from lgm_core.base.names import load
from lgm_core.config import RunConfig
from lgm_core.datasets import baselines, rivals
from lgm_core.datasets.given import given_images, own_side
from lgm_core.methods.catalog import method_of, own_settings
from lgm_core.runs.source_runs import images_of
from lgm_core.runs.start import require_like_source
from lgm_core.runs.store import RunFolder

_BY_DISTANCE: dict[str, Callable[..., Tensor]] = {
    "centroids": baselines.choose_centroids,
    "herding": baselines.choose_herding,
    "k-centres": baselines.choose_k_centres,
}


def taken_images(
    bench: Bench, config: RunConfig, source: RunFolder | None
) -> tuple[LearnedSet, Int[Tensor, "p"] | None, list[str]]:
    """The images that a baseline takes, which of the training images they are, and where they come from.

    `source`: the run whose neighbours are chosen.
    """
    folder = config.baseline.folder
    if config.baseline.choice == "imported":
        return load(method_of(config).published)(own_settings(config), config, bench), None, [folder]
    if config.baseline.choice == "given":
        given = given_images(Path(folder), bench.train.classes)
        pictures = bench.pictures(given, torch.arange(len(given)), own_side(given) or config.data.resize)
        return HardSet(pictures, given.labels), None, [given.origin(i) for i in range(len(given))]
    indices = choose(bench, config, source)
    pictures, labels = bench.pictures(bench.train, indices, config.data.resize), torch.as_tensor(bench.train.labels)
    return HardSet(pictures, labels[indices]), indices, [bench.train.origin(i) for i in indices.tolist()]


def choose(bench: Bench, config: RunConfig, source: RunFolder | None) -> Int[Tensor, "p"]:
    """Indices of the training images that a baseline takes, class-major where it is the same number of each class."""
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
        tick = partial(bench.phase, "drawing images")
        return rivals.choose_best_random(
            spaces, labels, classes=classes, per_class=per_class, seed=config.seed, tick=tick
        )
    if config.baseline.choice == "greedy":
        tick = partial(bench.phase, "exchanging images")
        return rivals.choose_greedy(spaces, labels, classes=classes, per_class=per_class, seed=config.seed, tick=tick)
    way = _BY_DISTANCE[config.baseline.choice]
    return way(rivals.joined_space(spaces), labels, classes=classes, per_class=per_class)
