"""A run that shows what backbones see place by place, on a set's images and on real ones.

Two pictures per backbone and image: its patches on three principal axes as colours (patch_colours.py), and the evidence
for the image's class: what each patch adds to the class's score in a linear head on the mean of the patches, over what
it adds to the average class. The patches' evidence and a constant add up to the score exactly. Of a contrast set also
the evidence for the class that the images mean to its second backbone, in the same tints.
Legend: N images, S side of the input, D features, H and W places, C classes.

>>> show_patches(bench, config, recorder)  # findings.json, and an atlas of N pictures per backbone and view in frames/
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from jaxtyping import Float, Int
from torch import Tensor
from torch.nn.functional import interpolate

from lgm_core.analysis.patch_colours import colours, fit_axes, turn_onto
from lgm_core.analysis.real_accuracy import open_real
from lgm_core.backbones.abstract_bench import Bench
from lgm_core.backbones.points import layer_and_readout, split_point
from lgm_core.base.errors import UserError
from lgm_core.base.interfaces import Backbone
from lgm_core.base.settings import SharedConfig
from lgm_core.datasets.spread import spread
from lgm_core.evaluation.contrast import other_meaning
from lgm_core.evaluation.converged import ConvergedHead
from lgm_core.runs.frames import save_atlas
from lgm_core.runs.recorder import Recorder
from lgm_core.runs.source_runs import open_source, read_set
from lgm_core.runs.store import RunStore

_SIDE = 160  # pixels of a picture
_TAIL = 0.01
_NAMES = ("evidence", "other")  # for the image's class, and for that which it means to a second backbone
_FOR, _AGAINST = (0.84, 0.37, 0.0), (0.0, 0.45, 0.70)  # vermillion and blue, which everybody can tell apart


@dataclass(frozen=True)
class Shown:
    """The images that are looked at: those of the set first, then real test images of the same classes.

    other  the class that images of each one's class mean to the second backbone; None where the set is no contrast
    """

    set_images: Float[Tensor, "m 3 r r"]
    real_indices: Int[Tensor, "k"]
    labels: Int[Tensor, "n"]
    other: Int[Tensor, "n"] | None


def show_patches(bench: Bench, config: SharedConfig, recorder: Recorder) -> None:
    """Colours and evidence of every backbone in `evaluate_on`, the first of which the others are turned onto."""
    shown = _choose(bench, config, recorder)
    names = list(dict.fromkeys(config.evaluate_on or config.networks()))
    values: dict[str, Any] = {
        "kind": "patches", "source": config.source, "dataset": config.dataset, "classes": list(bench.test.classes),
        "labels": shown.labels.tolist(), "set_images": len(shown.set_images),
        "real_indices": shown.real_indices.tolist(), "backbones": [], "atlases": [],
        **({} if shown.other is None else {"other_labels": shown.other.tolist()}),
    }  # fmt: skip
    reference: Tensor | None = None
    for place, name in enumerate(names):
        bench.phase(f"patches in {name}", place, len(names))
        point = averaging_point(name, bench.backbone(name))
        views, maps = _seen(bench, config, shown, bench.backbone(point))
        axes = fit_axes(maps)
        scores, fit = axes.scores(maps), 1.0
        if reference is None:
            reference = scores
        else:
            scores, fit = turn_onto(reference, scores)
        evidence, margins, predicted = _evidence(bench, point, maps, shown)
        pictures = {"colours": _enlarged(colours(scores))}
        pictures |= dict(zip(_NAMES, _overlaid(views, evidence), strict=False))
        pictures = {"images": _enlarged(views.permute(0, 2, 3, 1)), **pictures} if not place else pictures
        for what, found in pictures.items():
            values["atlases"].append({"backbone": name, "what": what, **_save(found, f"{place}-{what}", recorder)})
        values["backbones"].append({
            "backbone": name, "point": split_point(point)[1], "grid": list(maps.shape[2:]), "fit": round(fit, 4),
            "explained": [round(float(share), 4) for share in axes.explained[:3]],
            "predicted": predicted.tolist(), **dict(zip(("margins", "other_margins"), margins, strict=False)),
        })  # fmt: skip
        recorder.findings(values)


def averaging_point(name: str, backbone: Backbone) -> str:
    """The backbone read where its features are the mean of its patches, so that each patch has its own share in them.

    Raises `UserError` for a backbone without such a point.
    """
    plain, point = split_point(name)
    layer, readout = layer_and_readout(point)
    if readout in ("mean", "pool"):
        return name
    if readout == "cls":
        return f"{plain}@{layer}.mean"
    points = list(backbone.points())
    if not points:
        raise UserError(f"{name} has no layer whose features are the mean of its patches; name BACKBONE@LAYER.READOUT")
    return f"{plain}@{points[-1]}"


def _choose(bench: Bench, config: SharedConfig, recorder: Recorder) -> Shown:
    """The first image of each of the first classes of the set, and as many real test images of each of these."""
    learned = read_set(open_source(RunStore(recorder.run.path.parent), config.source))
    images, labels, meaning = learned.images, learned.labels, other_meaning(learned, bench.classes)
    classes = labels.unique()[: config.look.classes]
    first = torch.stack([(labels == label).nonzero()[0, 0] for label in classes])
    known = torch.isin(bench.test.labels, classes).nonzero().flatten()
    real = known[spread(bench.test.labels[known], len(classes) * config.look.real_per_class)]
    real = real[bench.test.labels[real].argsort(stable=True)]
    of_all = torch.cat([labels[first], bench.test.labels[real]])
    return Shown(images[first], real, of_all, torch.tensor(meaning)[of_all] if meaning else None)


def _seen(
    bench: Bench, config: SharedConfig, shown: Shown, backbone: Backbone
) -> tuple[Float[Tensor, "n 3 s s"], Float[Tensor, "n d h w"]]:
    """Centre crops of the images as the banks have them, in [0, 1], and their maps; on the CPU."""
    side = backbone.input_size
    whole = round(config.data.resize * side / 224)
    real = bench.pictures(bench.test, shown.real_indices, whole)
    made = shown.set_images.to(real.device)
    made = interpolate(made, size=(whole, whole), mode="bilinear", antialias=True)
    margin = (whole - side) // 2
    views = torch.cat([made, real])[:, :, margin : margin + side, margin : margin + side]
    with torch.no_grad(), bench.compute.autocast(backbone):
        maps = [backbone.map_of(backbone.normalise(part)).float().cpu() for part in views.split(bench.batch)]
    return views.cpu(), torch.cat(maps)


def _evidence(
    bench: Bench, name: str, maps: Float[Tensor, "n d h w"], shown: Shown
) -> tuple[list[Float[Tensor, "n h w"]], list[list[float]], Int[Tensor, "n"]]:
    """What each patch adds to the margin of the image's class over the mean class; the margins; the predictions.

    The first two for each meaning of the images.
    """
    real = open_real(bench, name)
    head = ConvergedHead(real.train, classes=bench.classes)
    pooled = maps.mean(dim=(2, 3)).to(bench.compute.device)
    scores, places = head.scores(pooled).cpu(), maps[0, 0].numel()
    weight, constant = (part.cpu() for part in head.margins())
    evidence = [
        (torch.einsum("ndhw,nd->nhw", maps, weight[labels]) + constant[labels][:, None, None]) / places
        for labels in (shown.labels, shown.other) if labels is not None
    ]  # fmt: skip
    margins = [[round(float(margin), 3) for margin in one.sum(dim=(1, 2))] for one in evidence]
    return evidence, margins, scores.argmax(dim=1)


def _enlarged(pictures: Float[Tensor, "n h w 3"]) -> Float[Tensor, "n p p 3"]:
    """Pictures of one size; patches keep their edges."""
    mode = "bilinear" if pictures.shape[1] > _SIDE else "nearest"
    more = {"antialias": True} if mode == "bilinear" else {}
    return interpolate(pictures.permute(0, 3, 1, 2), size=(_SIDE, _SIDE), mode=mode, **more).permute(0, 2, 3, 1)


def _overlaid(
    views: Float[Tensor, "n 3 s s"], evidence: Sequence[Float[Tensor, "n h w"]]
) -> list[Float[Tensor, "n p p 3"]]:
    """Grey images for each meaning, tinted where the evidence is: the strongest of all patches has the full tint."""
    grey = interpolate(views.mean(dim=1, keepdim=True), size=(_SIDE, _SIDE), mode="bilinear", antialias=True)
    full = torch.stack(list(evidence)).abs().flatten().quantile(1 - _TAIL).clamp_min(1e-12)
    pictures = []
    for one in evidence:
        fine = interpolate((one / full)[:, None], size=(_SIDE, _SIDE), mode="bilinear").clamp(-1, 1)
        tint = torch.where(fine > 0, torch.tensor(_FOR).view(1, 3, 1, 1), torch.tensor(_AGAINST).view(1, 3, 1, 1))
        share = 0.75 * fine.abs()
        pictures.append(((1 - share) * grey.expand(-1, 3, -1, -1) + share * tint).permute(0, 2, 3, 1))
    return pictures


def _save(pictures: Float[Tensor, "n p p 3"], name: str, recorder: Recorder) -> dict[str, Any]:
    recorder.run.frames.mkdir(exist_ok=True)
    file = f"{name}.webp"
    pixels = (pictures.clamp(0, 1) * 255).round().byte().numpy()
    return {"file": file, **save_atlas(pixels, recorder.run.frames / file)}
