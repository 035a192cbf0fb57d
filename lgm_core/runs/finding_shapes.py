"""What has to be in the findings of an instrument for readers to use them, by its kind; see `shapes`.

>>> misfits_of_findings({"kind": "layers", "points": 3})
['dataset', 'train_images', 'test_images', 'classes', 'backbone', 'points']
"""

from collections.abc import Mapping
from typing import Any

from lgm_core.backbones.points import READOUTS
from lgm_core.runs.misfits import MAYBE, NUMBER, count, file_name_in, fits, misfits, natural

JUDGES = ("probe", "nearest mean", "k-NN")
_COST = {
    "device": str, "machine": str, "precision": str, "batch": int,
    **dict.fromkeys(("forward", "forward_backward", "parameters", "weight_bytes", "view_bytes"), NUMBER),
}  # fmt: skip


def _judges(value: Any) -> bool:
    """A report by each of the judges, with its worst group among those of its images."""
    report = {"top1": NUMBER, "worst_group": MAYBE, "per_group?": ([MAYBE], None)}
    return (
        isinstance(value, dict)
        and {*value} >= {*JUDGES}
        and all(
            fits(one, report) and (one["worst_group"] is None or one["worst_group"] in (one.get("per_group") or []))
            for one in value.values()
        )
    )


def _point(value: Any) -> bool:
    """A layer and what is read of it, such as "block6.cls"; "" for the backbone's own features."""
    return isinstance(value, str) and (value == "" or value.count(".") == 1 and value.split(".")[1] in READOUTS)


def _shares(value: Any) -> bool:
    """Numbers by judge."""
    return isinstance(value, dict) and all(fits(one, NUMBER) for one in value.values())


def _lines(value: Any) -> bool:
    """Lists of numbers by name."""
    return isinstance(value, dict) and all(fits(one, [NUMBER]) for one in value.values())


def _cost(value: Any) -> bool:
    """What the backbone costs; {} before that is measured."""
    return value == {} or fits(value, _COST)


def _two(value: Any) -> bool:
    """Two whole numbers, at least 0."""
    return fits(value, [natural]) and len(value) == 2


_COUNTS = {"dataset": str, "train_images": int, "test_images": int, "classes": [str]}
FINDINGS: Mapping[str, Mapping[str, Any]] = {
    "layers": _COUNTS | {
        "backbone": str,
        "points": [{
            "point": _point, "features": int, "top1": _shares, "worst_group": dict, "dimension": NUMBER,
            "separation": NUMBER,
        }],
    },
    "patches": {
        "dataset": str, "source": str, "classes": [str], "labels": [int], "set_images": int, "real_indices": [int],
        "backbones": [{"backbone": str, "point": str, "fit": NUMBER, "explained": [NUMBER], "margins": [NUMBER],
                       "predicted": [int], "other_margins?": [NUMBER]}],
        "other_labels?": [int],
        "atlases": [{"backbone": str, "what": str, "file": file_name_in, "columns": count, "rows": count,
                     "side": count}],
    },
    "style": {
        "dataset": str, "source": str, "classes": [str], "images": int, "side": int, "real_images": int,
        "backbones": [str], "thumbs?": str, "power": {"set": [NUMBER], "real": [NUMBER]}, "strengths": _lines,
        "damage": dict, "lab": {"centres": [[NUMBER]], "set": [[NUMBER]], "real": [[NUMBER]]},
        "copies": [{"image": int, "label": int, "nearest": int, "cosine": NUMBER, "ssim": NUMBER}],
        "diversity?": [{"backbone": str, "cosine": NUMBER, "coverage": NUMBER}],
    },
    "backbone": _COUNTS | {
        "backbone": str, "feature": str, "feature_size": int, "judges": _judges, "spectrum": [NUMBER], "thumbs": str,
        "dimension": NUMBER, "rank_me": NUMBER, "separation": NUMBER, "cost?": _cost,
        "moments?": [{"logits": NUMBER, "share": NUMBER}],
        "hardest": [{"pair": _two, "counts": _two, "images": [[natural]]}], "groups?": [str],
    },
}  # fmt: skip


def misfits_of_findings(values: Mapping[str, Any]) -> list[str]:
    """The fields that are missing, not of their shape, or do not go together."""
    shape = FINDINGS.get(str(values.get("kind")))
    if shape is None:
        return ["kind"]
    return misfits(values, shape) or _APART.get(values["kind"], lambda values: [])(values)


def _card_apart(values: Mapping[str, Any]) -> list[str]:
    classes, probe = len(values["classes"]), values["judges"]["probe"]
    found = ["hardest" for one in values["hardest"] if max(one["pair"]) >= classes or len(one["images"]) != 2][:1]
    named = probe["worst_group"] is None or len(values.get("groups", [])) >= len(probe["per_group"])
    return found + ([] if named else ["groups"])


def _layers_apart(values: Mapping[str, Any]) -> list[str]:
    """Each point has been judged by the same judges, worst groups by the probe, too."""
    rows = values["points"]
    same = all({*row["top1"]} == {*rows[0]["top1"]} for row in rows)
    fit = all(fits(row["worst_group"].get("probe"), MAYBE) for row in rows)
    return [] if same and fit else ["points"]


def _style_apart(values: Mapping[str, Any]) -> list[str]:
    fit = all(_lines(values["damage"].get(kind)) for kind in values["strengths"])
    of = [] if values["backbones"] or not values["copies"] else ["backbones"]
    lab = values["lab"]
    whole = all(len(one) == 3 for one in (lab["centres"], lab["set"], lab["real"]))
    return of + ([] if fit else ["damage"]) + ([] if whole else ["lab"])


_APART = {"backbone": _card_apart, "layers": _layers_apart, "style": _style_apart}
