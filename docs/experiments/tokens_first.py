"""What the order of axes in open_clip's transformers costs: python docs/experiments/tokens_first.py [BACKBONE]

As Markdown: seconds of one thread's CPU time, the quickest of three, forward + backward of 4 images and forward of 8,
in both orders and both precisions; then how far features are apart. Default: clip_vitb16, whose weights must be here.
"""

import sys
import time

import torch
from torch import Tensor

from lgm_core.backbones.frozen import FrozenBackbone, open_backbone
from lgm_core.base.device import Compute
from lgm_core.base.places import places


def main() -> None:
    torch.set_num_threads(1)
    backbone = open_backbone((sys.argv[1:] or ["clip_vitb16"])[0], places())
    side = backbone.input_size
    learned, read = torch.rand(4, 3, side, side, requires_grad=True), torch.rand(8, 3, side, side)
    reference, told = _features(Compute(torch.device("cpu"), "float32"), backbone, read, True), []
    print("| | images first | tokens first |\n|---|---|---|")
    for precision in ("float32", "bfloat16"):
        compute = Compute(torch.device("cpu"), precision)
        times = {"forward + backward of 4 images": [], "forward of 8": []}
        for first in (True, False):
            _order(backbone, first)
            for name, images in zip(times, (learned, read), strict=True):
                times[name].append(min(_seconds(compute, backbone, images) for _ in range(3)))
        seen = [_features(compute, backbone, read, first) for first in (True, False)]
        apart, alike = (seen[0] - seen[1]).abs().max(), torch.cosine_similarity(seen[1], reference).min()
        told.append(f"{precision}: the orders differ by {apart:.0e} at most, cosine to float32 {alike:.4f} at least")
        for name, (images_first, tokens_first) in times.items():
            print(f"| {name}, {precision} | {images_first:.1f} | {tokens_first:.1f} |", flush=True)
    print("\n" + "\n".join(told))


def _order(backbone: FrozenBackbone, images_first: bool) -> None:
    for module in backbone.network.modules():
        if hasattr(module, "batch_first"):
            module.batch_first = images_first  # type: ignore[assignment]


@torch.no_grad()
def _features(compute: Compute, backbone: FrozenBackbone, images: Tensor, images_first: bool) -> Tensor:
    _order(backbone, images_first)
    return compute.features(backbone, images)


def _seconds(compute: Compute, backbone: FrozenBackbone, images: Tensor) -> float:
    began = time.thread_time()
    with torch.set_grad_enabled(images.requires_grad):
        features = compute.features(backbone, images)
        if images.requires_grad:
            torch.autograd.grad(features.sum(), images)
    return time.thread_time() - began


if __name__ == "__main__":
    main()
