"""Wall time to the accuracy of the paper's literal method after 500 steps: ours from an empty cache, in one process.

    python docs/experiments/race.py literal mobilenet_v3_small   # the literal method's accuracy, and its seconds a step
    python docs/experiments/race.py ours mobilenet_v3_small      # ours, stopped after several times, each from nothing

Imagenette, all 450 training photographs per class, one image per class, the protocol `paper` on the same backbone.
The literal method is the preset `paper` with 500 steps, its pyramid growing every 20 of them (the paper's 200 of 5000).
Its time is 500 times the literal step of `lgm bench`, without its reading of 100 photographs a step. Ours is
`FAST` below, its time the whole of a run but for opening the backbone and the probe: features of the real
images from an empty cache, and the steps. Needs Imagenette ($LGM_DATASETS).
"""

import os
import sys
import tempfile
import time

import lgm_core
from lgm_core.base.places import places

QUIET = {"live": {"times": 0}, "record": {"frames": 12, "map_images": 0, "thumbnails": False}}
FAST = {  # the preset "preview" with a higher rate, more photographs and steps, and a pyramid that is there at once
    "preset": "preview",
    "lgm": {"learning_rate": 8e-2},
    "data": {"train_per_class": 200},
    "pyramid": {"grow_share": 0.05},
}
STEPS = {"mobilenet_v3_small": (200, 260, 320), "tf_efficientnet_lite0": (100, 200)}


def literal(backbone: str) -> None:
    run = lgm_core.distill(
        "imagenette", backbone, preset="paper", steps=500, evaluate_on=[backbone], pyramid={"grow_every": 20}, **QUIET
    )
    print(f"literal, 500 steps: {100 * run.accuracies().top1[0]:.1f} +- {100 * run.accuracies().top1_std[0]:.1f}")


def ours(backbone: str) -> None:
    print("| steps | features and steps, s | accuracy |\n|---|---|---|", flush=True)
    for steps in STEPS.get(backbone, (150, 300, 450)):
        datasets = str(places().datasets[0])
        with tempfile.TemporaryDirectory() as cache:
            os.environ |= {"LGM_CACHE": cache, "LGM_DATASETS": os.environ.get("LGM_DATASETS", datasets)}
            seconds, run = _timed(backbone, steps)
            judged = lgm_core.evaluate(run, [backbone], progress=False, protocol=["paper"], probe={"views": 100})
            accuracy = judged.accuracies()
            print(f"| {steps} | {seconds:.1f} | {100 * accuracy.top1[0]:.1f} +- {100 * accuracy.top1_std[0]:.1f} |")


def _timed(backbone: str, steps: int) -> tuple[float, lgm_core.Run]:
    began = time.perf_counter()
    run = lgm_core.distill("imagenette", backbone, steps=steps, progress=False, **QUIET, **FAST)
    return time.perf_counter() - began, run


if __name__ == "__main__":
    if len(sys.argv) != 3 or sys.argv[1] not in ("literal", "ours"):
        sys.exit(__doc__)
    {"literal": literal, "ours": ours}[sys.argv[1]](sys.argv[2])
