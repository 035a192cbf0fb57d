"""What further images of a class are worth: distilled ones, each a cluster of its class, beside real picks.

    python docs/experiments/per_class.py run [--seeds 1] [--counts 1 5 50] [--ways random greedy]   # what is not there
    python docs/experiments/per_class.py table [--counts 1 5 50]                                    # Markdown
    python docs/experiments/per_class.py picture                     # five of each class, in turn, of the first seed

Imagenette, 100 training photographs per class, 150 steps of one view an image, distilled with MobileNetV3-small or with
it and ResNet-18 in turn, from the photographs that the two choose (`in-turn`, its rival is `greedy`). Judged by the
nearest class mean of 30 views an image (3 from 10 images per class on) on 60 test photographs per class in three
backbones. The second table tells how different the images of a class are in MobileNetV3-small: cosine of each to the
nearest of its own class / how evenly they cover the class's training photographs, in % (`lgm style`, without its
damages). Needs Imagenette ($LGM_DATASETS) and the weights that `make setup` fetches, those of ResNet-18 by name.
"""

import argparse
import statistics
from collections.abc import Callable
from pathlib import Path
from typing import Any

from torchvision.utils import save_image

import lgm_core
from lgm_core.analysis.style_measures import STRENGTHS
from lgm_core.base.places import places
from lgm_core.engine import work
from lgm_core.presets import change
from lgm_core.runs.source_runs import read_set
from lgm_core.runs.start import is_done, start
from lgm_core.runs.store import RunFolder, RunStore

ROOT = Path(__file__).parents[2]
OWN, JUDGES = "mobilenet_v3_small", ("mobilenet_v3_small", "tf_efficientnet_lite0", "mobilenet_v2")
BOTH = f"{OWN}+resnet18"
COUNTS = (1, 2, 5, 10, 20, 50)
DISTILLED, REAL = ("distilled", "whole-class", "in-turn"), ("random", "centroids", "k-centres", "greedy")
WAYS = DISTILLED + REAL
SHARED: dict[str, Any] = {
    "preset": "preview", "evaluate_on": list(JUDGES), "study": "per-class", "progress": False, "live": {"times": 0},
    "data": {"train_per_class": 100, "test_per_class": 60},
    "record": {"frames": 6, "map_images": 0, "thumbnails": False},
}  # fmt: skip


def run(counts: list[int], seeds: int, ways: list[str]) -> None:
    for seed in range(seeds):
        for count in counts:
            for way in ways:
                if _of(way, count, seed) is None:
                    _make(way, count, seed)
                if count > 1 and (made := _of(way, count, seed)) is not None:
                    _look(made)


def _make(way: str, count: int, seed: int) -> None:
    named = SHARED | {"name": f"{way}-{count}-s{seed}", "seed": seed, "images_per_class": count}
    named |= {"probe": {"views": 30 if count < 10 else 3}}
    lgm = {"views": 1, "learning_rate": 4e-2, "clusters": way != "whole-class"}
    if way in REAL:
        lgm_core.baseline(way, "imagenette", BOTH if way == "greedy" else OWN, **named)
    elif way == "in-turn":
        lgm_core.distill("imagenette", BOTH, steps=150, lgm=lgm, synthetic={"initial": "greedy"}, **named)
    elif way == "distilled" or count > 1:  # of a single image per class they are the same
        lgm_core.distill("imagenette", OWN, steps=150, lgm=lgm, **named)


def _look(made: RunFolder) -> None:
    """The style of a set, in the network that distilled: how different the images of a class are."""
    STRENGTHS.clear()  # damages are not asked for here
    asked = {"kind": "style", "source": made.id, "evaluate_on": (OWN,), "name": f"{made.id}-style"}
    found = start(change(made.config(), asked), places())
    if not is_done(found):
        work(found, places())


def table(counts: list[int], seeds: int, ways: list[str]) -> None:
    _table(counts, seeds, ways, lambda found: " / ".join(_told(judge, found) for judge in JUDGES))
    print()
    _table([count for count in counts if count > 1], seeds, ways, _diversity)


def _table(counts: list[int], seeds: int, ways: list[str], told: Callable[[list[RunFolder]], str]) -> None:
    print(f"| images per class | {' | '.join(ways)} |")
    print("|---" * (1 + len(ways)) + "|")
    for count in counts:
        cells = []
        for way in ways:
            found = [one for seed in range(seeds) if (one := _of(way, count, seed)) is not None]
            cells.append(told(found) if found else "")
        print(f"| {count} | {' | '.join(cells)} |")


def picture(*_: object) -> None:
    made = _of("in-turn", 5, 0)
    if made is None:
        raise SystemExit("there is no such set yet: run --counts 5 --ways in-turn")
    images = read_set(made).images.unflatten(0, (10, 5)).transpose(0, 1).flatten(0, 1)  # a column for each class
    save_image(images, ROOT / "docs" / "pictures" / "imagenette_five.webp", nrow=10, padding=0)


def _diversity(found: list[RunFolder]) -> str:
    looks = [RunStore(places().runs).open(f"{one.id}-style") for one in found if _is_there(f"{one.id}-style")]
    rows = [row for look in looks for row in look.findings().get("diversity", [])]
    if not rows:
        return ""
    cosine, coverage = (statistics.fmean(row[name] for row in rows) for name in ("cosine", "coverage"))
    return f"{cosine:.2f} / {100 * coverage:.0f}"


def _is_there(name: str) -> bool:
    return (places().runs / name / "config.json").exists()


def _told(judge: str, found: list[RunFolder]) -> str:
    values = [100 * report["top1"] for one in found for report in one.eval_reports() if report["backbone"] == judge]
    return f"{statistics.fmean(values):.1f}" + (f" ± {statistics.stdev(values):.1f}" if len(values) > 1 else "")


def _of(way: str, count: int, seed: int) -> RunFolder | None:
    """The finished run of a cell; None before it is there."""
    if not _is_there(f"{way}-{count}-s{seed}"):
        return None
    found = RunStore(places().runs).open(f"{way}-{count}-s{seed}")
    return found if len(found.eval_reports()) == len(JUDGES) else None


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("do", choices=("run", "table", "picture"))
    parser.add_argument("--seeds", type=int, default=1)
    parser.add_argument("--counts", type=int, nargs="+", default=list(COUNTS))
    parser.add_argument("--ways", nargs="+", choices=WAYS, default=list(WAYS))
    asked = parser.parse_args()
    {"run": run, "table": table, "picture": picture}[asked.do](asked.counts, asked.seeds, asked.ways)
