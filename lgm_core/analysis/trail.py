"""Maps kept during a distillation: some real images on two fixed axes, and the synthetic ones' path across them.

Each network that the images are learned in has a map of its own, of the same real images. The axes are fixed at the
first frame, and kept in the run's folder, so that a resumed run goes on with the same maps.

>>> trail = Trail(bench, config, recorder, places().thumbs)
>>> trail.mark(step, images, labels)  # one line of trail.jsonl: places, nearest real images, radius
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from jaxtyping import Float
from torch import Tensor

from lgm_core.analysis.neighbours import class_centres, nearest, radius
from lgm_core.analysis.projection import Pca, fit_pca
from lgm_core.analysis.thumbnails import Thumbnails
from lgm_core.backbones.abstract_bench import Bench
from lgm_core.backbones.students.student_names import is_student
from lgm_core.base.interfaces import Backbone, ImageSet
from lgm_core.base.settings import SharedConfig
from lgm_core.base.tensor_files import load_cached
from lgm_core.datasets.image_set import Subset
from lgm_core.datasets.spread import spread
from lgm_core.runs.recorder import Recorder

PER_STEP = 4  # most real images on the map per step of the run, so that a short run need not wait for its map
NEAREST = 5
AXES = ("mean", "axes", "explained")


@dataclass(frozen=True)
class _Map:
    """What images are placed by in one network: M real ones there, centres of the C classes, two axes."""

    backbone: Backbone
    features: Float[Tensor, "m d"]
    means: Float[Tensor, "c d"]
    spread: Float[Tensor, "c"]
    pca: Pca

    def mark(self, features: Float[Tensor, "n d"], labels: Tensor, indices: Tensor) -> dict[str, Any]:
        """Places, nearest real images by their `indices` [m], distance to the class's centre in units of its spread."""
        places, similarity = nearest(features, self.features, k=NEAREST)
        return {
            "points": rounded(self.pca.project(features.cpu())),
            "nearest": indices[places.cpu()].tolist(),
            "similarity": rounded(similarity, 4),
            "radius": rounded(radius(features, labels, self.means, self.spread), 4),
        }


class Trail:
    """Places the synthetic images of each frame on the run's maps, one for each network that they are learned in.

    Does nothing where the map is switched off.
    """

    def __init__(self, bench: Bench, config: SharedConfig, recorder: Recorder, thumbs: Path) -> None:
        """`thumbs`: the folder of the thumbnails that all runs share."""
        self._bench, self._recorder, self._names = bench, recorder, config.networks()
        self.thumbnails = Thumbnails(bench.train, config.dataset, "train", thumbs)
        count = min(config.record.map_images, PER_STEP * config.steps)
        self.active = count > 2 and not any(map(is_student, self._names))  # a student's features change
        self._indices, self._maps = spread(bench.train.labels, count), list[_Map]()

    def mark(self, step: int, images: Float[Tensor, "n 3 r r"], labels: Tensor) -> None:
        """Write where images in [0, 1] lie at a step."""
        if not self.active:
            return
        if not self._maps:  # not before the first frame is drawn: whoever watches sees that first
            self._open()
        seen = [self._bench.seen_clean(images, one.backbone) for one in self._maps]
        first, *others = [one.mark(at, labels, self._indices) for one, at in zip(self._maps, seen, strict=True)]
        self._recorder.trail(step, first | ({"others": others} if others else {}))

    def _open(self) -> None:
        bench, run = self._bench, self._recorder.run
        if self._recorder.config.thumbnails:
            self.thumbnails.begin()
        is_same = run.map().get("indices") == self._indices.tolist()
        known = load_cached(run.map_axes, self._recorder.note) or {} if is_same else {}
        labels, tensors, told = bench.train.labels[self._indices], dict[str, Tensor](), list[dict[str, Any]]()
        for place, name in enumerate(self._names):
            backbone, prefix = bench.backbone(name), f"{place}." if place else ""
            features = clean_features(bench, bench.train, self._indices, backbone)
            on_device = features.to(bench.compute.device)
            kept = {key: known[prefix + key] for key in AXES} if prefix + AXES[0] in known else {}
            pca = Pca(**kept) if kept else fit_pca(features)
            centres = class_centres(on_device, labels, classes=bench.classes)
            self._maps.append(_Map(backbone, on_device, *centres, pca))
            tensors |= {prefix + key: getattr(pca, key) for key in AXES}
            points = rounded(pca.project(features))
            told.append({"backbone": name, "explained": rounded(pca.explained, 4), "points": points})
        if known.keys() != tensors.keys():
            values = {
                "thumbs": self.thumbnails.key,
                "split": "train",
                "classes": list(bench.train.classes),
                "indices": self._indices.tolist(),
                "labels": labels.tolist(),
            }
            others = {"others": told[1:]} if told[1:] else {}
            self._recorder.map(values | told[0] | others, tensors)


def clean_features(bench: Bench, images: ImageSet, indices: Tensor, backbone: Backbone) -> Float[Tensor, "n d"]:
    """Features of the centre crops of some real images, float32, on the CPU; kept like every bank."""
    chosen = images if len(indices) == len(images) else Subset(images, indices, f"{images.name}:map-{len(indices)}")
    return bench.clean_bank(chosen, backbone).features[:, 0].float()


def rounded(values: Tensor, digits: int = 5) -> Any:
    """Nested lists of numbers with so many significant digits: a map is read by browsers."""
    if values.ndim > 1:
        return [rounded(row, digits) for row in values]
    return [float(f"{value:.{digits}g}") for value in values.tolist()]
