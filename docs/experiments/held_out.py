"""Which sets does a backbone read that took no part in making them? Singles, joint sets and real picks, three seeds.

    python docs/experiments/held_out.py run [NAME ...]   # what is not there yet, one run after another
    python docs/experiments/held_out.py table            # Markdown, of what is there

Imagenette, 100 training photographs per class, one image per class, three views a step, one view per photograph in the
banks, judged by the nearest class mean on 1,200 test photographs (`nearest-mean`) and by the paper's probe (`paper`).
Every row is a run of its own in the cache's runs folder; a run that is there is not made again. Seconds are those of
the steps alone. Needs Imagenette ($LGM_DATASETS) and the weights of the five backbones ($LGM_WEIGHTS).
"""

import statistics
import sys
from typing import Any

import lgm_core
from lgm_core.base.places import places
from lgm_core.runs.store import RunStore

M3, LITE, M2, R18, DINO = "mobilenet_v3_small", "tf_efficientnet_lite0", "mobilenet_v2", "resnet18", "dinov2_vits14"
ALL = (M3, LITE, M2, R18, DINO)
SHORT = {M3: "MobileNetV3-small", LITE: "EfficientNet-Lite0", M2: "MobileNetV2", R18: "ResNet-18", DINO: "DINOv2 ViT-S"}
QUIET = {"live": {"times": 0}, "record": {"frames": 12, "map_images": 0, "thumbnails": False}}
PLAIN = {"whiten": "none", "objective": "cosine", "learning_rate": 2e-2}  # the paper's, at the rate that `preview` had
WHITE = {"whiten": "full", "objective": "cosine-per-class", "learning_rate": 4e-2}
SEEDS = range(3)

# name -> backbones, steps, settings of lgm
PLAN: dict[str, tuple[tuple[str, ...], int, dict[str, Any]]] = {
    "plain": ((M3,), 250, PLAIN),
    "whitened": ((M3,), 250, WHITE),
    "whitened-long": ((M3,), 600, WHITE),
    "turn-m3-r18": ((M3, R18), 300, WHITE),
    "turn-m3-r18-dino": ((M3, R18, DINO), 300, WHITE),
    **{f"without-{out}": (tuple(name for name in ALL if name != out), 240, WHITE) for out in ALL},
}


def run(names: list[str]) -> None:
    for seed in SEEDS:
        for name in names or PLAN:
            sources, steps, lgm = PLAN[name]
            if (places().runs / f"{name}-s{seed}" / "synthetic.safetensors").exists():
                continue
            lgm_core.distill(
                "imagenette", "+".join(sources), name=f"{name}-s{seed}", preset="preview", steps=steps, seed=seed,
                evaluate_on=list(ALL), protocol=["nearest-mean", "paper"], lgm={"views": 3, **lgm}, study="held-out",
                progress=False, **QUIET,
            )  # fmt: skip


def table() -> None:
    store = RunStore(places().runs)
    print(f"| set | seeds | steps | s | {' | '.join(SHORT[name] for name in ALL)} | worst unseen |")
    print("|---" * (5 + len(ALL)) + "|")
    for name, (sources, steps, _) in PLAN.items():
        runs = [store.open(f"{name}-s{seed}") for seed in SEEDS if (places().runs / f"{name}-s{seed}").exists()]
        if not (found := [accuracies for one in runs if (accuracies := _accuracies(one))]):
            continue
        seconds = statistics.median(sum(line["step_seconds"] for line in one.metrics()) for one in runs)
        cells = []
        for network in ALL:
            both = [_told([one[network, protocol] for one in found]) for protocol in ("paper", "nearest-mean")]
            cells.append(f"*{' / '.join(both)}*" if network in sources else " / ".join(both))
        worst = _told([min(one[n, "nearest-mean"] for n in ALL if n not in sources) for one in found])
        print(f"| {name} | {len(found)} | {steps} | {seconds:.0f} | {' | '.join(cells)} | {worst} |")


def _accuracies(one: Any) -> dict[tuple[str, str], float]:
    return {(report["backbone"], report["protocol"]): 100 * report["top1"] for report in one.eval_reports()}


def _told(values: list[float]) -> str:
    spread = f" ± {statistics.stdev(values):.1f}" if len(values) > 1 else ""
    return f"{statistics.fmean(values):.1f}{spread}"


if __name__ == "__main__":
    if sys.argv[1:2] == ["run"]:
        run(sys.argv[2:])
    elif sys.argv[1:] == ["table"]:
        table()
    else:
        sys.exit(__doc__)
