"""What has to be in the files of a run for readers to use them: the fields, their types, the lists that go together.

A file of another version may hold more. A name that ends in "?" may be missing.

>>> what_misfits(Path("evals/conv.json"), {"backbone": "conv", "top1": 0.5})
'no whole top1_std, top1_seeds, top5, worst_group, ...'
"""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from lgm_core.runs.finding_shapes import misfits_of_findings
from lgm_core.runs.misfits import MAYBE, MOST, NUMBER, count, file_name_in, fits, misfits, natural

POINTS = [[NUMBER]]
REPORT: Mapping[str, Any] = {
    "backbone": str, "top1": NUMBER, "top1_std": NUMBER, "top1_seeds": [NUMBER], "top5": MAYBE, "worst_group": MAYBE,
    "per_group": ([MAYBE], None), "groups": list, "classes": list, "per_class": [MAYBE], "confusion": [[int]],
    "train_images": int, "test_images": int, "protocol?": str, "dataset?": str, "fraction?": NUMBER, "settings?": dict,
    "labels_per_class?": natural,
    "group_confusion?": [[int]], "mistaken?": [{"true": natural, "taken": natural, "images": [natural]}],
    "contrast?": {"classes": [int], "top1_other": NUMBER, "allegiance": MAYBE},
    "mark?": str,
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
    "dataset": str, "split": str, "count": int, "side": count, "columns": count, "per_page": count,
    "pages": [file_name_in], "classes": list, "labels": [int], "content?": str,
}  # fmt: skip
LABELS = {"labels": [int], "classes": [str]}
GROUPS = {"groups": [{"name": str, "images": dict, "indices": [int]}], "rest": bool}
CHOICE = {"choice?": str, "indices?": [int], "origins?": [str], "images?": int}
DATA = {"train_images?": int, "test_images?": int, "split?": str, "fingerprints?": [str], "contents?": [str]}
WEIGHTS = {"file?": str, "sha256?": str, "source?": str, "stand_in?": str, "precision?": str}
FRAME = {"file": file_name_in, "columns": count, "rows": count, "side": count, "count?": int}
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
        found += [] if file_name_in(name) else ["sources"]
        found += misfits(source, PLACED) if isinstance(source, dict) else ["sources"]
        found = found or _uneven(source, tuple(PLACED))
    return found


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
    "findings.json": misfits_of_findings, "groups.json": _groups,
    "index.jsonl": _frame, "labels.json": lambda values: misfits(values, LABELS), "weights.json": _weights,
    "choice.json": lambda values: misfits(values, CHOICE), "data.json": lambda values: misfits(values, DATA),
}  # fmt: skip
