"""A run that compares how backbones see a data set: how alike, pair by pair, and where not, image by image.

>>> align(bench, config, recorder, places().thumbs)  # alignment.json: a pair is null until it is computed
>>> recorder.run.alignment()["cka"]
[[1.0, 0.62, None], [0.62, 1.0, None], [None, None, 1.0]]
"""

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from lgm_core.analysis.aligned_maps import aligned_pca, aligned_umap
from lgm_core.analysis.alignment import MEASURES
from lgm_core.analysis.calibration import Calibrated, calibrated, consensus, permutations, resamples
from lgm_core.analysis.neighbours import say_if_approximate
from lgm_core.analysis.samples import Permuted, Prepared, Resampled, prepare
from lgm_core.analysis.thumbnails import Thumbnails, drawing
from lgm_core.analysis.torn_groups import torn_groups
from lgm_core.analysis.trail import clean_features
from lgm_core.backbones.abstract_bench import Bench
from lgm_core.base.settings import SharedConfig
from lgm_core.base.tensor_files import save_tensors
from lgm_core.datasets.spread import spread
from lgm_core.runs.recorder import Recorder

_KS = (1, 2, 5, 10, 20, 50, 100, 200, 500)
_GRAPH = 20  # neighbours in the graph that is searched for torn groups
_CONSENSUS_K = 10  # or the nearest k that there is


def align(bench: Bench, config: SharedConfig, recorder: Recorder, thumbs: Path) -> None:
    """Compare every pair of backbones on the test images, then map all of them."""
    thumbnails = Thumbnails(bench.test, config.dataset, "test", thumbs)
    with drawing(thumbnails, recorder):
        comparison = Comparison(bench, config, recorder)
        comparison.values["thumbs"] = thumbnails.key
        recorder.alignment(comparison.values)
        for place in range(len(comparison.names)):
            comparison.add(place)
        comparison.write_images()
        if config.align.maps:
            comparison.add_maps()
            comparison.write_images()


class Comparison:
    """What is known so far: `values` for alignment.json, `images` for disagreement.safetensors."""

    def __init__(self, bench: Bench, config: SharedConfig, recorder: Recorder) -> None:
        self._bench, self._config, self._recorder = bench, config, recorder
        self.names = list(dict.fromkeys(config.evaluate_on))
        self._indices = spread(bench.test.labels, config.align.images)
        n = len(self._indices)
        say_if_approximate(n, bench.note)
        self.ks = [k for k in _KS if k < min(config.align.largest_k, n - 1)]
        self.ks.append(min(config.align.largest_k, n - 1))
        self._orders = permutations(n, config.align.permutations, config.seed)
        self._weights = resamples(n, config.align.resamples, config.seed)
        self.values: dict[str, Any] = _empty(self.names, n, self.ks) | {"classes": list(bench.test.classes)}
        self._features: list[Tensor] = []
        self._prepared: list[Prepared] = []
        self._shared: list[Tensor] = []
        self.images = {
            "indices": self._indices.int(), "labels": torch.as_tensor(bench.test.labels)[self._indices].int()
        }  # fmt: skip

    def add(self, place: int) -> None:
        """Take in a backbone, and compare it with those that are in."""
        settings, name = self._config.align, self.names[place]
        backbone = self._bench.backbone(name)
        features = clean_features(self._bench, self._bench.test, self._indices, backbone)
        self._features.append(features.to(self._bench.compute.device))
        self._bench.phase(f"neighbours in {name}")
        self._prepared.append(
            prepare(
                self._features[place], k=self.ks[-1], cka_kernel=settings.cka_kernel, rsa_kernel=settings.rsa_kernel,
                axes=settings.axes,
            )
        )  # fmt: skip
        for other in range(place):
            self._compare(other, place)
            self._recorder.alignment(self.values)

    def add_maps(self) -> None:
        """One map of each backbone, laid over each other."""
        embed = self._config.embed
        self._bench.phase(f"aligned maps of {len(self._indices)} images in {len(self.names)} backbones")
        self.images["pca"] = aligned_pca(self._features)
        self.images["umap"] = aligned_umap(
            self._features, neighbours=embed.umap_neighbours, min_dist=embed.umap_min_dist, seed=self._config.seed
        )

    def write_images(self) -> None:
        """The facts about each image, in the order of `pairs`, which alignment.json lists."""
        near = [one.neighbourhood for one in self._prepared]
        self.images["neighbours"] = torch.stack([one.near.int().cpu() for one in near])
        self.images["similarity"] = torch.stack([one.kernel.half().cpu() for one in near])
        self.images["shared"] = torch.stack(self._shared)
        save_tensors(self.images, self._recorder.run.images_file)

    def _compare(self, i: int, j: int) -> None:
        left, right = self._prepared[i], self._prepared[j]
        said = f"comparing {self.names[i]} and {self.names[j]}"
        self._bench.phase(said)
        chance = Permuted(left, right, ks=self.ks, permutations=self._orders)
        self._shared.append(chance.shared.counts.short().cpu())
        drawn = Resampled(left, right, chance.shared, self._weights)
        found: dict[tuple[str, int | None], Calibrated] = {}
        for step, (name, k) in enumerate(asked := list(_asked(self.ks))):
            self._bench.phase(said, step, len(asked))
            values, samples = (_value(name, k, one) for one in (chance, drawn))
            table = self.values["mutual_knn"][str(k)] if name == "mutual_knn" else self.values.get(name)
            if table:
                table[i][j] = table[j][i] = round(float(values[0]), 5)
            if len(self._orders):
                found[name, k] = calibrated(value=float(values[0]), chance=values[1:], resampled=samples)
        self.values["measured"] += _told((i, j), found)
        self._bench.phase(f"groups that {self.names[i]} and {self.names[j]} do not agree on")
        null = {str(k): one.tolist() for k, one in zip(self.ks, chance.histograms, strict=True)}
        self.values["pairs"].append({"pair": [i, j], "null": null, "torn": [self._torn(i, j), self._torn(j, i)]})

    def _torn(self, near: int, far: int) -> list[dict[str, Any]]:
        """Groups that backbone number `near` holds together and `far` tears apart."""
        count = self._config.align.groups
        if not count:
            return []
        neighbours = self._prepared[near].neighbourhood.near[:, :_GRAPH]
        features = self._features[near], self._features[far]
        return [asdict(group) for group in torn_groups(*features, neighbours, groups=count, seed=self._config.seed)]


def _asked(ks: Sequence[int]):
    """Every measure, those that take a k with each."""
    for name, row in MEASURES.items():
        yield from ((name, k) for k in (ks if row.local else (None,)))


def _value(name: str, k: int | None, samples: Permuted | Resampled) -> Tensor:
    row = MEASURES[name]
    return row.function(samples, k) if row.local else row.function(samples)


def _told(pair: tuple[int, int], found: dict[tuple[str, int | None], Calibrated]) -> list[dict[str, Any]]:
    """A row for each calibrated measure of a pair, and one for their consensus."""
    rows = []
    for (name, k), one in found.items():
        facts = {key: value for key, value in asdict(one).items() if key != "score_samples"}
        rows.append({"pair": list(pair), "measure": name, "k": k} | {key: _short(v) for key, v in facts.items()})
    if found:
        ks = [k for _, k in found if k]
        k = min(ks, key=lambda k: abs(k - _CONSENSUS_K))
        counted = [one for (name, its), one in found.items() if MEASURES[name].counts and its in (None, k)]
        facts = {key: _short(value) for key, value in consensus(counted).items()}
        rows.append({"pair": list(pair), "measure": "consensus", "k": k} | facts)
    return rows


def _short(value: Any) -> Any:
    return [round(one, 5) for one in value] if isinstance(value, tuple) else round(value, 5)


def _empty(names: list[str], images: int, ks: list[int]) -> dict[str, Any]:
    """The result before any pair is compared: None everywhere but on the diagonal, where every measure is 1."""

    def empty() -> list[list[float | None]]:
        return [[1.0 if i == j else None for j in range(len(names))] for i in range(len(names))]

    return {
        "backbones": names, "images": images, "split": "test", "cka": empty(), "cka_debiased": empty(),
        "rsa": empty(), "procrustes": empty(), "mutual_knn": {str(k): empty() for k in ks},
        "ceiling": {"cka": 1.0, "cka_debiased": 1.0, "mutual_knn": dict.fromkeys(map(str, ks), 1.0)},
        "chance": {"mutual_knn": {str(k): round(k / (images - 1), 5) for k in ks}}, "ks": ks, "measured": [],
        "pairs": [],
    }  # fmt: skip
