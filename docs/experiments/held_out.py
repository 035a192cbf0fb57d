"""Which sets does a backbone read that took no part in making them? Singles, joint sets and real picks, three seeds.

`all-but-X` leaves one of five backbones out, and is matched by the other four in turn.

    python docs/experiments/held_out.py run [NAME ...] [--seeds 0 1]     # what is not there yet, one run after another
    python docs/experiments/held_out.py clip [NAME ...] [--seeds 0 1]    # judge what is there by CLIP, too
    python docs/experiments/held_out.py table [NAME ...] [--seeds 0 1]   # Markdown, of what is there
    python docs/experiments/held_out.py run NAME --precision bfloat16    # other than each backbone's quickest
    python docs/experiments/held_out.py run NAME --protocol nearest-mean # without the paper's probe: minutes

Imagenette, 100 training photographs per class (all 9,469 where a name ends in `of-all`), one image per class, three
views a step, one view per photograph in the banks, judged by the nearest class mean on 1,200 test photographs
(`nearest-mean`) and by the paper's probe (`paper`). CIFAR-10 at 224 px is the second data set: 60 test images per
class. Every row is a run of its own in the cache's runs folder; a run that is there is not made again. Seconds are
those of the steps alone, beside whatever else the machine did. Needs Imagenette and CIFAR-10 ($LGM_DATASETS) and the
weights of the five backbones ($LGM_WEIGHTS); CLIP's only where it is asked for: it is no part of *worst unseen*.
"""

import argparse
import statistics
from collections.abc import Sequence
from typing import Any

import lgm_core
from lgm_core.base.names import require_known
from lgm_core.base.places import places
from lgm_core.runs.store import RunStore

M3, LITE, M2, R18, DINO = "mobilenet_v3_small", "tf_efficientnet_lite0", "mobilenet_v2", "resnet18", "dinov2_vits14"
ALL, CLIP = (M3, LITE, M2, R18, DINO), "clip_vitb16"
SHORT = {M3: "MobileNetV3-small", LITE: "EfficientNet-Lite0", M2: "MobileNetV2", R18: "ResNet-18", DINO: "DINOv2 ViT-S",
         CLIP: "CLIP ViT-B/16"}  # fmt: skip
PROTOCOLS = ["nearest-mean", "paper"]
QUIET = {"live": {"times": 0}, "record": {"frames": 12, "map_images": 0, "thumbnails": False}}
PLAIN = {"whiten": "none", "objective": "cosine", "learning_rate": 2e-2}  # the paper's objective
WHITE = {"whiten": "full", "objective": "cosine-per-class", "learning_rate": 4e-2}
HALF = {**WHITE, "joint": "all"}  # each step in all backbones: half as many steps at equal time
PHASE, JITTER = {"synthetic": {"parameterisation": "phase"}}, {"augment": {"colour_jitter": 0.4}}
REAL, GREEDY, FIVE = {"synthetic": {"initial": "real"}}, {"synthetic": {"initial": "greedy"}}, {"views": 5}
NO_NOISE = {"augment": {"noise_std": 0.0, "noise_mean": 0.0}}
SEEDS = range(3)

# name -> data set, backbones, steps, settings of lgm, or of other groups by their names
PLAN: dict[str, tuple[str, tuple[str, ...], int, dict[str, Any]]] = {
    "preview": ("imagenette", (M3,), 250, PLAIN),
    "whitened": ("imagenette", (M3,), 250, WHITE),
    "turn-m3-r18": ("imagenette", (M3, R18), 300, WHITE),
    "joint-all": ("imagenette", (M3, R18), 150, HALF),
    "turn-m3-dino": ("imagenette", (M3, DINO), 150, WHITE),
    "turn-m3-clip": ("imagenette", (M3, CLIP), 150, WHITE),
    "turn-m3-r18-dino": ("imagenette", (M3, R18, DINO), 300, WHITE),
    "five-views-dino": ("imagenette", (DINO,), 500, {**PLAIN, **FIVE}),  # for a GPU, as the next four
    "five-views-clip": ("imagenette", (CLIP,), 500, {**PLAIN, **FIVE}),
    "five-views-dino-white": ("imagenette", (DINO,), 500, {**WHITE, **FIVE}),
    "five-views-clip-white": ("imagenette", (CLIP,), 500, {**WHITE, **FIVE}),
    "five-views-turn-dino-clip": ("imagenette", (DINO, CLIP), 500, {**WHITE, **FIVE}),
    "all-but-m3": ("imagenette", (LITE, M2, R18, DINO), 240, WHITE),
    "all-but-lite": ("imagenette", (M3, M2, R18, DINO), 240, WHITE),
    "all-but-m2": ("imagenette", (M3, LITE, R18, DINO), 240, WHITE),
    "all-but-r18": ("imagenette", (M3, LITE, M2, DINO), 240, WHITE),
    "all-but-dino": ("imagenette", (M3, LITE, M2, R18), 240, WHITE),
    "whitened-slow": ("imagenette", (M3,), 250, {**WHITE, "learning_rate": 2e-2}),
    "whiten-diagonal": ("imagenette", (M3,), 250, {**WHITE, "whiten": "diagonal"}),
    "whiten-power-1": ("imagenette", (M3,), 250, {**WHITE, "whiten_power": 1.0}),
    "beta-lowered": ("imagenette", (M3,), 250, {**WHITE, "whiten_beta": 10.0, "whiten_beta_end": 0.1}),
    "objective-mse": ("imagenette", (M3,), 250, {**WHITE, "objective": "mse"}),
    "objective-ridge": ("imagenette", (M3,), 250, {**WHITE, "objective": "ridge", "whiten": "none"}),
    "average": ("imagenette", (M3,), 250, {**WHITE, "average": 0.25}),
    "flat-radius": ("imagenette", (M3,), 125, {**WHITE, "flat_radius": 0.02}),  # a step costs twice: at equal time
    "whitened-lite": ("imagenette", (LITE,), 150, WHITE),
    "whitened-m2": ("imagenette", (M2,), 150, WHITE),
    "whitened-r18": ("imagenette", (R18,), 150, WHITE),
    "whitened-phase": ("imagenette", (M3,), 250, {**WHITE, **PHASE}),
    "whitened-jitter": ("imagenette", (M3,), 250, {**WHITE, **JITTER}),
    "whitened-no-noise": ("imagenette", (M3,), 250, {**WHITE, **NO_NOISE}),
    "own-sharp": ("imagenette", (M3,), 400, {**WHITE, **NO_NOISE, "real_power": 0.5}),
    "own-sharp-of-all": ("imagenette", (M3,), 400, {**WHITE, **NO_NOISE, "real_power": 0.5}),
    "own-no-noise": ("imagenette", (M3,), 400, {**WHITE, **NO_NOISE}),
    "own-no-noise-of-all": ("imagenette", (M3,), 400, {**WHITE, **NO_NOISE}),
    "own-sharp-noise": ("imagenette", (M3,), 400, {**WHITE, "real_power": 0.5}),
    "whitened-real": ("imagenette", (M3,), 250, {**WHITE, **REAL}),
    "turn-m3-r18-real": ("imagenette", (M3, R18), 300, {**WHITE, **REAL}),
    "whitened-greedy": ("imagenette", (M3,), 250, {**WHITE, **GREEDY}),
    "turn-m3-r18-greedy": ("imagenette", (M3, R18), 300, {**WHITE, **GREEDY}),
    "minute-noise": ("imagenette", (M3, R18), 150, WHITE),  # a minute of two idle cores
    "minute-real": ("imagenette", (M3, R18), 150, {**WHITE, **REAL}),
    "minute-greedy": ("imagenette", (M3, R18), 150, {**WHITE, **GREEDY}),
    "minute-greedy-no-noise": ("imagenette", (M3, R18), 150, {**WHITE, **GREEDY, **NO_NOISE}),
    "minute-greedy-of-all": ("imagenette", (M3, R18), 150, {**WHITE, **GREEDY}),
    "minute-greedy-average": ("imagenette", (M3, R18), 150, {**WHITE, **GREEDY, "average": 0.25}),
    "minute-greedy-two-views": ("imagenette", (M3, R18), 225, {**WHITE, **GREEDY, "views": 2}),
    "whitened-large-heads": ("imagenette", (M3,), 250, {**WHITE, "target": "bank", "head_std": 0.1}),
    "whitened-trained-heads": ("imagenette", (M3,), 250, {**WHITE, "target": "bank", "head_steps": 30}),
    "cifar10-plain": ("cifar10", (M3,), 150, PLAIN),
    "cifar10-whitened": ("cifar10", (M3,), 150, WHITE),
    "cifar10-whitened-slow": ("cifar10", (M3,), 150, {**WHITE, "learning_rate": 2e-2}),
    "cifar10-whitened-no-noise": ("cifar10", (M3,), 150, {**WHITE, **NO_NOISE}),
    "cifar10-sharp": ("cifar10", (M3,), 150, {**WHITE, **NO_NOISE, "real_power": 0.5}),
    "cifar10-whitened-real": ("cifar10", (M3,), 150, {**WHITE, **REAL}),
    "cifar10-turn-m3-r18": ("cifar10", (M3, R18), 150, WHITE),
    "cifar10-turn-m3-r18-no-noise": ("cifar10", (M3, R18), 150, {**WHITE, **NO_NOISE}),
    "cifar10-turn-m3-r18-real": ("cifar10", (M3, R18), 150, {**WHITE, **REAL}),
    "cifar10-turn-m3-r18-greedy": ("cifar10", (M3, R18), 150, {**WHITE, **GREEDY}),
}
# name -> data set, choice, backbones by which real images are chosen
PICKS: dict[str, tuple[str, str, tuple[str, ...]]] = {
    "random": ("imagenette", "random", (M3,)),
    "centroids-m3": ("imagenette", "centroids", (M3,)),
    "centroids-m3-r18": ("imagenette", "centroids", (M3, R18)),
    "centroids-lite": ("imagenette", "centroids", (LITE,)),
    "centroids-dino": ("imagenette", "centroids", (DINO,)),
    "centroids-clip": ("imagenette", "centroids", (CLIP,)),
    "best-random-m3-r18": ("imagenette", "best-random", (M3, R18)),
    "greedy-m3-r18": ("imagenette", "greedy", (M3, R18)),
    "greedy-m3-r18-of-all": ("imagenette", "greedy", (M3, R18)),
    "greedy-but-m3": ("imagenette", "greedy", (LITE, M2, R18, DINO)),
    "greedy-but-lite": ("imagenette", "greedy", (M3, M2, R18, DINO)),
    "greedy-but-m2": ("imagenette", "greedy", (M3, LITE, R18, DINO)),
    "greedy-but-r18": ("imagenette", "greedy", (M3, LITE, M2, DINO)),
    "greedy-but-dino": ("imagenette", "greedy", (M3, LITE, M2, R18)),
    "cifar10-random": ("cifar10", "random", (M3,)),
    "cifar10-centroids": ("cifar10", "centroids", (M3,)),
    "cifar10-greedy-m3-r18": ("cifar10", "greedy", (M3, R18)),
}


def run(asked: argparse.Namespace) -> None:
    shared: dict[str, Any] = {
        "preset": "preview", "evaluate_on": list(ALL), "protocol": asked.protocol, "study": "held-out",
        "progress": False, "device": {"precision": asked.precision}, **QUIET,
    }  # fmt: skip
    for seed in asked.seeds:
        for name in asked.names or [*PICKS, *PLAN]:
            if _of(name, seed, protocols=asked.protocol) is not None:
                continue
            few = 0 if name.endswith("-of-all") else 100
            named = shared | {"name": f"{name}-s{seed}", "seed": seed, "data": {"train_per_class": few}}
            if name.startswith("cifar10"):
                named["data"] |= {"test_per_class": 60}
            if name in PICKS:
                data, choice, by = PICKS[name]
                lgm_core.baseline(choice, data, "+".join(by), **named)
            else:
                data, by, steps, given = PLAN[name]
                groups = {key: value for key, value in given.items() if isinstance(value, dict)}
                lgm = {"views": 3} | {key: value for key, value in given.items() if key not in groups}
                lgm_core.distill(data, "+".join(by), steps=steps, lgm=lgm, **groups, **named)


def clip(asked: argparse.Namespace) -> None:
    for seed in asked.seeds:
        for name in asked.names or [*PICKS, *PLAN]:
            one = _of(name, seed)
            if one is not None and _of(name, seed, CLIP, asked.protocol) is None:
                named = {"name": f"{one.id}-{CLIP}", "study": "held-out-clip", "protocol": asked.protocol}
                lgm_core.evaluate(one.id, [CLIP], progress=False, device={"precision": asked.precision}, **named)


def _of(name: str, seed: int, further: str = "", protocols: Sequence[str] = PROTOCOLS[:1]) -> Any:
    """The run of a row and a seed, or that which judged it by a further backbone; None before it is judged."""
    run_id = f"{name}-s{seed}-{further}".removesuffix("-")
    if not (places().runs / run_id / "config.json").exists():
        return None
    found = RunStore(places().runs).open(run_id)
    asked = {(judge, protocol) for judge in ([further] if further else ALL) for protocol in protocols}
    return found if asked <= _accuracies(found).keys() else None


def table(asked: argparse.Namespace) -> None:
    print(f"| set | seeds | steps | s | {' | '.join(SHORT.values())} | worst unseen |")
    print("|---" * (5 + len(SHORT)) + "|")
    for name in asked.names or [*PICKS, *PLAN]:
        runs = [one for seed in asked.seeds if (one := _of(name, seed)) is not None]
        read = [one for seed in asked.seeds if (one := _of(name, seed, CLIP)) is not None]
        if not runs:
            continue
        sources, steps = (PICKS[name][2], 0) if name in PICKS else PLAN[name][1:3]
        seconds = statistics.median(sum(line["step_seconds"] for line in one.metrics()) for one in runs)
        found, cells = [_accuracies(one) for one in runs], []
        for network in SHORT:
            judged = [_accuracies(one) for one in read] if network == CLIP else found
            there = [[one[network, way] for one in judged if (network, way) in one] for way in reversed(PROTOCOLS)]
            both = [_told(values) for values in there if values]
            cells.append(f"*{' / '.join(both)}*" if network in sources and both else " / ".join(both))
        worst = _told([min(one[n, "nearest-mean"] for n in ALL if n not in sources) for one in found])
        print(f"| {name} | {len(found)} | {steps or ''} | {seconds:.0f} | {' | '.join(cells)} | {worst} |")


def _accuracies(one: Any) -> dict[tuple[str, str], float]:
    return {(report["backbone"], report["protocol"]): 100 * report["top1"] for report in one.eval_reports()}


def _told(values: list[float]) -> str:
    spread = f" ± {statistics.stdev(values):.1f}" if len(values) > 1 else ""
    return f"{statistics.fmean(values):.1f}{spread}"


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("do", choices=("run", "clip", "table"))
    parser.add_argument("names", nargs="*", metavar="NAME")
    parser.add_argument("--seeds", type=int, nargs="+", default=list(SEEDS))
    parser.add_argument("--precision", default="auto")
    parser.add_argument("--protocol", nargs="+", choices=PROTOCOLS, default=PROTOCOLS)
    asked = parser.parse_args()
    for name in asked.names:
        require_known(name, (*PICKS, *PLAN), "row")
    {"run": run, "clip": clip, "table": table}[asked.do](asked)
