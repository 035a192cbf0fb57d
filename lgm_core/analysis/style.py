"""A run that looks at the style of a set, and at how robust it is: spectrum, colours, damage, and how near to copies.

Robustness: the *set's own images* are damaged before the nearest class means are taken from them; the test images stay
as they are. Copies: each image beside the real training image that is nearest in the backbone, by cosine and by SSIM.
Diversity, of several images per class: how near they are to each other, and how evenly they cover the real ones.
Legend: N images of the set, R their side, K real images.

>>> look_at_style(bench, config, recorder)  # findings.json
>>> recorder.run.findings()["damage"]["JPEG quality"]["mobilenet_v2"]
[0.861, 0.86, 0.852, 0.84, 0.79, 0.71]
"""

from typing import Any

from jaxtyping import Float, Int
from torch import Tensor

from lgm_core.analysis.neighbours import nearest
from lgm_core.analysis.style_measures import (
    STRENGTHS,
    bin_centres,
    coverage,
    damaged,
    lab_histograms,
    most_alike,
    nearest_of_own,
    radial_power,
)
from lgm_core.analysis.thumbnails import Thumbnails, drawing
from lgm_core.backbones.abstract_bench import VIEW_AUGMENT, Bench
from lgm_core.backbones.features import view_features
from lgm_core.base.interfaces import generator
from lgm_core.base.settings import SharedConfig
from lgm_core.datasets.spread import spread
from lgm_core.evaluation.nearest_mean import ClassMeans
from lgm_core.evaluation.seen import Seen, held_out
from lgm_core.runs.recorder import Recorder
from lgm_core.runs.source_runs import images_of, open_source
from lgm_core.runs.store import RunStore

_REAL = 200  # real images whose style is compared, at most


def look_at_style(bench: Bench, config: SharedConfig, recorder: Recorder) -> None:
    """Style beside real images, then robustness in every backbone in `evaluate_on`, then the nearest real images."""
    images, labels = images_of(open_source(RunStore(recorder.run.path.parent), config.source))
    names = list(dict.fromkeys(config.evaluate_on or config.networks()))
    thumbnails = Thumbnails(bench.train, config.dataset, "train", bench.cache / "thumbs")
    with drawing(thumbnails, recorder):
        _look(bench, config, recorder, images, labels, names, thumbnails.key)


def _look(
    bench: Bench, config: SharedConfig, recorder: Recorder, images: Float[Tensor, "n 3 r r"], labels: Int[Tensor, "n"],
    names: list[str], thumbs: str,
) -> None:  # fmt: skip
    bench.phase("spectrum and colours")
    chosen = spread(bench.train.labels, _REAL)
    real = bench.pictures(bench.train, chosen, images.shape[-1]).cpu()
    values: dict[str, Any] = {
        "kind": "style", "source": config.source, "dataset": config.dataset, "classes": list(bench.test.classes),
        "images": len(images), "side": images.shape[-1], "real_images": len(real), "backbones": names, "thumbs": thumbs,
        "power": {"set": _rounded(radial_power(images)), "real": _rounded(radial_power(real))},
        "lab": {"centres": bin_centres()}
        | {name: _rounded(lab_histograms(part)) for name, part in (("set", images), ("real", real))},
        "strengths": {kind: list(strengths) for kind, strengths in STRENGTHS.items()},
        "views": config.look.views, "damage": {kind: {name: [] for name in names} for kind in STRENGTHS}, "copies": [],
    }  # fmt: skip
    recorder.findings(values)
    for name in names:
        for kind, strengths in STRENGTHS.items():
            for strength in strengths:
                bench.phase(f"{kind} {strength:g} in {name}")
                worse = damaged(images, kind, strength, generator("cpu", config.seed))
                values["damage"][kind][name].append(_accuracy(bench, config, name, worse, labels))
            recorder.findings(values)
    values["copies"] = _copies(bench, names[0], images, labels)
    if int(labels.unique(return_counts=True)[1].min()) > 1:
        values["diversity"] = [_diversity(bench, name, images, labels) for name in names]
    recorder.findings(values)


def _accuracy(
    bench: Bench, config: SharedConfig, name: str, images: Float[Tensor, "n 3 r r"], labels: Int[Tensor, "n"]
) -> float:
    """Top-1 of the nearest class means of these images' views, on the test images."""
    backbone, device = bench.backbone(name), bench.compute.device
    views = view_features(
        images.to(device), backbone, bench.augment(VIEW_AUGMENT, backbone), bench.compute, views=config.look.views,
        batch=bench.batch, seed=0,
    )  # fmt: skip
    means = ClassMeans(Seen(views, labels.to(device)), classes=bench.classes)
    return float(held_out(bench, name).report(means.scores)["top1"])


def _copies(
    bench: Bench, name: str, images: Float[Tensor, "n 3 r r"], labels: Int[Tensor, "n"]
) -> list[dict[str, Any]]:
    """Each image's nearest real training image in a backbone: which, its cosine, and how alike the pixels are."""
    bench.phase(f"nearest real images in {name}")
    backbone = bench.backbone(name)
    features = bench.clean_bank(bench.train, backbone).features[:, 0]
    places, cosines = nearest(bench.seen_clean(images, backbone), features, k=1)
    near = bench.pictures(bench.train, places[:, 0].cpu(), images.shape[-1]).cpu()
    alike = most_alike(images, near)
    return [
        {"image": i, "label": int(labels[i]), "nearest": int(places[i, 0]), "cosine": round(float(cosines[i, 0]), 4),
         "ssim": round(float(alike[i]), 4)}
        for i in range(len(images))
    ]  # fmt: skip


def _diversity(bench: Bench, name: str, images: Float[Tensor, "n 3 r r"], labels: Int[Tensor, "n"]) -> dict[str, Any]:
    """How different the images of a class are in a backbone: `nearest_of_own` and `coverage`."""
    bench.phase(f"diversity in {name}")
    backbone = bench.backbone(name)
    features, real = bench.seen_clean(images, backbone).cpu(), bench.clean_bank(bench.train, backbone)
    covered = coverage(features, labels, real.features[:, 0], real.labels)
    return {"backbone": name, "cosine": round(nearest_of_own(features, labels), 4), "coverage": round(covered, 4)}


def _rounded(values: Tensor) -> Any:
    return [_rounded(row) for row in values] if values.ndim > 1 else [round(float(value), 5) for value in values]
