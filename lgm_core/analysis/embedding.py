"""A run that maps the real images of a split in one backbone, and places other runs' images among them.

Legend: N real images on the map, M images of a source, D features, K neighbours.

>>> embed(
...     bench, config, recorder, sources, places(), wrongness
... )  # map.json: PCA and UMAP of the real images, each source's images on both; neighbours of all
>>> recorder.run.map()["sources"]["demo-lgm-mobilenet_v2-s0"]["own_rank"]
[1, 1, 3, 1, 1, 1, 1, 12, 1, 1]
"""

import hashlib
import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import torch
from jaxtyping import Float, Int, Shaped
from torch import Tensor

from lgm_core.analysis.neighbours import nearest, neighbours_within, own_rank, say_if_approximate
from lgm_core.analysis.projection import fit_pca, place_beside, umap_points
from lgm_core.analysis.thumbnails import Thumbnails, drawing
from lgm_core.analysis.trail import clean_features, rounded
from lgm_core.backbones.abstract_bench import Bench
from lgm_core.base.errors import UserError
from lgm_core.base.interfaces import ImageSet, generator
from lgm_core.base.places import Places
from lgm_core.base.settings import SharedConfig
from lgm_core.base.tensor_files import load_cached, save_tensors
from lgm_core.datasets.baselines import choose_centroids
from lgm_core.datasets.spread import spread
from lgm_core.runs.recorder import Recorder
from lgm_core.runs.source_runs import images_of
from lgm_core.runs.store import RunFolder

Wrongness = Callable[[tuple[Tensor, Tensor], Tensor, Tensor], Tensor]  # (images, labels), real features, labels -> [N]


def embed(
    bench: Bench, config: SharedConfig, recorder: Recorder, sources: Sequence[RunFolder], places: Places,
    wrongness: Wrongness,
) -> None:  # fmt: skip
    """A map of one split's real images in one backbone, and where the sources' images lie on it.

    `wrongness` tells, for each real image, how far a head trained on the first source's images is from its true class.
    """
    images: ImageSet = bench.train if config.embed.split == "train" else bench.test
    for source in sources:
        _check_classes(images_of(source)[1], bench.classes, source.id, config.dataset)
    thumbnails = Thumbnails(images, config.dataset, config.embed.split, places.thumbs)
    with drawing(thumbnails, recorder):
        real = RealMap(bench, config, images, places.maps)
        values = real.facts() | {"thumbs": thumbnails.key, "wrong": None, "distance": None, "sources": {}}
        recorder.map(values, {})  # what is known so far; the rest follows source by source
        closest = torch.full((len(real.indices),), -torch.inf)
        for source in sources:
            bench.phase(f"placing the images of {source.id}")
            pictures, labels = images_of(source)
            features = bench.seen_clean(pictures, real.backbone)
            values["sources"][source.id] = real.place(features, labels)
            closest = torch.maximum(closest, _similarity_to_own(real, features, labels))
        if sources:
            wrong = wrongness(images_of(sources[0]), real.features, real.labels)
            values |= {"wrong": rounded(wrong, 4), "distance": rounded(1 - closest.clamp_min(-1), 4)}
        recorder.map(values, {})
        if not recorder.run.near_file.exists():
            save_tensors(real.neighbours(), recorder.run.near_file)


class RealMap:
    """Some real images of a split in one backbone: their features, and two maps of them."""

    def __init__(self, bench: Bench, config: SharedConfig, images: ImageSet, maps: Path) -> None:
        """`maps`: where UMAPs are kept for every run that asks for the same one again."""
        self._bench, self._config, self._images, self._maps = bench, config, images, maps
        self.backbone = bench.backbone(config.networks()[0])
        self.indices = spread(images.labels, config.embed.images)
        self.labels = images.labels[self.indices]
        self.features = clean_features(bench, images, self.indices, self.backbone)
        self._pca = fit_pca(self.features)
        self._pca_points = self._pca.project(self.features)
        bench.phase(f"UMAP of {len(self.indices)} images in {self.backbone.name}")
        self._umap = self._open_umap()
        self._means = self._class_picks()

    def facts(self) -> dict[str, Any]:
        """The real side of map.json."""
        images, config = self._images, self._config
        return {
            "split": config.embed.split,
            "backbone": config.networks()[0],
            "classes": list(images.classes),
            "explained": rounded(self._pca.explained, 4),
            "indices": self.indices.tolist(),
            "labels": self.labels.tolist(),
            "groups": None if images.groups is None else images.groups[self.indices].tolist(),
            "group_names": list(images.group_names),
            "pca": rounded(self._pca_points),
            "umap": rounded(self._umap),
        }

    def place(self, features: Float[Tensor, "m d"], labels: Int[Tensor, "m"]) -> dict[str, Any]:
        """One source's images on the maps, their neighbours (indices into the split), and further facts about them."""
        config = self._config.embed
        places, similarity = nearest(features, self.features, k=max(config.k, config.umap_neighbours))
        places, similarity, on_cpu = places.cpu(), similarity.cpu(), features.cpu()
        around = slice(0, config.umap_neighbours)
        return {
            "labels": labels.tolist(),
            "pca": rounded(self._pca.project(on_cpu)),
            "umap": rounded(place_beside(self._umap, places[:, around], similarity[:, around])),
            "nearest": self.indices[places[:, : config.k]].tolist(),
            "similarity": rounded(similarity[:, : config.k], 4),
            "nearest_labels": self.labels[places[:, : config.k]].tolist(),
            "own_rank": own_rank(features, labels, self.features, self.labels).tolist(),
            "centroid": [self._means[0][label] for label in labels.tolist()],
            "random": [self._means[1][label] for label in labels.tolist()],
        }

    def neighbours(self) -> dict[str, Shaped[Tensor, "n k"]]:
        """The nearest other real images of each real image: indices in the split (int32) and cosines (float16)."""
        bench, count = self._bench, len(self.features)
        say_if_approximate(count, bench.note)
        places, similarity = neighbours_within(
            self.features, k=self._config.embed.k, device=bench.compute.device,
            told=lambda done: bench.phase("neighbours of the real images", done, count),
        )  # fmt: skip
        return {"indices": self.indices[places].int(), "similarity": similarity.half()}

    def _class_picks(self) -> tuple[list[int], list[int]]:
        """For each class on the map: the image nearest to its mean, and one at random; -1 where it has none."""
        centroids, randoms = [-1] * self._bench.classes, [-1] * self._bench.classes
        for label in self.labels.unique().tolist():
            members = (self.labels == label).nonzero().flatten()
            own = choose_centroids(self.features[members], torch.zeros_like(members), classes=1, per_class=1)
            pick = torch.randint(len(members), (1,), generator=generator("cpu", self._config.seed, label))
            centroids[label] = int(self.indices[members[own]])
            randoms[label] = int(self.indices[members[pick]])
        return centroids, randoms

    def _open_umap(self) -> Float[Tensor, "n 2"]:
        """The UMAP of these very features, kept for later runs that ask for the same one."""
        config, folder = self._config.embed, self._maps
        facts = [config.umap_neighbours, config.umap_min_dist, list(self.features.shape)]
        digest = hashlib.sha256(json.dumps(facts).encode())
        digest.update(self.features.numpy().data)
        path = folder / f"umap-{digest.hexdigest()[:24]}.safetensors"
        if (known := load_cached(path, self._bench.note)) is not None:
            return known["points"]
        points = umap_points(self.features, neighbours=config.umap_neighbours, min_dist=config.umap_min_dist, seed=0)
        folder.mkdir(parents=True, exist_ok=True)
        save_tensors({"points": points}, path)
        return points


def _similarity_to_own(real: RealMap, features: Float[Tensor, "m d"], labels: Int[Tensor, "m"]) -> Float[Tensor, "n"]:
    """Cosine of each real image to the nearest of the source's images of its class; -inf where there is none."""
    found = torch.full((len(real.labels),), -torch.inf)
    for label in labels.unique().tolist():
        rows = (real.labels == label).nonzero().flatten()
        if len(rows):
            found[rows] = nearest(real.features[rows], features[labels == label].cpu(), k=1)[1].flatten()
    return found


def _check_classes(labels: Tensor, classes: int, run: str, dataset: str) -> None:
    if int(labels.max()) >= classes:
        raise UserError(
            f"the run {run!r} has images of {int(labels.max()) + 1} classes, but {dataset} has {classes}; "
            "name runs of the same data set as sources"
        )
