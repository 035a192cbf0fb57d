"""MKDT's starting points: the paper's settings per data set and size, and one for a first look on a CPU.

MKDT specification, section 4. The published script for 5 % of Tiny ImageNet points to the images of the 2 % set; here
it has its own.
"""

from typing import Any

_RUN: dict[str, Any] = {
    "method": "mkdt",
    "backbone": "conv:instance",
    "evaluate_on": ("conv:instance",),
    "protocol": ("nearest-mean", "pretrain"),  # the first for frozen backbones, the second for networks like its own
    "label_fraction": (0.01, 0.05, 0.1, 0.5),
    "live": {"times": 10},
    "record": {"map_images": 0, "checkpoint_seconds": 120.0},
}


def _paper(dataset: str, teacher: str, steps: int, per_class: int, side: int = 32, **mkdt: Any) -> dict[str, Any]:
    held = 10 if side == 32 else 4  # steps in memory at once: 9 to 13 GB (docs/mkdt.md)
    return {
        **_RUN, "dataset": dataset, "steps": steps, "images_per_class": per_class, "mkdt": {"segment": held, **mkdt},
        "pretrain": {"teacher": f"barlow_twins_resnet18_{teacher}", "scale": "raw"}, "scratch": {"resolution": side},
        "data": {"resize": 224},  # teachers see the images as they are: nothing is cut off
    }  # fmt: skip


PRESETS: dict[str, dict[str, Any]] = {
    # a first look: minutes on two cores. So few hardest images lead astray from the experts' way (docs/log.md); a step
    # of 1 is SGD's 0.1 with a momentum of 0.9, as the experts have it; networks are judged after as many plain steps as
    # two epochs of an expert are matched by, where the set is better than real images
    "mkdt_preview": {
        **_RUN, "dataset": "cifar10", "steps": 300, "images_per_class": 10,
        "data": {"train_per_class": 500, "test_per_class": 200, "resize": 224},
        "scratch": {"width": 32},
        "pretrain": {"teacher": "mobilenet_v3_small", "batch": 25, "steps": 20, "momentum": 0.0, "learning_rate": 1.0},
        "mkdt": {
            "experts": 4, "expert_batch": 64, "expert_epochs": 1, "initial": "random", "student_steps": 10, "batch": 25,
            "rate": 1.0, "target_rate": 500.0,
        },
        "live": {"times": 5, "steps": 20},
        "record": {"map_images": 0},
    },
    "mkdt_cifar10_2": _paper("cifar10", "cifar10", 5000, 100),
    "mkdt_cifar10_5": _paper("cifar10", "cifar10", 5000, 250, start_epochs=5, image_rate=1e4),
    "mkdt_cifar100_2": _paper("cifar100", "cifar100", 5000, 10),
    "mkdt_cifar100_5": _paper("cifar100", "cifar100", 5000, 25, start_epochs=5, image_rate=1e4),
    "mkdt_tiny_2": _paper(
        "tiny_imagenet", "tinyimagenet", 10_000, 10, 64, student_steps=10, image_rate=1e5
    ),
    "mkdt_tiny_5": _paper(
        "tiny_imagenet", "tinyimagenet", 10_000, 25, 64, student_steps=10, image_rate=1e5
    ),
}  # fmt: skip


def paper_preset(dataset: str, images: int) -> str:
    """The paper's preset for a data set and about so many images; that of CIFAR-10 for data that it did not use."""
    name, two = ("tiny", 2000) if dataset == "tiny_imagenet" else (dataset, 1000)
    found = f"mkdt_{name}_{5 if images > 1.5 * two else 2}"
    return found if found in PRESETS else "mkdt_cifar10_2"


# what the Launch page says of each
WORDS: dict[str, str] = {
    "mkdt_preview": "**Preview**: a first look at CIFAR-10, 100 images, a narrow network.",
    "mkdt_cifar10_2": "**CIFAR-10, 2 %**: the paper's settings, 1,000 images. Wants a GPU, and Barlow Twins' weights.",
    "mkdt_cifar10_5": "**CIFAR-10, 5 %**: 2,500 images. Wants a GPU, and Barlow Twins' weights.",
    "mkdt_cifar100_2": "**CIFAR-100, 2 %**: 1,000 images. Wants a GPU, and Barlow Twins' weights.",
    "mkdt_cifar100_5": "**CIFAR-100, 5 %**: 2,500 images. Wants a GPU, and Barlow Twins' weights.",
    "mkdt_tiny_2": "**Tiny ImageNet, 2 %**: 2,000 images of 64 px. Wants a GPU, and Barlow Twins' weights.",
    "mkdt_tiny_5": "**Tiny ImageNet, 5 %**: 5,000 images of 64 px. Wants a GPU, and Barlow Twins' weights.",
}
