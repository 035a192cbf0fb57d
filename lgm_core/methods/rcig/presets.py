"""RCIG's starting points: the paper's seven named configurations, and two for a first look on a CPU.

RCIG specification, section 5. Two of the seven could not run as they were published: `cifar100_50` and `depth_4_big`
gave the pool's batch a name that the program does not read, and `depth_4_big` misspelt the number of networks; both are
mended. What is not named here has the value that all seven share.
"""

from typing import Any

_RUN: dict[str, Any] = {
    "method": "rcig",
    "steps": 10_000,
    "images_per_class": 10,
    "live": {"times": 20},
    "record": {"checkpoint_seconds": 300.0},  # the pool alone is half a gigabyte
}


def _paper(backbone: str = "conv", scratch: dict[str, Any] | None = None, **rcig: Any) -> dict[str, Any]:
    judges = (backbone, f"{backbone}:augmented")
    return {**_RUN, "backbone": backbone, "evaluate_on": judges, "rcig": rcig, "scratch": scratch or {}}


_SUBSETS_500: dict[str, Any] = {"direct_rows": 500, "implicit_rows": 500, "solve_rows": 500, "inner_rows": 500}
_SUBSETS_2000: dict[str, Any] = {"direct_rows": 2000, "implicit_rows": 2000, "solve_rows": 2000, "inner_rows": 2000}

PRESETS: dict[str, dict[str, Any]] = {
    # a first look: minutes on two cores; few steps want larger ones than the paper's 0.003
    "rcig_digits": {
        "method": "rcig", "dataset": "digits", "backbone": "conv", "evaluate_on": ("conv",), "steps": 300,
        "live": {"times": 10, "test_images": 355, "steps": 200}, "record": {"map_images": 0},
        "rcig": {"pool": 10, "image_rate": 0.03},
        "scratch": {"resolution": 8, "width": 16, "flip": False, "learning_rate": 1e-3},
        "device": {"threads": 1},  # so small that two threads on a busy machine wait for each other
    },
    "rcig_preview": {
        "method": "rcig", "dataset": "cifar10", "backbone": "conv", "evaluate_on": ("conv",), "steps": 300,
        "live": {"times": 5}, "record": {"map_images": 0},
        "rcig": {"batch": 256, "pool": 10, "image_rate": 0.01}, "scratch": {"width": 32},
        "device": {"threads": 1},  # two threads: 1.7 times as fast alone, but 7 times as slow next to a browser
    },
    # CIFAR-10, CIFAR-100, CUB; with batch norm; MNIST and Fashion-MNIST
    "rcig_depth_3": _paper(),
    "rcig_depth_3_bn": _paper("conv:batch"),
    "rcig_depth_3_no_flip": _paper(scratch={"resolution": 28, "flip": False}),
    # CIFAR-100 at 50 images per class
    "rcig_cifar100_50": {
        **_paper(scratch={"flip": False}, repeats=2, forward_chunk=2000, pool_rows=2000, **_SUBSETS_2000),
        "images_per_class": 50,
    },
    # Tiny ImageNet at 1 and at 10 images per class, ImageNet at 64 px
    "rcig_depth_4_200": _paper(scratch={"resolution": 64}, softplus=0.0, forward_chunk=400, direct_real_rows=400),
    "rcig_depth_4_big": _paper(
        scratch={"resolution": 64, "flip": False}, softplus=0.0, forward_chunk=500, direct_real_rows=256, pool_rows=256,
        **_SUBSETS_500,
    ),
    # ImageNette and ImageWoof at 128 px
    "rcig_depth_5": _paper(
        scratch={"resolution": 128}, softplus=0.0, l2_rate=0.05, forward_chunk=256, direct_real_rows=256
    ),
}  # fmt: skip


# what the Launch page says of each
WORDS: dict[str, str] = {
    "rcig_digits": "**Digits**: a first look, 8 px and a narrow network.",
    "rcig_preview": "**Preview**: a first look at CIFAR-10, with a narrow network.",
    "rcig_depth_3": "**Depth 3**: the paper's settings for CIFAR-10, CIFAR-100 and CUB at 32 px. Needs a GPU.",
    "rcig_depth_3_bn": "**Depth 3, batch norm**: as Depth 3, with normalised channels. Needs a GPU.",
    "rcig_depth_3_no_flip": "**Depth 3, no flip**: MNIST and Fashion-MNIST, 28 px. Needs a GPU.",
    "rcig_cifar100_50": "**CIFAR-100, 50**: 50 images per class of CIFAR-100. Needs a GPU with a lot of memory.",
    "rcig_depth_4_200": "**Depth 4, 200**: Tiny ImageNet, 64 px, made for 1 image per class. Needs a GPU.",
    "rcig_depth_4_big": "**Depth 4, big**: Tiny ImageNet and ImageNet at 64 px, in subsets. Needs a GPU.",
    "rcig_depth_5": "**Depth 5**: Imagenette and Imagewoof at 128 px. Needs a GPU.",
}


def paper_preset(dataset: str, images_per_class: int, side: int) -> str:
    """The configuration that the paper has for a distilled set; it says whether mirror images belong to the set."""
    if side == 28:
        return "rcig_depth_3_no_flip"
    if side >= 128:
        return "rcig_depth_5"
    if side == 64:
        return "rcig_depth_4_200" if dataset == "tiny_imagenet" and images_per_class == 1 else "rcig_depth_4_big"
    return "rcig_cifar100_50" if dataset == "cifar100" and images_per_class >= 50 else "rcig_depth_3"
