"""What an instrument has found, as tables of text: for the command line, and below the pictures of a page.

>>> for title, columns, rows in tables(run.findings()):
...     print(title, rows[0])
mobilenet_v3_small on imagenette, layer by layer: top-1 in % ['stage0.pool', '16', '41.2', ...]
"""

from collections.abc import Mapping, Sequence
from typing import Any

from lgm_core.runs.finding_shapes import JUDGES

Listing = tuple[str, list[str], list[list[str]]]  # title, columns, rows
DIVERSITY = ("cosine to the nearest of its own class", "coverage of the class's real images, %")


def tables(values: Mapping[str, Any]) -> list[Listing]:
    """The findings of one run; [] where there are none, or of a kind that this version does not know."""
    make = _TABLES.get(str(values.get("kind", "")))
    return make(values) if make else []


def percent(share: float | None) -> str:
    """A share as per cent with one digit; "" for none."""
    return "" if share is None else f"{100 * share:.1f}"


def on_what(values: Mapping[str, Any]) -> str:
    """The images that were looked at, in words."""
    return f"{values['train_images']:,} training and {values['test_images']:,} test images of {values['dataset']}"


def _layers(values: Mapping[str, Any]) -> list[Listing]:
    judges = [name for name in JUDGES if values["points"] and name in values["points"][0]["top1"]]
    grouped = any(row["worst_group"].get(name) is not None for row in values["points"] for name in judges)
    rows = [
        [row["point"] or "its own", str(row["features"]), *(percent(row["top1"][name]) for name in judges),
         *([percent(row["worst_group"]["probe"])] if grouped else []),
         f"{row['dimension']:.1f}", f"{row['separation']:.2f}"]
        for row in values["points"]
    ]  # fmt: skip
    worst = ["worst group, probe"] if grouped else []
    columns = ["point", "features", *judges, *worst, "effective dimension", "separation"]
    return [(f"{values['backbone']} on {on_what(values)}, layer by layer: top-1 in %", columns, rows)] if rows else []


def _card(values: Mapping[str, Any]) -> list[Listing]:
    rows = [["features", f"{values['feature_size']}, {values['feature']}"]]
    rows += [[f"top-1, {name}", f"{percent(report['top1'])} %"] for name, report in values["judges"].items()]
    worst = values["judges"]["probe"]["worst_group"]
    rows += [] if worst is None else [["worst group, probe", f"{percent(worst)} %"]]
    rows += [
        ["effective dimension", f"{values['dimension']:.1f}"], ["RankMe", f"{values['rank_me']:.1f}"],
        ["separation of classes", f"{values['separation']:.3f}"], 
        *[[f"gradient explained by class means, outputs of size {row['logits']:g}", f"{percent(row['share'])} %"]
          for row in values.get("moments", []) if row["logits"] in (1.0, 10.0)],
        *costs(values.get("cost", {})),
    ]  # fmt: skip
    pairs = [
        [values["classes"][a], values["classes"][b], str(ab), str(ba)]
        for (a, b), (ab, ba) in ((one["pair"], one["counts"]) for one in values["hardest"])
    ]
    title = f"{values['backbone']} on {on_what(values)}"
    hardest: list[Listing] = [
        ("hardest pairs of classes, for the probe", ["class", "and", "first taken for second", "and back"], pairs)
    ]
    return [(title, ["", ""], rows), *(hardest if pairs else [])]


def _patches(values: Mapping[str, Any]) -> list[Listing]:
    rows = []
    for one in values["backbones"]:
        right = [a == b for a, b in zip(one["predicted"], values["labels"], strict=False)]
        made, real = right[: values["set_images"]], right[values["set_images"] :]
        rows.append([
            one["backbone"], one["point"], f"{sum(made)} of {len(made)}", f"{sum(real)} of {len(real)}",
            " ".join(percent(share) for share in one["explained"]), f"{one['fit']:.2f}",
        ])  # fmt: skip
        if "other_labels" in values:
            seen = zip(one["predicted"], values["other_labels"][: values["set_images"]], strict=False)
            rows[-1].insert(3, f"{sum(a == b for a, b in seen)} of {len(made)}")
    columns = ["backbone", "point", "set's images right", "real images right", "variance on three axes, %", "fit"]
    if "other_labels" in values:
        columns.insert(3, "as the second backbone means them")
    title = f"Patches of the images of {values['source']}; fit: of its axes to the first backbone's"
    return [(title, columns, rows)] if rows else []


def _style(values: Mapping[str, Any]) -> list[Listing]:
    found: list[Listing] = []
    for kind, strengths in values["strengths"].items():
        rows = [[name, *map(percent, row)] for name, row in values["damage"][kind].items() if row]
        columns = ["nearest mean in", *(f"{strength:g}" for strength in strengths)]
        found += [(f"{values['source']}: top-1 in % by {kind} of its own images", columns, rows)] if rows else []
    copies = values["copies"]
    if copies:
        nearest = max(copies, key=lambda one: one["ssim"])
        rows = [["SSIM", f"{_mean(copies, 'ssim'):.3f}", f"{nearest['ssim']:.3f}"]]
        rows += [["cosine", f"{_mean(copies, 'cosine'):.3f}", f"{max(one['cosine'] for one in copies):.3f}"]]
        title = f"To the nearest real training image in {values['backbones'][0]}; 1 is a copy"
        found.append((title, ["", "mean", "highest"], rows))
    if diversity := values.get("diversity"):
        rows = [[one["backbone"], f"{one['cosine']:.3f}", percent(one["coverage"])] for one in diversity]
        found.append(("Several images per class", ["backbone", *DIVERSITY], rows))
    return found


def _mean(rows: Sequence[Mapping[str, Any]], name: str) -> float:
    return sum(row[name] for row in rows) / len(rows)


def costs(cost: Mapping[str, Any]) -> list[list[str]]:
    """What a backbone costs, in rows; [] before that is measured."""
    if not cost:
        return []
    where = f"{cost['device']} ({cost['machine']}), {cost['precision']}, {cost['batch']} at once"
    return [
        ["images per second", f"{cost['forward']:.1f} forward, {cost['forward_backward']:.1f} with backward; {where}"],
        ["parameters", f"{cost['parameters'] / 1e6:.1f} million, {cost['weight_bytes'] / 2**20:.0f} MiB"],
        ["memory of a view", f"{cost['view_bytes'] / 2**20:.1f} MiB kept for the backward pass"],
    ]


def points_of_curve(values: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """The points of a layer sweep that lie on the curves: all but the backbone's own features."""
    return [row for row in values["points"] if row["point"]]


def judges_of(rows: Sequence[Mapping[str, Any]]) -> list[str]:
    """The judges of a sweep, in order."""
    return [name for name in JUDGES if rows and name in rows[0]["top1"]]


_TABLES = {"layers": _layers, "backbone": _card, "patches": _patches, "style": _style}
