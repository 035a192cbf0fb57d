"""What instruments find, as their runs write it, made in a moment: for the tests of their pages and readers.

>>> fake_card(RunStore(tmp_path / "runs"), "mobilenet_v2", thumbs="imagenette-test-0123456789ab")
"""

from typing import Any

from lgm_core.analysis.first_moments import LOGITS
from lgm_core.base.files import write_json
from lgm_core.runs.store import RunFolder, RunStore
from tests.fake_runs import CLASSES, _create

_COUNTS = {"dataset": "imagenette", "train_images": 400, "test_images": 240, "classes": list(CLASSES)}
_COST = {
    "forward": 120.0, "forward_backward": 40.0, "device": "cpu, 1 thread", "machine": "a processor",
    "precision": "float32", "threads": 1, "batch": 16, "parameters": 900_000, "weight_bytes": 4 << 20,
    "view_bytes": 9 << 20,
}  # fmt: skip


def fake_look(store: RunStore, kind: str, backbone: str, values: dict[str, Any], **config: Any) -> RunFolder:
    """A finished run of an instrument with these findings."""
    run = _create(store, "finished", 1, {"kind": kind, "dataset": "imagenette", "backbone": backbone} | config)
    write_json(run.findings_file, {"kind": kind, "backbone": backbone, **_COUNTS, **values}, sealed=True)
    return run


def fake_card(store: RunStore, backbone: str, *, thumbs: str, grouped: bool = False, **config: Any) -> RunFolder:
    """A backbone's card; `grouped`: with accuracies of groups."""
    groups = {"worst_group": 0.25, "per_group": [0.9, 0.25]} if grouped else {"worst_group": None, "per_group": None}
    judge = {"top1": 0.912, "confusion": [[1, 0], [0, 1]], **groups}
    return fake_look(store, "backbone", backbone, {
        "feature": "average-pooled features", "feature_size": 576, "thumbs": thumbs, "spectrum": [0.6, 0.3, 0.1],
        "dimension": 2.17, "rank_me": 3.3, "separation": 0.27, "groups": ["day", "night"],
        "judges": {one: judge for one in ("probe", "nearest mean", "k-NN")},
        "moments": [{"logits": size, "share": 1 / (1 + size)} for size in LOGITS],
        "hardest": [{"pair": [4, 6], "counts": [3, 1], "images": [[4, 14, 24], [6]]}], "cost": _COST,
    }, **config)  # fmt: skip
