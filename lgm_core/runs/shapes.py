"""What has to be in the files of a run for readers to use them: the fields, their types, the lists that go together.

A file of another version may hold more. A name that ends in "?" may be missing.

>>> misfits({"step": 3, "file": "000003.webp", "columns": "5"}, FRAME)
['columns', 'rows', 'side']
>>> what_misfits(Path("evals/conv.json"), {"backbone": "conv", "top1": 0.5})
'no whole top1_std, top1_seeds, top5, worst_group, ...'
"""

from collections.abc import Callable, Mapping, Sequence
from itertools import chain
from pathlib import Path
from types import FunctionType, UnionType
from typing import Any, get_args

from lgm_core.base.names import LONGEST_FILE_NAME, why_no_name

NUMBER, MAYBE = int | float, (int | float, None)
MOST = 16383  # pixels of a WebP's side, and tiles in a row of it


def _file(value: Any) -> bool:
    """The name of a file in the folder that lists it, never one that leads elsewhere."""
    return isinstance(value, str) and not why_no_name(value, LONGEST_FILE_NAME)


def _natural(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 0


def _count(value: Any) -> bool:
    """At least one, and not so many that a picture of it would fill the memory."""
    return isinstance(value, int) and not isinstance(value, bool) and 1 <= value <= MOST


POINTS = [[NUMBER]]
REPORT: Mapping[str, Any] = {
    "backbone": str, "top1": NUMBER, "top1_std": NUMBER, "top1_seeds": [NUMBER], "top5": MAYBE, "worst_group": MAYBE,
    "per_group": ([MAYBE], None), "groups": list, "classes": list, "per_class": [MAYBE], "confusion": [[int]],
    "train_images": int, "test_images": int, "protocol?": str, "dataset?": str, "fraction?": NUMBER, "settings?": dict,
    "group_confusion?": [[int]], "mistaken?": [{"true": _natural, "taken": _natural, "images": [_natural]}],
    "contrast?": {"classes": [int], "top1_other": NUMBER, "allegiance": MAYBE}, "mark?": str,
}  # fmt: skip
ALIGNMENT = {
    "backbones": [str], "images": int, "cka": [[MAYBE]], "cka_debiased?": [[MAYBE]], "mutual_knn": dict,
    "chance?": dict, "thumbs?": str, "classes?": list, "ks?": [int],
    "measured?": [{
        "pair": [int], "measure": str, "k": (int, None), "score": NUMBER, "score_interval": [NUMBER], "p": NUMBER,
        "value?": NUMBER, "interval?": [NUMBER], "threshold?": NUMBER, "mean_by_chance?": NUMBER,
    }],
    "pairs?": [{"pair": [int], "null": dict, "torn": [[{
        "members": [int], "rank_near": NUMBER, "rank_far": NUMBER, "cosine_near": NUMBER, "cosine_far": NUMBER,
        "kept_near": NUMBER, "kept_far": NUMBER,
    }]]}],
}  # fmt: skip
MAP = {"thumbs": str, "backbone": str, "classes": list, "indices": [int], "labels": [int]}
MAP_OF_RUN = MAP | {"points": POINTS, "others?": [{"backbone": str, "explained": [NUMBER], "points": POINTS}]}
MAP_OF_BACKBONE = MAP | {
    "pca": POINTS, "umap": POINTS, "groups?": ([int], None), "group_names?": list, "wrong?": ([NUMBER], None),
    "distance?": ([NUMBER], None), "sources": (dict, None),
}  # fmt: skip
PLACED = {
    "labels": [int], "pca": POINTS, "umap": POINTS, "nearest": [[int]], "similarity": [[NUMBER]], "own_rank": [int],
    "centroid": [int], "random": [int],
}  # fmt: skip
THUMBS = {
    "dataset": str, "split": str, "count": int, "side": _count, "columns": _count, "per_page": _count, "pages": [_file],
    "classes": list, "labels": [int],
}  # fmt: skip
_COUNTS = {"dataset": str, "train_images": int, "test_images": int, "classes": [str]}
FINDINGS: Mapping[str, Mapping[str, Any]] = {
    "layers": _COUNTS | {
        "backbone": str,
        "points": [{
            "point": str, "features": int, "top1": dict, "worst_group": dict, "dimension": NUMBER, "separation": NUMBER,
        }],
    },
    "patches": {
        "dataset": str, "source": str, "classes": [str], "labels": [int], "set_images": int, "real_indices": [int],
        "backbones": [{"backbone": str, "point": str, "fit": NUMBER, "explained": [NUMBER], "margins": [NUMBER],
                       "predicted": [int]}],
        "atlases": [{"backbone": str, "what": str, "file": _file, "columns": _count, "rows": _count, "side": _count}],
    },
    "style": {
        "dataset": str, "source": str, "classes": [str], "images": int, "side": int, "real_images": int,
        "backbones": [str], "thumbs?": str, "power": {"set": [NUMBER], "real": [NUMBER]}, "strengths": dict,
        "damage": dict, "lab": {"centres": [[NUMBER]], "set": [[NUMBER]], "real": [[NUMBER]]},
        "copies": [{"image": int, "label": int, "nearest": int, "cosine": NUMBER, "ssim": NUMBER}],
        "diversity?": [{"backbone": str, "cosine": NUMBER, "coverage": NUMBER}],
    },
    "backbone": _COUNTS | {
        "backbone": str, "feature": str, "feature_size": int, "judges": dict, "spectrum": [NUMBER], "thumbs": str,
        "dimension": NUMBER, "rank_me": NUMBER, "separation": NUMBER, "cost?": dict,
        "moments?": [{"logits": NUMBER, "share": NUMBER}],
        "hardest": [{"pair": [int], "counts": [int], "images": [[int]]}],
    },
}  # fmt: skip
LABELS = {"labels": [int], "classes": [str]}
GROUPS = {"groups": [{"name": str, "images": dict, "indices": [int]}], "rest": bool}
CHOICE = {"choice?": str, "indices?": [int], "origins?": [str], "images?": int}
DATA = {"train_images?": int, "test_images?": int, "split?": str, "fingerprints?": [str]}
WEIGHTS = {"file?": str, "sha256?": str, "source?": str, "stand_in?": str, "precision?": str}
FRAME = {"file": _file, "columns": _count, "rows": _count, "side": _count, "count?": int}
_PLACES = {"points": POINTS, "nearest?": [[int]], "similarity?": [[NUMBER]]}
LINES: Mapping[str, Mapping[str, Any]] = {
    "trail.jsonl": _PLACES | {"others?": [_PLACES]},
    "details.jsonl": {  # of any method: what there is, is of its shape
        "labels?": [[MAYBE]],
        "label_rows?": str,
        "temperature?": MAYBE,
        "inner?": [MAYBE],
        "solve?": [MAYBE],
        "direct_norm?": dict,
        "implicit_norm?": dict,
        "loss?": MAYBE,
        "rate?": MAYBE,
        **dict.fromkeys(("expert?", "start?"), int),
    },
}


def fits(value: Any, shape: Any) -> bool:
    """Is the value of a shape: a type, None, a list of one shape, fields with shapes, one of several in a tuple?

    Or what a function says yes to.
    """
    if isinstance(shape, tuple):
        return any(fits(value, one) for one in shape)
    if isinstance(shape, list):
        if isinstance(value, list) and set(map(type, value)) <= _plain_types(shape[0]):
            return True  # long lists of numbers, as in maps and curves, without a look at each
        if isinstance(shape[0], list) and isinstance(value, list) and set(map(type, value)) <= {list}:
            return fits([*chain(*value)], shape[0])  # points: all their numbers at once
        return isinstance(value, list) and all(fits(one, shape[0]) for one in value)
    if isinstance(shape, Mapping):
        return isinstance(value, dict) and not misfits(value, shape)
    if isinstance(shape, FunctionType):
        return shape(value)
    return value is None if shape is None else isinstance(value, shape)


def _plain_types(shape: Any) -> set[type]:
    """The types whose values are of the shape, as far as that is known without a look at the value."""
    if isinstance(shape, UnionType):
        return set(get_args(shape))
    if isinstance(shape, tuple):
        return {kind for one in shape for kind in _plain_types(one)}
    return {type(None)} if shape is None else {shape} if isinstance(shape, type) else set()


def misfits(values: Mapping[str, Any], shape: Mapping[str, Any]) -> list[str]:
    """The fields that are missing or not of their shape."""
    asked = {name.removesuffix("?"): (inner, name.endswith("?")) for name, inner in shape.items()}
    return [
        name for name, (inner, may_lack) in asked.items()
        if (not may_lack if name not in values else not fits(values[name], inner))
    ]  # fmt: skip


def what_misfits(path: Path, values: Mapping[str, Any]) -> str:
    """What of a JSON file's values, or of a line of a file of lines, cannot be used, in words; "" where all can."""
    look = _FILES.get(path.parent.name if path.parent.name == "evals" else path.name)
    found = look(values) if look else misfits(values, LINES.get(path.name, {}))
    return f"no whole {', '.join(found[:4])}{', ...' if len(found) > 4 else ''}" if found else ""


def _report(values: Mapping[str, Any]) -> list[str]:
    found = misfits(values, REPORT)
    if "settings" in values:
        found += [name for name in ("protocol", "dataset", "fraction") if name not in values]
    if not found:
        found = _uneven(values, ("classes", "per_class", "confusion"), *values["confusion"])
    if not found and values["worst_group"] is not None:
        found = [] if values["groups"] and len(values["per_group"] or []) == len(values["groups"]) else ["per_group"]
    if not found and (taken := values.get("group_confusion")) is not None:
        whole = len(taken) == len(values["groups"]) and {len(row) for row in taken} == {len(values["classes"])}
        found = [] if whole else ["group_confusion"]
    mistaken = [] if found else values.get("mistaken", [])
    return found or ["mistaken" for one in mistaken if max(one["true"], one["taken"]) >= len(values["classes"])][:1]


def _alignment(values: Mapping[str, Any]) -> list[str]:
    if found := misfits(values, ALIGNMENT):
        return found
    tables = [values["cka"], *values["mutual_knn"].values()]
    side = len(values["backbones"])
    square = all(fits(table, [[MAYBE]]) and {len(table), *map(len, table)} == {side} for table in tables if side)
    return [] if square and values["mutual_knn"] else ["mutual_knn"]


def _map(values: Mapping[str, Any]) -> list[str]:
    if "umap" not in values:
        return misfits(values, MAP_OF_RUN) or _uneven(values, ("indices", "labels", "points"))
    found = misfits(values, MAP_OF_BACKBONE)
    found = found or _uneven(values, ("indices", "labels", "pca", "umap", "groups", "wrong", "distance"))
    for name, source in (values.get("sources") or {}).items() if not found else ():
        found += [] if _file(name) else ["sources"]
        found += misfits(source, PLACED) if isinstance(source, dict) else ["sources"]
        found = found or _uneven(source, tuple(PLACED))
    return found


def _findings(values: Mapping[str, Any]) -> list[str]:
    shape = FINDINGS.get(str(values.get("kind")))
    if shape is None:
        return ["kind"]
    if found := misfits(values, shape):
        return found
    judged = [values["judges"]] if "judges" in values else []
    return [] if all(name in one for one in judged for name in ("probe", "nearest mean", "k-NN")) else ["judges"]


def _uneven(values: Mapping[str, Any], names: Sequence[str], *others: Sequence[Any]) -> list[str]:
    """Those of several lists that are not as long as the first; what is None or missing is not compared."""
    count = len(values[names[0]])
    found = [name for name in names if values.get(name) is not None and len(values[name]) != count]
    pairs = [name for name in ("points", "pca", "umap") if name in names and {*map(len, values[name])} - {2}]
    return found + pairs + ([names[-1]] if {*map(len, others)} - {count} else [])


def _metrics(values: Mapping[str, Any]) -> list[str]:
    """Besides the loss, the live accuracies, whose names hold those of networks."""
    live = [name for name in values if name.startswith("live") and not fits(values[name], MAYBE)]
    return misfits(values, {"loss?": NUMBER}) + live


def _frame(values: Mapping[str, Any]) -> list[str]:
    found = misfits(values, FRAME)
    return found or [name for name in ("columns", "rows") if values[name] * values["side"] > MOST]


def _weights(values: Mapping[str, Any]) -> list[str]:
    return [name for name, facts in values.items() if not fits(facts, WEIGHTS)]


def _groups(values: Mapping[str, Any]) -> list[str]:
    return [name for name, copy in values.items() if not fits(copy, GROUPS)]


def _marks(values: Mapping[str, Any]) -> list[str]:
    return misfits(values, {"note?": str, "starred?": bool, "tags?": [str]})


_FILES: Mapping[str, Callable[[Mapping[str, Any]], list[str]]] = {
    "evals": _report, "alignment.json": _alignment, "map.json": _map, "metrics.jsonl": _metrics, "notes.json": _marks,
    "findings.json": _findings, "groups.json": _groups,
    "index.jsonl": _frame, "labels.json": lambda values: misfits(values, LABELS), "weights.json": _weights,
    "choice.json": lambda values: misfits(values, CHOICE), "data.json": lambda values: misfits(values, DATA),
}  # fmt: skip
