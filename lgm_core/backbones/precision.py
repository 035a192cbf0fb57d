"""float32 or bfloat16 for a backbone on this machine: whichever is faster, measured once and kept in cache/estimates.

A transformer on a CPU with bfloat16 products is twice as fast under autocast, a small convolutional network slower.

>>> choose_precision(backbone, compute, places().estimates)
'bfloat16'
"""

import hashlib
import json
import platform
import time
from dataclasses import replace
from pathlib import Path

import torch

from lgm_core.base.device import Compute
from lgm_core.base.files import read_json, set_aside_damaged, write_json
from lgm_core.base.interfaces import Backbone

_MADE = "tokens first"  # how networks are built; measured anew where that has changed
_WORTH = 1.15  # bfloat16 has to be this much faster: it costs digits
_IMAGES = {"cpu": 2, "cuda": 32}
_ROUNDS = (3, 12)  # fewest, most; the first only warms up, and the quickest of the others counts
_SECONDS = 1.0  # after the fewest rounds, stop at this total


def choose_precision(backbone: Backbone, compute: Compute, folder: Path) -> str:
    """ "bfloat16" or "float32". The same answer for the same backbone, device and torch as long as `folder` is kept."""
    file = folder / f"precision-{_key(backbone, compute)}.json"
    set_aside_damaged(file)
    if not _known(file):
        seconds = {name: min(times[1:]) for name, times in _measure(backbone, compute).items()}
        faster = seconds["float32"] > _WORTH * seconds["bfloat16"]
        found = {"precision": "bfloat16" if faster else "float32", "backbone": backbone.name, "seconds": seconds}
        if not _known(file):  # another run may have been quicker
            folder.mkdir(parents=True, exist_ok=True)
            write_json(file, found)
    return _known(file)


def _known(file: Path) -> str:
    """The precision that a file names; "" where there is none, or one that this version does not choose."""
    named = read_json(file).get("precision")
    return named if named in ("float32", "bfloat16") else ""


def forward_seconds(backbone: Backbone, compute: Compute) -> float:
    """Seconds per image of a forward pass alone."""
    images = torch.rand(16, 3, backbone.input_size, backbone.input_size, device=compute.device)
    with torch.no_grad():
        compute.features(backbone, images)
        began = time.perf_counter()
        compute.features(backbone, images).sum().item()
    return (time.perf_counter() - began) / len(images)


def _measure(backbone: Backbone, compute: Compute) -> dict[str, list[float]]:
    """Seconds of forward + backward in both precisions, alternating. On a CPU: one thread's CPU time, so that other
    processes do not disturb the comparison.
    """
    count, side = _IMAGES.get(compute.device.type, 2), backbone.input_size
    images = torch.rand(count, 3, side, side, device=compute.device, requires_grad=True)
    times: dict[str, list[float]] = {"float32": [], "bfloat16": []}
    threads, clock = torch.get_num_threads(), time.perf_counter
    if compute.device.type == "cpu":
        clock = time.thread_time
        torch.set_num_threads(1)
    try:
        for turn in range(_ROUNDS[1]):
            if turn >= _ROUNDS[0] and sum(map(sum, times.values())) > _SECONDS:
                break
            for name, found in times.items():
                began = clock()
                features = replace(compute, precision=name, chosen={}).features(backbone, images)
                (gradient,) = torch.autograd.grad(features.sum(), images)
                gradient.sum().item()  # waits for the device
                found.append(clock() - began)
    finally:
        torch.set_num_threads(threads)
    return times


def _key(backbone: Backbone, compute: Compute) -> str:
    facts = [_MADE, platform.node(), compute.title(), torch.__version__]
    facts += [backbone.name, backbone.weights_hash, str(backbone.input_size)]
    return hashlib.sha256(json.dumps(facts).encode()).hexdigest()[:16]
