"""What further images of a class are worth: distilled ones, each a cluster of its class, beside real picks.

    python docs/experiments/per_class.py run [SEEDS]    # what is not there yet, one run after another; default 1
    python docs/experiments/per_class.py table          # Markdown, of what is there

Imagenette, 100 training photographs per class, distilled with MobileNetV3-small, 150 steps of one view an image, judged
by the nearest class mean on 60 test photographs per class in three backbones. Needs Imagenette ($LGM_DATASETS) and the
weights that `make setup` fetches.
"""

import statistics
import sys
from typing import Any

import lgm_core
from lgm_core.base.places import places
from lgm_core.runs.store import RunStore

OWN, JUDGES = "mobilenet_v3_small", ("mobilenet_v3_small", "tf_efficientnet_lite0", "mobilenet_v2")
COUNTS = (1, 2, 5, 10, 20)
WAYS = ("distilled", "whole-class", "random", "centroids", "k-centres")
SHARED: dict[str, Any] = {
    "preset": "preview", "evaluate_on": list(JUDGES), "study": "per-class", "progress": False, "live": {"times": 0},
    "data": {"train_per_class": 100, "test_per_class": 60},
    "record": {"frames": 6, "map_images": 0, "thumbnails": False},
}  # fmt: skip


def run(seeds: int) -> None:
    for seed in range(seeds):
        for count in COUNTS:
            for way in WAYS:
                if _of(way, count, seed) is None:
                    _make(way, count, seed)


def _make(way: str, count: int, seed: int) -> None:
    named = SHARED | {"name": f"{way}-{count}-s{seed}", "seed": seed, "images_per_class": count}
    if way not in ("distilled", "whole-class"):
        lgm_core.baseline(way, "imagenette", OWN, **named)
    elif way == "distilled" or count > 1:  # of a single image per class they are the same
        lgm = {"views": 1, "learning_rate": 4e-2, "clusters": way == "distilled"}
        lgm_core.distill("imagenette", OWN, steps=150, lgm=lgm, **named)


def table() -> None:
    print(f"| images per class | {' | '.join(WAYS)} |")
    print("|---" * (1 + len(WAYS)) + "|")
    for count in COUNTS:
        cells = []
        for way in WAYS:
            found = [one for seed in range(10) if (one := _of(way, count, seed)) is not None]
            cells.append(" / ".join(_told(judge, found) for judge in JUDGES) if found else "")
        print(f"| {count} | {' | '.join(cells)} |")


def _told(judge: str, found: list[Any]) -> str:
    values = [100 * report["top1"] for one in found for report in one.eval_reports() if report["backbone"] == judge]
    return f"{statistics.fmean(values):.1f}" + (f" ± {statistics.stdev(values):.1f}" if len(values) > 1 else "")


def _of(way: str, count: int, seed: int) -> Any:
    """The finished run of a cell; None before it is there."""
    if not (places().runs / f"{way}-{count}-s{seed}" / "config.json").exists():
        return None
    found = RunStore(places().runs).open(f"{way}-{count}-s{seed}")
    return found if len(found.eval_reports()) == len(JUDGES) else None


if __name__ == "__main__":
    if sys.argv[1:2] == ["run"]:
        run(int(sys.argv[2]) if len(sys.argv) > 2 else 1)
    elif sys.argv[1:] == ["table"]:
        table()
    else:
        sys.exit(__doc__)
