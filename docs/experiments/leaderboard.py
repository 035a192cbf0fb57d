"""The current records: what `make race` runs, and the lines of docs/leaderboard.md.

    python docs/experiments/leaderboard.py run [SEEDS [NAME ...]]    # what is not there yet; default: 3 seeds, all
    python docs/experiments/leaderboard.py table                     # Markdown, of what is there

Imagenette, 100 training photographs per class, one image per class, features of the real images at hand. A record is
judged by the nearest class mean on 1,200 test photographs in five backbones; of those that took no part the worst
counts. During a run the same judge looks at 300 of them from time to time: the time to an accuracy is that of the steps
up to the first look that reached it in all seeds. Seconds are true only on an otherwise idle machine. Each record is
also run once on CIFAR-10 at 224 px, 60 test images per class: what does not hold there is refused. A run is tagged with
the commit that it was made at, "changed" where the checkout had changes. Runs lie in $LGM_CACHE under the record's name
and its seed: another record needs another name. Needs Imagenette and CIFAR-10 ($LGM_DATASETS) and the weights of the
five backbones ($LGM_WEIGHTS).
"""

import platform
import statistics
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import lgm_core
from lgm_core.base.machine import processor
from lgm_core.base.places import places
from lgm_core.runs.marks import mark
from lgm_core.runs.store import RunStore

M3, R18 = "mobilenet_v3_small", "resnet18"
JUDGES = (M3, "tf_efficientnet_lite0", "mobilenet_v2", R18, "dinov2_vits14")
WHITE = {"views": 3, "whiten": "full", "objective": "cosine-per-class", "learning_rate": 4e-2}
GREEDY = {"synthetic": {"initial": "greedy"}}
SHARP = {"lgm": {"real_power": 0.5}, "augment": {"noise_std": 0.0, "noise_mean": 0.0}}
# name -> seconds that it may take, backbones that it is learned in, steps, what is set besides WHITE
RECORDS: dict[str, tuple[int, tuple[str, ...], int, dict[str, dict[str, Any]]]] = {
    "minute-2026-11-26": (60, (M3,), 240, {}),
    "joint-minute-2026-11-26": (60, (M3, R18), 150, {}),
    "ten-minutes-2026-11-26": (600, (M3, R18), 300, {}),
    "greedy-minute": (60, (M3, R18), 150, GREEDY),
    "minute-full": (60, (M3,), 400, {}),
    "own-minute": (60, (M3,), 400, SHARP),
    "ten-minutes-full": (600, (M3, R18), 1400, {}),
}
OWN, UNSEEN = 0.85, 0.90


# data set -> how it is cut, and how often a run is looked at on the way
GATE = "cifar10"
CUTS: dict[str, dict[str, Any]] = {
    "imagenette": {"data": {"train_per_class": 100}, "live": {"times": 24, "test_images": 300}},
    GATE: {"data": {"train_per_class": 100, "test_per_class": 60}, "live": {"times": 0}},
}


def run(seeds: int, names: list[str]) -> None:
    for data, seed in [*(("imagenette", seed) for seed in range(seeds)), (GATE, 0)]:
        for name in names:
            _, backbones, steps, _ = RECORDS[name]
            if _of(name, seed, data) is None:
                made = lgm_core.distill(
                    data, "+".join(backbones), preset="preview", steps=steps, seed=seed, name=_name(name, seed, data),
                    evaluate_on=list(JUDGES), protocol=["nearest-mean"], progress=False,
                    record={"frames": 12, "map_images": 0, "thumbnails": False},
                    **settings(name), **CUTS[data],
                )  # fmt: skip
                mark(made.folder.marks_file, add=[f"commit {_commit()}"])


def settings(name: str) -> dict[str, dict[str, Any]]:
    """What a record sets, besides its steps: groups of settings."""
    changes = RECORDS[name][3]
    return changes | {"lgm": WHITE | changes.get("lgm", {})}


def table() -> None:
    print("| set | commit | seeds | s | own | worst unseen | s to 85 % own | s to 90 % in all unseen | CIFAR-10: own | "
          "CIFAR-10: worst unseen |")  # fmt: skip
    print("|---" * 10 + "|")
    for name, (limit, backbones, *_) in RECORDS.items():
        found = [one for seed in range(10) if (one := _of(name, seed)) is not None]
        if not found:
            continue
        seconds = [sum(line["step_seconds"] for line in one.metrics()) for one in found]
        unseen = [network for network in JUDGES if network not in backbones]
        second = [one for one in [_of(name, 0, GATE)] if one is not None]
        accuracies = [_worst(runs, nets) for runs in (found, second) for nets in (backbones, unseen)]
        times = [_slowest(found, nets, least) for nets, least in ((backbones, OWN), (unseen, UNSEEN))]
        tags = [tag.removeprefix("commit ") for one in found for tag in one.marks().tags if tag.startswith("commit ")]
        cells = [name, ", ".join(dict.fromkeys(tags)), str(len(found)), f"{statistics.median(seconds):.0f} of {limit}"]
        print(f"| {' | '.join([*cells, *accuracies[:2], *times, *accuracies[2:]])} |")
    print(f"\n{time.strftime('%Y-%m-%d')}, {processor()}, {platform.system()}")


def _worst(runs: list[Any], networks: Any) -> str:
    """The worst of these networks, run by run; "" without runs."""
    accuracies = [{report["backbone"]: report["top1"] for report in one.eval_reports()} for one in runs]
    return _told([min(one[network] for network in networks) for one in accuracies]) if runs else ""


def _commit() -> str:
    def git(*words: str) -> str:
        root = Path(__file__).parent
        return subprocess.run(["git", *words], cwd=root, capture_output=True, text=True).stdout.strip()

    changed = " changed" if git("status", "--porcelain", "-uno") else ""
    return (git("rev-parse", "--short", "HEAD") or "unknown") + changed


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


def _name(name: str, seed: int, data: str) -> str:
    return f"{name}-s{seed}" if data == "imagenette" else f"{name}-{data}-s{seed}"


def _of(name: str, seed: int, data: str = "imagenette") -> Any:
    """The finished run of a record, a seed and a data set; None before it is there."""
    name = _name(name, seed, data)
    if not (places().runs / name / "config.json").exists():
        return None
    found = RunStore(places().runs).open(name)
    return found if len(found.eval_reports()) == len(JUDGES) else None


if __name__ == "__main__":
    if sys.argv[1:2] == ["run"]:
        run(int(sys.argv[2]) if len(sys.argv) > 2 else 3, sys.argv[3:] or list(RECORDS))
    elif sys.argv[1:] == ["table"]:
        table()
    else:
        sys.exit(__doc__)
