"""Run folders as workers write them, made in a moment: for the tests of pages and routes. Needs no torch.

>>> run = fake_distill(RunStore(tmp_path / "runs"), state="running")
>>> run.status().state, len(run.frame_list())
('running', 9)
"""

import json
import os
import platform
import time
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image
from safetensors.numpy import save_file

from lgm_core.base.files import append_line, write_json
from lgm_core.base.knobs import from_dict, to_dict
from lgm_core.config import RunConfig
from lgm_core.evaluation.catalog import usual_protocol
from lgm_core.evaluation.protocol import key_for
from lgm_core.runs.frames import frame_steps
from lgm_core.runs.status import Status
from lgm_core.runs.store import RunFolder, RunStore
from tests.fake_pictures import SIDE, drawn_frame, picture

CLASSES = (
    "tench", "English springer", "cassette player", "chain saw", "church",
    "French horn", "garbage truck", "gas pump", "golf ball", "parachute",
)  # fmt: skip
BACKBONES = ("mobilenet_v2", "tf_efficientnet_lite0", "clip_vitb16")
ERROR = "The device ran out of memory. Lower lgm.views, or set lgm.chunk (views per pass)."
REAL = 240  # real images with thumbnails


def fake_distill(
    store: RunStore, state: str = "finished", *, steps: int = 60, frames: int = 12, classes: int = 10,
    trail: bool = True, accuracy: float = 0.8, **values: Any,
) -> RunFolder:  # fmt: skip
    """A distillation in a state: "queued", "running", "paused", "stopped", "failed", "finished" or "lost"."""
    run = _create(store, state, steps, {"kind": "distill", "dataset": "imagenette", "steps": steps} | values)
    config = run.config()
    done = _done(state, steps)
    labels = np.repeat(np.arange(classes), config.images_per_class)
    names = [CLASSES[c % 10] + (f" {c // 10}" if c >= 10 else "") for c in range(classes)]
    drawn = [step for step in sorted(frame_steps(steps, frames)) if step < done]
    for step in drawn:
        _add_frame(run, step, tuple(labels.tolist()), (step + 1) / steps)
    for step in range(done):
        append_line(run.metrics_file, _metric(step, steps, accuracy, config.networks()[0]))
    run.log_file.write_text(f"2026-11-20 06:00:00 INFO run {run.id} on vm\n" + _trouble(state))
    if trail and done:
        _write_map(run, store, config, labels, names, drawn, steps)
    if done:
        levels = {f"synthetic.level_{side:04d}": _level(labels, side) for side in (1, 4, 16, SIDE)}
        save_file(levels, run.checkpoint, {"next_step": str(done)})
    if state == "finished":
        images = np.ascontiguousarray(picture(labels, 1.0, SIDE).transpose(0, 3, 1, 2), np.float32) / 255
        save_file({"images": images, "labels": labels.astype(np.int64)}, run.synthetic)
        for place, backbone in enumerate(config.evaluate_on):
            fake_eval(run, backbone, names, accuracy - 0.05 * place)
    return run


def fake_embed(store: RunStore, source: RunFolder, state: str = "finished", **values: Any) -> RunFolder:
    """Maps of real images, PCA and UMAP, with the source's images placed among them."""
    run = _create(store, state, 1, {"kind": "embed", "dataset": "imagenette", "sources": [source.id]} | values)
    if state != "finished":
        return run
    labels, indices = np.arange(REAL) % 10, np.arange(REAL)
    random = np.random.default_rng(len(run.id))
    pca, umap = (_centres(labels) + random.normal(size=(REAL, 2)) * spread for spread in (0.35, 0.15))
    own, k = np.arange(10), 12
    nearest = [[int(c + 10 * j) for j in range(k)] for c in own]
    placed = {
        "labels": own.tolist(), "pca": (1.15 * _centres(own)).tolist(), "umap": (1.1 * _centres(own)).tolist(),
        "nearest": nearest, "similarity": [[0.9 - 0.02 * j for j in range(k)] for _ in own],
        "nearest_labels": [[int(labels[i]) for i in row] for row in nearest],
        "own_rank": [1 + c % 3 for c in range(10)],
        "centroid": [int(c + 10) for c in own], "random": [int(c + 30) for c in own],
    }  # fmt: skip
    key = fake_thumbs(store, "imagenette", "test")
    values = {
        "thumbs": key, "split": "test", "backbone": run.config().backbone,
        "explained": [0.3, 0.2], "classes": list(CLASSES), "indices": indices.tolist(), "labels": labels.tolist(),
        "groups": None, "group_names": [], "pca": pca.tolist(), "umap": umap.tolist(),
        "wrong": random.uniform(size=REAL).tolist(),
        "distance": random.uniform(size=REAL).tolist(), "sources": {source.id: placed},
    }  # fmt: skip
    write_json(run.map_file, values)
    near = (indices[:, None] + 10 * np.arange(1, k + 1)) % REAL  # of the same class
    cosines = np.tile(np.linspace(0.95, 0.5, k), (REAL, 1)).astype(np.float16)
    save_file({"indices": near.astype(np.int32), "similarity": cosines}, run.near_file)
    return run


def fake_align(store: RunStore, backbones: tuple[str, ...] = BACKBONES, state: str = "finished", **values: Any):
    """Alignment of backbones; half of the pairs where the run is not finished."""
    run = _create(store, state, 1, {"kind": "align", "dataset": "imagenette", "evaluate_on": list(backbones)} | values)
    count = len(backbones)
    done = count if state == "finished" else 1
    pairs = [[(1.0 if i == j else 0.3 + 0.1 * (i + j)) if min(i, j) < done else None for j in range(count)]
             for i in range(count)]  # fmt: skip
    mutual = {str(k): pairs for k in (1, 5, 10, 20, 50)}
    write_json(run.alignment_file, {"backbones": list(backbones), "images": 500, "cka": pairs, "mutual_knn": mutual})
    return run


def fake_study(store: RunStore, name: str = "demo", state: str = "finished", seeds: int = 2) -> list[RunFolder]:
    """Two backbones x seeds, distilled and evaluated on both, with random, centroid and full baselines."""
    pair, runs = list(BACKBONES[:2]), []
    for place, backbone in enumerate(pair):
        for seed in range(seeds):
            facts = {"backbone": backbone, "seed": seed, "study": name, "evaluate_on": pair}
            last = state if (backbone, seed) == (pair[-1], seeds - 1) else "finished"
            accuracy = 0.85 - 0.1 * place + 0.01 * seed
            runs.append(
                fake_distill(store, last, accuracy=accuracy, name=f"{name}-lgm-{backbone}-s{seed}", frames=5, **facts)
            )
    for choice in ("random", "centroids", "full"):
        facts = {"kind": "baseline", "dataset": "imagenette", "study": name, "backbone": pair[0], "evaluate_on": pair}
        run = _create(store, "finished", 1, facts | {"name": f"{name}-{choice}", "baseline": {"choice": choice}})
        for backbone in pair:
            fake_eval(run, backbone, list(CLASSES), {"random": 0.5, "centroids": 0.7, "full": 0.95}[choice])
        runs.append(run)
    return runs


def fake_eval(run: RunFolder, backbone: str, names: list[str], accuracy: float) -> None:
    """The report of one evaluation, in a file that is named as by earlier versions."""
    count, each = len(names), 50
    right = round(each * accuracy)
    confusion = np.diag([right] * count) + np.roll(np.diag([each - right] * count), 1, axis=1)
    run.evals.mkdir(exist_ok=True)
    report = key_for(run.config(), backbone, usual_protocol(backbone)).facts() | {
        "train_images": count, "test_images": each * count,
        "select": "last", "seconds": 5.0, "classes": names, "groups": [], "top1": accuracy, "top1_std": 0.004,
        "top1_seeds": [accuracy - 0.004, accuracy, accuracy + 0.004], "top5": min(accuracy + 0.1, 1.0),
        "top5_std": 0.001, "per_class": [accuracy] * count, "confusion": confusion.tolist(), "worst_group": None,
        "per_group": None,
    }  # fmt: skip
    write_json(run.evals / f"{backbone}-on-imagenette.json", report)


def fake_thumbs(store: RunStore, dataset: str, split: str) -> str:
    """Thumbnails of `REAL` real images, beside the runs; returns their key."""
    key, side, columns = f"{dataset}-{split}-0123456789ab", 64, 32
    folder = store.root.parent / "thumbs" / key
    if not (folder / "index.json").exists():
        folder.mkdir(parents=True)
        labels = np.arange(REAL) % 10
        tiles = picture(labels, 0.9, side)
        rows = -(-REAL // columns)
        page = np.zeros((rows * side, columns * side, 3), np.uint8)
        for i, tile in enumerate(tiles):
            y, x = divmod(i, columns)
            page[y * side : (y + 1) * side, x * side : (x + 1) * side] = np.roll(tile, 3 * (i // 10), axis=1)
        Image.fromarray(page).save(folder / "0000.webp", quality=70)
        facts = {"dataset": dataset, "split": split, "count": REAL, "side": side, "columns": columns, "per_page": 1024}
        facts |= {"pages": ["0000.webp"], "classes": list(CLASSES), "labels": labels.tolist(), "groups": None}
        facts |= {"group_names": [], "origins": [f"{split}/{i:05d}.jpg" for i in range(REAL)]}
        write_json(folder / "index.json", facts)
    return key


def write_lines(path: Path, lines: list[dict[str, Any]]) -> None:
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))


def _add_frame(run: RunFolder, step: int, labels: tuple[int, ...], progress: float) -> None:
    line, drawn = drawn_frame(labels, round(progress, 3))
    line = line | {"step": step, "file": f"{step:06d}.webp"}
    run.frames.mkdir(exist_ok=True)
    (run.frames / line["file"]).write_bytes(drawn)
    append_line(run.frame_index, line)


def _create(store: RunStore, state: str, steps: int, values: dict[str, Any]) -> RunFolder:
    base = to_dict(RunConfig(evaluate_on=BACKBONES[:2]))
    merged = {name: base[name] | value if isinstance(base[name], dict) else value for name, value in values.items()}
    config = from_dict(RunConfig, base | merged)
    run = store.create(config, {"lgm_core": "0.1.0", "python": "3.11.7", "torch": "2.15.0"})
    now, done = time.time(), _done(state, steps)
    active = state in ("queued", "running")  # nobody beats for it: said by a machine that is ahead, it is not lost
    status = Status(
        state="running" if state == "lost" else state, step=done - (0 < done < steps), steps=steps, started=now - 30,
        heartbeat=now + (-600 if state == "lost" else 600), pid=os.getpid(),
        host="elsewhere" if active else platform.node(),
        phase="distilling" if state in ("running", "lost") else "", error=ERROR if state == "failed" else "",
        seconds_per_step=0.25, device="cpu", device_memory=812 * 2**20,
    )  # fmt: skip
    write_json(run.status_file, asdict(status))
    made = run.config_file.stat().st_mtime_ns - 60 * 10**9  # a minute ago: settled files are read once
    os.utime(run.config_file, ns=(made, made))
    return run


def _done(state: str, steps: int) -> int:
    return {"queued": 0, "finished": steps}.get(state, steps * 2 // 3)


def _metric(step: int, steps: int, accuracy: float, network: str) -> dict[str, Any]:
    share = step / max(steps - 1, 1)
    live = {f"live:{name}": value * share**0.5 for name, value in ((network, accuracy), (BACKBONES[1], 0.9 * accuracy))}
    line = {"step": step, "loss": 0.2 + 0.8 * float(np.exp(-4 * share)), "learning_rate": 0.01, "step_seconds": 0.25}
    return line | (live if step % max(steps // 10, 1) == 0 or share == 1 else {})


def _trouble(state: str) -> str:
    return "" if state != "failed" else "Traceback (most recent call last):\n  ...\ntorch.OutOfMemoryError: no memory\n"


def _centres(labels: np.ndarray) -> np.ndarray:
    return 3 * np.stack([np.cos(0.628 * labels), np.sin(0.628 * labels)], axis=1)


def _level(labels: np.ndarray, side: int) -> np.ndarray:
    return np.random.default_rng(side).normal(size=(len(labels), 3, side, side)).astype(np.float32)


def _write_map(run: RunFolder, store: RunStore, config: RunConfig, labels, names, drawn: list[int], steps: int) -> None:
    real = np.arange(REAL) % 10
    points = _centres(real) + np.random.default_rng(0).normal(size=(REAL, 2)) * 0.4
    key = fake_thumbs(store, "imagenette", "train")
    facts = {"thumbs": key, "split": "train", "backbone": config.backbone, "classes": names}
    facts |= {"explained": [0.3, 0.2], "indices": list(range(REAL)), "labels": real.tolist(), "points": points.tolist()}
    write_json(run.map_file, facts)
    lines = []
    for step in drawn:
        place = 1.3 * _centres(labels % 10) * ((step + 1) / steps) ** 0.5
        nearest = [[int(label % 10 + 10 * j) for j in range(5)] for label in labels]
        lines.append({"step": step, "points": place.tolist(), "nearest": nearest})
        lines[-1] |= {"similarity": [[0.9 - 0.05 * j for j in range(5)]] * len(labels), "radius": [1.3] * len(labels)}
    for line in lines:
        append_line(run.trail_file, line)
