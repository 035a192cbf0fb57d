"""What each protocol says of the same sets: spread, agreement on their order, seconds. The tables of docs/log.md.

    python docs/experiments/protocols.py [DATA_SET ...]

For each data set, 100 training images a class: three draws of random real images, three distillations with each of
two backbones (`preview`), the neighbours of each and the backbones' centroids, judged in three backbones by all four
protocols. The first protocol, nearest-mean, pays for the views that the others use, too. Needs Imagenette and CIFAR-10
($LGM_DATASETS) and three small backbones.
"""

import sys
from itertools import combinations
from statistics import fmean, pstdev
from typing import Any

import lgm_core
from lgm_core.evaluation.catalog import PROTOCOLS

SOURCES = ["tf_efficientnet_lite0", "mobilenet_v3_small"]
JUDGES = [*SOURCES, "mobilenet_v2"]
FROZEN = [name for name, row in PROTOCOLS.items() if row.networks == "frozen"]
SEEDS = (0, 1, 2)
Accuracies = dict[str, dict[tuple[str, str], list[float]]]  # by set, then by judge and protocol: one of each seed


def accuracies(dataset: str) -> tuple[Accuracies, dict[str, list[float]]]:
    """Top-1 of all sets in all judges by all protocols, and the seconds that each protocol took."""
    common: dict[str, Any] = {
        "evaluate_on": JUDGES, "protocol": FROZEN, "data": {"train_per_class": 100}, "probe": {"views": 30},
        "progress": False,
    }  # fmt: skip
    found, seconds = Accuracies(), {name: [] for name in FROZEN}

    def take(name: str, run: lgm_core.Run) -> None:
        for report in run.folder.eval_reports():
            place = report["backbone"], report["protocol"]
            found.setdefault(name, {}).setdefault(place, []).append(report["top1"])
            seconds[report["protocol"]].append(report["seconds"])

    for seed in SEEDS:
        take("random", lgm_core.baseline("random", dataset, SOURCES[0], seed=seed, **common))
        for source in SOURCES:
            live = {"live": {"times": 0}, "record": {"map_images": 0}}
            made = lgm_core.distill(dataset, source, preset="preview", seed=seed, **common, **live)
            take(f"distilled, {source}", made)
            near = lgm_core.baseline("neighbours", dataset, source, source=made.id, seed=seed, **common)
            take(f"neighbours, {source}", near)
    for source in SOURCES:
        take(f"centroids, {source}", lgm_core.baseline("centroids", dataset, source, **common))
    return found, seconds


def agreement(left: list[float], right: list[float]) -> float:
    """Kendall's tau of two orders."""
    pairs = list(combinations(range(len(left)), 2))
    sign = [
        ((left[i] > left[j]) - (left[i] < left[j])) * ((right[i] > right[j]) - (right[i] < right[j])) for i, j in pairs
    ]
    return sum(sign) / len(pairs)


def main() -> None:
    for dataset in sys.argv[1:] or ["imagenette", "cifar10"]:
        found, seconds = accuracies(dataset)
        for judge in JUDGES:
            print(f"\n{dataset}, judged in {judge}\n\n| set | {' | '.join(FROZEN)} |\n|---|{'---|' * len(FROZEN)}")
            for name, cells in found.items():
                tops = [cells[judge, protocol] for protocol in FROZEN]
                spread = [f" +- {100 * pstdev(one):.1f}" if len(one) > 1 else "" for one in tops]
                told = [f"{100 * fmean(one):.1f}{s}" for one, s in zip(tops, spread, strict=True)]
                print(f"| {name} | {' | '.join(told)} |")
        print(f"\n{dataset}: over {len(JUDGES)} judges\n\n| protocol | spread over seeds | between sets / spread | "
              "agreement with the others (tau) | median seconds |\n|---|---|---|---|---|")  # fmt: skip
        for protocol in FROZEN:
            spreads, ratios, taus = [], [], []
            for judge in JUDGES:
                each = [cells[judge, protocol] for cells in found.values()]
                within = fmean(pstdev(one) for one in each if len(one) > 1)
                means = [fmean(one) for one in each]
                spreads.append(within)
                ratios.append(pstdev(means) / within if within else float("inf"))
                others = [name for name in FROZEN if name != protocol]
                theirs = [[fmean(cells[judge, other]) for cells in found.values()] for other in others]
                taus.append(fmean(agreement(means, one) for one in theirs))
            took = sorted(seconds[protocol])[len(seconds[protocol]) // 2]
            cells = f"{100 * fmean(spreads):.1f} | {fmean(ratios):.1f} | {fmean(taus):.2f} | {took:.2f}"
            print(f"| {protocol} | {cells} |", flush=True)


if __name__ == "__main__":
    main()
