"""The current records: what `make race` runs, and the lines of docs/leaderboard.md.

    python docs/experiments/leaderboard.py run [SEEDS]    # what is not there yet; default 3 seeds
    python docs/experiments/leaderboard.py table          # Markdown, of what is there

Imagenette, 100 training photographs per class, one image per class, features of the real images at hand. A record is
judged by the nearest class mean on 1,200 test photographs in five backbones; of those that took no part the worst
counts. During a run the same judge looks at 300 of them from time to time: the time to an accuracy is that of the steps
up to the first look that reached it in all seeds. Seconds are true only on an otherwise idle machine. Runs lie in
$LGM_CACHE under the record's name and its seed: another record needs another name. Needs Imagenette ($LGM_DATASETS) and
the weights of the five backbones ($LGM_WEIGHTS).
"""

import platform
import statistics
import sys
import time
from typing import Any

import lgm_core
from lgm_core.base.machine import processor
from lgm_core.base.places import places
from lgm_core.runs.store import RunStore

M3, R18 = "mobilenet_v3_small", "resnet18"
JUDGES = (M3, "tf_efficientnet_lite0", "mobilenet_v2", R18, "dinov2_vits14")
WHITE = {"views": 3, "whiten": "full", "objective": "cosine-per-class", "learning_rate": 4e-2}
# name -> seconds that it may take, backbones that it is learned in, steps
RECORDS: dict[str, tuple[int, tuple[str, ...], int]] = {
    "minute-2026-11-26": (60, (M3,), 240),
    "joint-minute-2026-11-26": (60, (M3, R18), 150),
    "ten-minutes-2026-11-26": (600, (M3, R18), 300),
    "minute-full": (60, (M3,), 400),
    "ten-minutes-full": (600, (M3, R18), 1400),
}
OWN, UNSEEN = 0.85, 0.90


def run(seeds: int) -> None:
    for seed in range(seeds):
        for name, (_, backbones, steps) in RECORDS.items():
            if _of(name, seed) is None:
                lgm_core.distill(
                    "imagenette", "+".join(backbones), preset="preview", steps=steps, seed=seed, name=f"{name}-s{seed}",
                    evaluate_on=list(JUDGES), protocol=["nearest-mean"], progress=False, lgm=WHITE,
                    data={"train_per_class": 100}, live={"times": 24, "test_images": 300},
                    record={"frames": 12, "map_images": 0, "thumbnails": False},
                )  # fmt: skip


def table() -> None:
    print("| set | seeds | s | own | worst unseen | s to 85 % own | s to 90 % in all unseen |")
    print("|---|---|---|---|---|---|---|")
    for name, (limit, backbones, _) in RECORDS.items():
        found = [one for seed in range(10) if (one := _of(name, seed)) is not None]
        if not found:
            continue
        seconds = [sum(line["step_seconds"] for line in one.metrics()) for one in found]
        unseen = [network for network in JUDGES if network not in backbones]
        accuracies = [{report["backbone"]: report["top1"] for report in one.eval_reports()} for one in found]
        own = _told([min(one[network] for network in backbones) for one in accuracies])
        worst = _told([min(one[network] for network in unseen) for one in accuracies])
        times = [_slowest(found, nets, least) for nets, least in ((backbones, OWN), (unseen, UNSEEN))]
        told = f"{statistics.median(seconds):.0f} of {limit}"
        print(f"| {name} | {len(found)} | {told} | {own} | {worst} | {' | '.join(times)} |")
    print(f"\n{time.strftime('%Y-%m-%d')}, {processor()}, {platform.system()}")


def _slowest(found: list[Any], networks: Any, least: float) -> str:
    """The longest that any seed took until a look found all of these networks above an accuracy."""
    times = [_reached(one.metrics(), networks, least) for one in found]
    return "not reached" if None in times else f"{max(times):.0f}"


def _reached(lines: list[dict[str, Any]], networks: Any, least: float) -> float | None:
    spent = 0.0
    for line in lines:
        spent += line["step_seconds"]
        seen = [line.get(f"live:{network}") for network in networks]
        if None not in seen and min(seen) >= least:
            return spent
    return None


def _told(values: list[float]) -> str:
    spread = f" ± {100 * statistics.stdev(values):.1f}" if len(values) > 1 else ""
    return f"{100 * statistics.fmean(values):.1f}{spread}"


def _of(name: str, seed: int) -> Any:
    """The finished run of a record and a seed; None before it is there."""
    if not (places().runs / f"{name}-s{seed}" / "config.json").exists():
        return None
    found = RunStore(places().runs).open(f"{name}-s{seed}")
    return found if len(found.eval_reports()) == len(JUDGES) else None


if __name__ == "__main__":
    if sys.argv[1:2] == ["run"]:
        run(int(sys.argv[2]) if len(sys.argv) > 2 else 3)
    elif sys.argv[1:] == ["table"]:
        table()
    else:
        sys.exit(__doc__)
