"""Which strength the head of the protocol "converged" takes: chosen on training images alone. The table of docs/log.md.

    python docs/experiments/strength.py [DATA_SET ...]

Real training images, one or ten per class drawn at random, are judged on other training images. Needs Imagenette and
CIFAR-10 ($LGM_DATASETS) and three small backbones; no test image is opened.
"""

import sys

import torch

from lgm_core.backbones.abstract_bench import VIEW_AUGMENT
from lgm_core.backbones.augment import Augment
from lgm_core.backbones.features import Bank, Recipe, as_images, view_features
from lgm_core.backbones.frozen import open_backbone
from lgm_core.base.device import open_compute
from lgm_core.base.places import places
from lgm_core.base.settings import DeviceConfig
from lgm_core.datasets.baselines import choose_random
from lgm_core.datasets.image_set import load_squares
from lgm_core.datasets.open import open_dataset
from lgm_core.evaluation.converged import ConvergedHead
from lgm_core.evaluation.seen import HeldOut, Seen

BACKBONES = ["mobilenet_v3_small", "tf_efficientnet_lite0", "mobilenet_v2"]
STRENGTHS = [1e-1, 3e-2, 1e-2, 3e-3, 1e-3, 3e-4, 1e-4]
DRAWS, VIEWS = 3, 30


def main() -> None:
    here, compute = places(), open_compute(DeviceConfig())
    print(
        f"| data set, backbone, per class | {' | '.join(f'{s:g}' for s in STRENGTHS)} |\n|---|{'---|' * len(STRENGTHS)}"
    )
    for dataset in sys.argv[1:] or ["imagenette", "cifar10", "scenes"]:
        train, _ = open_dataset(dataset, here.datasets, train_per_class=100)
        for name in BACKBONES:
            backbone = open_backbone(name, here, device=compute.device)
            bank = Bank.open_or_compute(train, backbone, Recipe(), here.features, compute)
            augment = Augment(VIEW_AUGMENT, side=backbone.input_size, seed=0, device=compute.device)
            for per_class in (1, 10):
                found = torch.zeros(len(STRENGTHS))
                for draw in range(DRAWS):
                    chosen = choose_random(bank.labels, classes=bank.classes, per_class=per_class, seed=draw)
                    pictures = as_images(load_squares(train, chosen.tolist(), 224, 224), compute.device)
                    views = view_features(pictures, backbone, augment, compute, views=VIEWS, batch=60, seed=draw)
                    others = torch.ones(len(train), dtype=torch.bool)
                    others[chosen] = False
                    held = HeldOut(bank.features[others, 0], bank.labels[others], None, 0, bank.classes)
                    for place, strength in enumerate(STRENGTHS):
                        head = ConvergedHead(Seen(views, bank.labels[chosen]), classes=bank.classes, strength=strength)
                        found[place] += held.report(head.scores)["top1"] / DRAWS
                cells = " | ".join(f"{100 * value:.1f}" for value in found)
                print(f"| {dataset}, {name}, {per_class} | {cells} |", flush=True)


if __name__ == "__main__":
    main()
