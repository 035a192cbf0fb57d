"""Claims of the paper that one can look at with five small backbones: how much of each is seen.

    python docs/experiments/claims.py run      # what is not there yet, one run after another
    python docs/experiments/claims.py parts    # the method without each of its parts: 30 runs of 150 steps
    python docs/experiments/claims.py picture  # their images, a row each, as docs/pictures/imagenette_parts.webp
    python docs/experiments/claims.py table    # Markdown, of what is there; `table.py parts` prints the parts

Imagenette, 100 training photographs per class, one image per class, one set per backbone (three of the parts), judged
by the nearest class mean on 1,200 test photographs. Needs Imagenette ($LGM_DATASETS) and the weights of the five
backbones ($LGM_WEIGHTS).
"""

import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from PIL import Image, ImageDraw
from torch import Tensor
from torch.nn.functional import normalize

import lgm_core
from lgm_core.api import Run
from lgm_core.base.places import places
from lgm_core.cli.main import main
from lgm_core.reports.disagreement import open_disagreement
from lgm_core.reports.matrix import correlation, study_matrix
from lgm_core.reports.transfer import transfer_table
from lgm_core.runs.recorder import Recorder
from lgm_core.runs.source_runs import read_set
from lgm_core.runs.store import RunStore
from lgm_core.workbench import Workbench

# steps and views of each backbone's set: a transformer's step takes ten times as long as a small network's
STEPS = {"mobilenet_v3_small": (250, 3), "tf_efficientnet_lite0": (150, 3), "mobilenet_v2": (150, 3),
         "resnet18": (150, 3), "dinov2_vits14": (60, 2)}  # fmt: skip
ALL = list(STEPS)
STUDY, COMPARED, PARTS = "claims", "claims-compared", "parts"
DATA, ROOT = {"train_per_class": 100}, Path(__file__).parents[2]


def run() -> None:
    """A set and a card of each backbone, all backbones compared, and the style of each set."""
    judged = {"evaluate_on": ALL, "protocol": ["nearest-mean"], "live": {"times": 0}, "record": {"map_images": 0}}
    white = {"whiten": "full", "objective": "cosine-per-class", "learning_rate": 4e-2}
    for name, (steps, views) in STEPS.items():
        shared = {"data": DATA, "name": f"{STUDY}-{name}", "study": STUDY}
        lgm_core.distill(
            "imagenette", name, preset="preview", steps=steps, lgm=white | {"views": views}, **shared, **judged
        )
        lgm_core.backbone_card("imagenette", name, data=DATA, name=f"card-{name}")
        lgm_core.style(f"{STUDY}-{name}", [name], name=f"style-{name}")
    lgm_core.align("imagenette", ALL, data=DATA, align={"images": 1000, "maps": False}, name=COMPARED)


def parts() -> None:
    """The paper's ablations, three seeds, with the settings of the set of MobileNetV3-small above."""
    small = ["--distil-with", ALL[0], "--evaluate-on", *ALL[:3], "--protocol", "nearest-mean", "--no-baselines"]
    same = ["--steps", "150", "--lgm.views", "3", "--lgm.whiten", "full", "--lgm.objective", "cosine-per-class"]
    same += ["--lgm.learning-rate", "4e-2", "--data.train-per-class", "100", "--live.times", "0"]
    main(["study", PARTS, "imagenette", "--preset", "preview", "--ablate", "--seeds", "3", *small, *same])


def picture() -> None:
    """The images of the first seed, a row for each part that is missing, the first with all of them."""
    runs = [run for run in RunStore(places().runs).study(PARTS) if run.config().seed == 0 and run.has_images()]
    runs.sort(key=lambda run: run.config().variant)
    side, margin, columns = 96, 150, 10
    grid = Image.new("RGB", (margin + columns * side, len(runs) * side), "white")
    for row, run in enumerate(runs):
        words = run.config().variant or "the whole method"
        ImageDraw.Draw(grid).text((6, row * side + side // 2 - 6), words, fill="black")
        for column, one in enumerate(read_set(run).images):
            pixels = (one.clamp(0, 1) * 255).round().byte().permute(1, 2, 0).numpy()
            tile = Image.fromarray(pixels).resize((side, side))
            grid.paste(tile, (margin + column * side, row * side))
    grid.save(ROOT / "docs" / "pictures" / "imagenette_parts.webp", quality=80)


def table() -> None:
    store = RunStore(places().runs)
    sets = {name: lgm_core.open_run(f"{STUDY}-{name}") for name in ALL if _is_there(store, f"{STUDY}-{name}")}
    _accuracies(sets)
    _transfer(store)
    print("\n| set of | further from its class's mean than so many real ones | than their median |\n|---|---|---|")
    for name, made in sets.items():
        beyond, times = edge(made, name)
        print(f"| {name} | {100 * beyond:.0f} % | {times:.2f} times |")
    _styles(sets)


def _accuracies(sets: dict[str, Run]) -> None:
    """Of each set in all backbones; the last column is what a probe on all real images has in its own."""
    print(f"| set of | {' | '.join(ALL)} | probe on all real images |\n|---{'|---' * (len(ALL) + 1)}|")
    own, full = [], []
    for name, made in sets.items():
        found = {row.backbone: row.top1 for row in made.accuracies().itertuples()}
        full.append(lgm_core.open_run(f"card-{name}").findings()["judges"]["probe"]["top1"])
        own.append(found[name])
        cells = " | ".join(f"{100 * found[judge]:.1f}" for judge in ALL)
        print(f"| {name} | {cells} | {100 * full[-1]:.1f} |")
    if (related := correlation(list(zip(own, full, strict=True)))) is not None:
        r, low, high = related
        print(f"\nown accuracy of a set against the probe on all images: r {r:.2f} ({low:.2f} to {high:.2f})")


def _transfer(store: RunStore) -> None:
    """r of each measure of alignment with transfer over all ordered pairs."""
    if _is_there(store, COMPARED) and (found := open_disagreement(store.open(COMPARED))):
        headings, rows = transfer_table(study_matrix(store.study(STUDY)), found)
        print(f"\n| {' | '.join(headings)} |\n|{'---|' * len(headings)}")
        for row in rows:
            print(f"| {' | '.join(row)} |")


def edge(made: Run, name: str) -> tuple[float, float]:
    """(share of real training images that lie nearer to their class's mean than the synthetic one, its distance as a
    multiple of theirs in the middle), means over the classes. Distance: 1 - cosine, in the backbone of the name.
    """
    with Recorder(made.folder, made.config.record, steps=made.config.steps) as recorder:
        bench = Workbench(made.config, places(), recorder)
        bank, backbone = bench.clean_bank(bench.train, bench.backbone(name)), bench.backbone(name)
        features, labels = normalize(bank.features[:, 0].float()), bank.labels
        synthetic = normalize(bench.seen_clean(made.images, backbone).cpu().float())
    beyond, times = [], []
    for place, label in enumerate(made.labels.tolist()):
        own = features[labels == label]
        mean = normalize(own.mean(0), dim=0)
        real, distance = 1 - own @ mean, float(1 - synthetic[place] @ mean)
        beyond.append(float((real < distance).float().mean()))
        times.append(distance / float(real.median()))
    return float(np.mean(beyond)), float(np.mean(times))


def _styles(sets: dict[str, Run]) -> None:
    """What lies between the sets: power at high frequencies less that of real images, and their colours."""
    print("\n| set of | log10 power above half of the highest frequency, less real | spread of lightness, less real |")
    print("|---|---|---|")
    for name in sets:
        found = lgm_core.open_run(f"style-{name}").findings()
        high = [np.mean(line[len(line) // 2 :]) for line in (found["power"][one] for one in ("set", "real"))]
        spreads = [_spread(found["lab"]["centres"][0], found["lab"][one][0]) for one in ("set", "real")]
        print(f"| {name} | {high[0] - high[1]:+.2f} | {spreads[0] - spreads[1]:+.2f} |")


def _spread(centres: Sequence[float], shares: Sequence[float]) -> float:
    values, weights = torch.tensor(centres), torch.tensor(shares)
    mean: Tensor = (values * weights).sum() / weights.sum()
    return float((((values - mean) ** 2 * weights).sum() / weights.sum()).sqrt())


def _is_there(store: RunStore, name: str) -> bool:
    return (store.root / name / "config.json").exists() and store.open(name).status().state == "finished"


if __name__ == "__main__":
    asked = {"run": run, "parts": parts, "picture": picture, "table": table}
    if sys.argv[1:2] and sys.argv[1] in asked:
        asked[sys.argv[1]]()
    else:
        sys.exit(__doc__)
