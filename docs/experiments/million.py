"""What ImageNet-1k's 1,281,167 images cost: bank, class means, neighbours, maps and thumbnails, as Markdown.

    python docs/experiments/million.py [STAGE ...]      # all: an hour, 3 GB of disk, and cifar10

The images are made up, 4 px, of 1,000 classes, and so is the backbone, with 576 features around a class's centre:
reading files and encoding images cost what they cost (docs/experiments/scaling.py); what is measured here is all else.
Each stage is a process of its own with one thread. Seconds are those of the processor, so that a busy machine does not
change them; memory is the process's own at its peak, without the pages of mapped files, which the kernel may drop.
"""

import os
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

for name in ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "NUMBA_NUM_THREADS"):
    os.environ[name] = "1"

import numpy as np  # noqa: E402
import torch  # noqa: E402
from torch import Tensor  # noqa: E402

from lgm_core.analysis import neighbours  # noqa: E402
from lgm_core.analysis.neighbours import nearest, neighbours_within, own_rank  # noqa: E402
from lgm_core.analysis.projection import fit_pca, umap_points  # noqa: E402
from lgm_core.analysis.thumbnails import Thumbnails  # noqa: E402
from lgm_core.backbones.features import Bank, Recipe  # noqa: E402
from lgm_core.base.device import open_compute  # noqa: E402
from lgm_core.base.interfaces import Backbone, ImageSet, generator  # noqa: E402
from lgm_core.base.places import places  # noqa: E402
from lgm_core.base.settings import DeviceConfig  # noqa: E402
from lgm_core.datasets.image_set import ArrayImages, Subset  # noqa: E402
from lgm_core.datasets.open import open_dataset  # noqa: E402
from lgm_core.datasets.spread import spread  # noqa: E402

IMAGES, CLASSES, WIDTH, INNER = 1_281_167, 1_000, 576, 45  # INNER: dimensions within a class
K, QUERIES, EXACT, DESCENDED, MAPPED = 12, 1_000, 100_000, 400_000, 5_000
RECIPE = Recipe(resize=224)  # of 4 px images: as they are
COMPUTE = open_compute(DeviceConfig(device="cpu", precision="float32", threads=1))  # tunes the allocator, as runs do


class MadeUp(Backbone):
    """Features around the centre of a class, which the first two numbers of an image name; the others are the rest."""

    def __init__(self) -> None:
        super().__init__()
        self.name, self.input_size, self.feature_size, self.weights_hash = "made-up", 4, WIDTH, "0"
        source = generator("cpu", 1)
        self._centres = torch.randn(CLASSES, WIDTH, generator=source)
        self._inner = torch.randn(INNER, WIDTH, generator=source) / 4

    def normalise(self, images: Tensor) -> Tensor:
        return images

    def encode(self, normalised: Tensor) -> Tensor:
        pixels = (normalised * 255).round().permute(0, 2, 3, 1).flatten(1)
        labels = (256 * pixels[:, 0] + pixels[:, 1]).long()
        return self._centres[labels] + (pixels[:, 3:] / 255 - 0.5) @ self._inner


def made_up(count: int = IMAGES) -> ImageSet:
    """Images class by class, as folders list them."""
    labels = np.arange(count) * CLASSES // count
    pixels = np.random.default_rng(0).integers(0, 256, (count, 4, 4, 3), dtype=np.uint8)
    pixels[:, 0, 0, 0], pixels[:, 0, 0, 1] = labels // 256, labels % 256
    classes = [f"class {label}" for label in range(CLASSES)]
    return ArrayImages(name="made-up/train", shards=[pixels], labels=labels, classes=classes)


def opened(folder: Path) -> Bank:
    return Bank.open_or_compute(made_up(), MadeUp(), RECIPE, folder, COMPUTE)


def bank(folder: Path) -> None:
    images = made_up()
    told("bank: written", lambda: Bank.open_or_compute(images, MadeUp(), RECIPE, folder, COMPUTE))
    file = next(folder.glob("*/features.safetensors"))
    assert len(list(file.parent.iterdir())) == 2, "a lock, and the bank"
    print(f"| bank: on disk | | | {file.stat().st_size / 1e9:.2f} GB |", flush=True)


def means(folder: Path) -> None:
    images = made_up()
    found = told(
        "bank: opened, digest checked", lambda: Bank.open_or_compute(images, MadeUp(), RECIPE, folder, COMPUTE)
    )
    told("bank: class means", found.class_means)
    told("images: 5,000 spread over the classes", lambda: spread(images.labels, MAPPED))


def few(folder: Path) -> None:
    found = opened(folder)
    features, labels = found.features[:, 0], found.labels
    asked = spread(labels, QUERIES)
    queries = features[asked].float() + 0.1 * torch.randn(len(asked), WIDTH, generator=generator("cpu", 2))
    told(f"{QUERIES:,} queries: {K} nearest of all", lambda: nearest(queries, features, k=K))
    told(f"{QUERIES:,} queries: rank of the own class", lambda: own_rank(queries, labels[asked], features, labels))


def pca(folder: Path) -> None:
    features = opened(folder).features[:, 0]
    fitted = told("PCA fitted to all", lambda: fit_pca(features))
    told("PCA: places of all", lambda: fitted.project(features))


def umap(folder: Path) -> None:
    found = opened(folder)
    features = found.features[spread(found.labels, MAPPED), 0].float()
    umap_points(features[:4500], neighbours=15, min_dist=0.1, seed=0)  # compiles, as with few points it would not
    told(f"UMAP of {MAPPED:,}", lambda: umap_points(features, neighbours=15, min_dist=0.1, seed=0))


def exact(folder: Path) -> None:
    found = opened(folder)
    features = found.features[spread(found.labels, EXACT), 0]
    told(f"{K} neighbours of {EXACT:,} among each other, exact", lambda: neighbours_within(features, k=K))


def descended(folder: Path) -> None:
    found = opened(folder)
    neighbours_within(found.features[:2000, 0], k=K)
    neighbours.MOST_EXACT = 1000
    neighbours_within(found.features[:2000, 0], k=K)  # compiles
    for count in (DESCENDED // 4, DESCENDED // 2, DESCENDED):
        features = found.features[spread(found.labels, count), 0]
        places, _ = told(f"{K} neighbours of {count:,} by descent", lambda rows=features: neighbours_within(rows, k=K))
        some = torch.arange(0, count, count // 1000)
        right = nearest(features[some], features, k=K + 1)[0][:, 1:]
        recall = (places[some][:, :, None] == right[:, None, :]).any(dim=2).float().mean()
        print(f"| - of which found | {100 * recall:.2f} % | | |", flush=True)


def thumbnails(folder: Path) -> None:
    train, _ = open_dataset("cifar10", places().datasets)
    for count in (len(train), IMAGES):
        images = Subset(train, torch.arange(count) % len(train), f"{count}/train")
        drawn = Thumbnails(images, "cifar10", "train", folder / "thumbs")
        told(f"thumbnails of {count:,}", lambda drawn=drawn: draw(drawn))
        files = list(drawn.index_file.parent.iterdir())
        pages = sum(file.stat().st_size for file in files) - drawn.index_file.stat().st_size
        index = drawn.index_file.stat().st_size
        print(f"| - files; pages; index | {len(files)} | | {pages / 1e6:.1f} MB; {index / 1e6:.1f} MB |", flush=True)
        told("- looked at by a later run", lambda drawn=drawn: draw(drawn))


def draw(thumbnails: Thumbnails) -> None:
    thumbnails.begin()
    while thumbnails.is_drawing():
        time.sleep(0.05)


def told(words: str, action: Callable[[], Any]) -> Any:
    """Do it, and print a row of the table: seconds of the processor, and by the clock; memory at its peak."""
    with Peak() as peak:
        began, clock = time.process_time(), time.perf_counter()
        found = action()
        seconds, passed = time.process_time() - began, time.perf_counter() - clock
    print(f"| {words} | {seconds:.1f} | {passed:.0f} | {peak.megabytes:.0f} MB |", flush=True)
    return found


class Peak:
    """The largest memory of this process's own, looked up twenty times a second."""

    def __enter__(self) -> "Peak":
        self.megabytes, self._over = 0.0, threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *error: object) -> None:
        self._over.set()
        self._thread.join()

    def _watch(self) -> None:
        while True:
            with suppress(OSError, StopIteration):
                lines = Path("/proc/self/status").read_text().splitlines()
                own = next(int(line.split()[1]) for line in lines if line.startswith("RssAnon"))
                self.megabytes = max(self.megabytes, own / 1e3)
            if self._over.wait(0.05):
                return


STAGES = {stage.__name__: stage for stage in (bank, means, few, pca, umap, exact, descended, thumbnails)}


def main(names: list[str]) -> None:
    print("| what | processor, s | clock, s | memory, disk |\n|---|---|---|---|", flush=True)
    with tempfile.TemporaryDirectory() as folder:
        for name in names or STAGES:
            subprocess.run([sys.executable, "-W", "ignore", __file__, "--stage", name, folder], check=True)


if __name__ == "__main__":
    if sys.argv[1:2] == ["--stage"]:
        STAGES[sys.argv[2]](Path(sys.argv[3]))
    else:
        main(sys.argv[1:])
