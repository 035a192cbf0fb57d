"""A run that sweeps over the layers of a backbone: how well each one's features tell the classes apart.

All layers come from one pass over the images, kept as the bank of `BACKBONE@every-layer`.

>>> sweep(bench, config, recorder)  # findings.json: a row per point, the deepest last
>>> recorder.run.findings()["points"][0]["point"]
'block0.cls'
"""

from typing import Any

from lgm_core.analysis.real_accuracy import Real, accuracies, open_real
from lgm_core.analysis.spectrum import eigenvalues, participation_ratio, separation
from lgm_core.backbones.abstract_bench import Bench
from lgm_core.backbones.points import EVERY_LAYER, words_of
from lgm_core.base.errors import UserError
from lgm_core.base.settings import SharedConfig
from lgm_core.runs.recorder import Recorder


def sweep(bench: Bench, config: SharedConfig, recorder: Recorder) -> None:
    """Accuracies, effective dimension and separation at every point of a backbone, and of its own features."""
    name = config.networks()[0]
    backbone = bench.backbone(name)
    sizes = backbone.points()
    if not sizes:
        raise UserError(f"{name} has no layers to sweep over; name a backbone without a point, such as mobilenet_v2")
    values = {"kind": "layers", "backbone": name, "dataset": config.dataset, "k": config.look.k, "points": []}
    every = open_real(bench, f"{name}@{EVERY_LAYER}")
    begin = 0
    for done, (point, size) in enumerate(sizes.items()):
        bench.phase(f"judging layers of {name}", done, len(sizes) + 1)
        part = every.part(slice(begin, begin + size))
        values["points"].append({"point": point, "words": words_of(point), **_row(part, config)})
        recorder.findings(values | _counts(every, bench))
        begin += size
    bench.phase(f"judging layers of {name}", len(sizes), len(sizes) + 1)
    own = {"point": "", "words": str(recorder.run.weights().get(name, {}).get("feature", "its own features"))}
    values["points"].append(own | _row(open_real(bench, name), config))
    recorder.findings(values | _counts(every, bench))


def _row(real: Real, config: SharedConfig) -> dict[str, Any]:
    found = accuracies(real, k=config.look.k)
    features, labels = real.train.features[:, 0].cpu(), real.train.labels.cpu()
    return {
        "features": features.shape[1],
        "top1": {name: report["top1"] for name, report in found.items()},
        "worst_group": {name: report["worst_group"] for name, report in found.items()},
        "dimension": participation_ratio(eigenvalues(features)),
        "separation": separation(features, labels, classes=real.test.classes),
    }


def _counts(real: Real, bench: Bench) -> dict[str, Any]:
    counts = {"train_images": len(real.train.labels), "test_images": len(real.test.labels)}
    return counts | {"classes": list(bench.test.classes)}
