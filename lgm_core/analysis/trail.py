"""A map kept during a distillation: some real images on two fixed axes, and the synthetic ones' path across it.

The axes are fixed at the first frame, and kept in its folder, so that a resumed run goes on with the same map.

>>> trail = Trail(bench, config, recorder, places().thumbs)
>>> trail.mark(step, images, labels)  # one line of trail.jsonl: places, nearest real images, radius
"""

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


class Trail:
    """Places the synthetic images of each frame on the run's map; does nothing where the map is switched off."""

    def __init__(self, bench: Bench, config: SharedConfig, recorder: Recorder, thumbs: Path) -> None:
        """`thumbs`: the folder of the thumbnails that all runs share."""
        self._bench, self._recorder, self._name = bench, recorder, config.networks()[0]
        self.thumbnails = Thumbnails(bench.train, config.dataset, "train", thumbs)
        count = min(config.record.map_images, PER_STEP * config.steps)
        self.active = count > 2 and not is_student(self._name)  # a student's features change
        self._indices, self._is_open = spread(bench.train.labels, count), False

    def mark(self, step: int, images: Float[Tensor, "n 3 r r"], labels: Tensor) -> None:
        """Write where images in [0, 1] lie at a step."""
        if not self.active:
            return
        if not self._is_open:  # not before the first frame is drawn: whoever watches sees that first
            self._open()
        features = self._bench.seen_clean(images, self._backbone)
        places, similarity = nearest(features, self._features, k=NEAREST)
        self._recorder.trail(
            step,
            {
                "points": rounded(self._pca.project(features.cpu())),
                "nearest": self._indices[places.cpu()].tolist(),
                "similarity": rounded(similarity, 4),
                "radius": rounded(radius(features, labels, self._means, self._spread), 4),
            },
        )

    def _open(self) -> None:
        bench = self._bench
        if self._recorder.config.thumbnails:
            self.thumbnails.begin()
        self._backbone = bench.backbone(self._name)
        features = clean_features(bench, bench.train, self._indices, self._backbone)
        self._labels = bench.train.labels[self._indices]
        self._features = features.to(bench.compute.device)
        self._means, self._spread = class_centres(self._features, self._labels, classes=bench.classes)
        self._pca = self._open_map(features)
        self._is_open = True

    def _open_map(self, features: Float[Tensor, "n d"]) -> Pca:
        run = self._recorder.run
        known = run.map()
        if known.get("indices") == self._indices.tolist() and (axes := load_cached(run.map_axes, self._recorder.note)):
            return Pca(axes["mean"], axes["axes"], axes["explained"])
        pca = fit_pca(features)
        values = {
            "thumbs": self.thumbnails.key,
            "split": "train",
            "backbone": self._name,
            "classes": list(self._bench.train.classes),
            "explained": rounded(pca.explained, 4),
            "indices": self._indices.tolist(),
            "labels": self._labels.tolist(),
            "points": rounded(pca.project(features)),
        }
        self._recorder.map(values, {"mean": pca.mean, "axes": pca.axes, "explained": pca.explained})
        return pca


def clean_features(bench: Bench, images: ImageSet, indices: Tensor, backbone: Backbone) -> Float[Tensor, "n d"]:
    """Features of the centre crops of some real images, float32, on the CPU; kept like every bank."""
    chosen = images if len(indices) == len(images) else Subset(images, indices, f"{images.name}:map-{len(indices)}")
    return bench.clean_bank(chosen, backbone).features[:, 0].float()


def rounded(values: Tensor, digits: int = 5) -> Any:
    """Nested lists of numbers with so many significant digits: a map is read by browsers."""
    if values.ndim > 1:
        return [rounded(row, digits) for row in values]
    return [float(f"{value:.{digits}g}") for value in values.tolist()]
