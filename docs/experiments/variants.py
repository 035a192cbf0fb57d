"""Distil one data set with one backbone under several settings, and print one row each: the tables of docs/log.md.

    python docs/experiments/variants.py knobs      # 250 steps, one setting changed at a time
    python docs/experiments/variants.py targets    # the three real sides, stepping for about the same time

Runs are kept and taken up again like any other; needs Imagenette ($LGM_DATASETS) and three small backbones.
"""

import sys

import lgm_core

BACKBONES = ["mobilenet_v3_small", "tf_efficientnet_lite0", "mobilenet_v2"]
COMMON = {
    "protocol": ["paper"],
    "steps": 250,
    "data": {"train_per_class": 200, "test_per_class": 60},
    "bank": {"views": 2},
    "probe": {"views": 40, "seeds": 3},
    "live": {"times": 0},
    "lgm": {"views": 3, "learning_rate": 1e-2, "schedule": "constant", "target": "mean"},
}
KNOBS = {
    "as it is": {},
    "noise_scale 1 (the paper's)": {"synthetic": {"noise_scale": 1.0}},
    "paper's pyramid": {
        "synthetic": {"noise_scale": 1.0},
        "pyramid": {"rescale": True, "keep_moments": False, "cascade": False},
    },
    "rate 2e-2": {"lgm": {"learning_rate": 2e-2}},
    "rate 2e-2, cosine": {"lgm": {"learning_rate": 2e-2, "schedule": "cosine"}},
    "rate 5e-2, fine_rate 0.7": {"lgm": {"learning_rate": 5e-2}, "pyramid": {"fine_rate": 0.7}},
    "1 view": {"lgm": {"views": 1}},
    "10 views, rate 2e-2": {"lgm": {"views": 10, "learning_rate": 2e-2}},
    "500 steps, rate 2e-2": {"steps": 500, "lgm": {"learning_rate": 2e-2}},
    "grow_share 0.6": {"pyramid": {"grow_share": 0.6}},
    "noise_std 0.3": {"augment": {"noise_std": 0.3}},
    "area_low 0.25": {"augment": {"area_low": 0.25}},
    "128 px": {"synthetic": {"resolution": 128}},
    "bank, head_std 0.1": {"lgm": {"target": "bank", "head_std": 0.1}},
}
TARGETS = {
    "mean": {"lgm": {"target": "mean", "learning_rate": 2e-2}},
    "bank": {"steps": 220, "lgm": {"target": "bank", "learning_rate": 2e-2}},
    "batch": {"steps": 150, "lgm": {"target": "batch", "learning_rate": 2e-2}},
}
TABLES = {"knobs": KNOBS, "targets": TARGETS}


def merged(changes: dict) -> dict:
    """The common settings with a variant's over them, group by group."""
    values = {key: dict(value) if isinstance(value, dict) else value for key, value in COMMON.items()}
    for key, value in changes.items():
        values[key] = {**values.get(key, {}), **value} if isinstance(value, dict) else value
    return values


def main() -> None:
    if len(sys.argv) < 2 or sys.argv[1] not in TABLES:
        sys.exit(__doc__)
    table = TABLES[sys.argv[1]]
    chosen = {name: changes for name, changes in table.items() if not sys.argv[2:] or name in sys.argv[2:]}
    print(f"| {sys.argv[1]} | {' | '.join(BACKBONES)} | loss | s / step |\n|---|{'---|' * (len(BACKBONES) + 2)}")
    for name, changes in chosen.items():
        run = lgm_core.distill("imagenette", BACKBONES[0], progress=False, evaluate_on=BACKBONES, **merged(changes))
        top1 = run.accuracies().set_index("backbone").top1
        metrics = run.metrics()
        cells = [f"{100 * top1[backbone]:.1f}" for backbone in BACKBONES]
        cells += [f"{metrics.loss.tail(10).mean():.3f}", f"{metrics.step_seconds.median():.3f}"]
        print(f"| {name} | {' | '.join(cells)} |", flush=True)


if __name__ == "__main__":
    main()
