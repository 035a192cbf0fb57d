"""What keeping freed memory is worth on CPU: forward + backward of 100 views of a small network, with and without.

python docs/experiments/allocator.py
"""

import statistics
import subprocess
import sys
import time


def seconds(keep: bool) -> float:
    """Median of seven forward + backward passes of MobileNetV3-small (random weights, 100 images of 224 px)."""
    import torch
    from torchvision.models import mobilenet_v3_small

    from lgm_core.base.device import keep_freed_memory

    if keep:
        keep_freed_memory()
    network = mobilenet_v3_small().eval().requires_grad_(False).to(memory_format=torch.channels_last)
    images = torch.rand(100, 3, 224, 224).contiguous(memory_format=torch.channels_last).requires_grad_()
    times = []
    for turn in range(9):
        began = time.perf_counter()
        torch.autograd.grad(network(images).sum(), images)
        times += [time.perf_counter() - began] if turn >= 2 else []
    return statistics.median(times)


if __name__ == "__main__":
    if sys.argv[1:]:
        print(f"{seconds(sys.argv[1] == 'keep'):.3f}")
    else:
        for way in ("hand back", "keep"):
            done = subprocess.run([sys.executable, __file__, way], capture_output=True, text=True, check=True)
            print(f"{way}: {done.stdout.strip()} s")
