"""READ FIRST. One run, from its config to its results, resumable at any step.

A run is a folder (runs/store.py) that holds a config (config.py). `work` takes the folder and does what the config
says: `distill` learns images, `baseline` chooses real ones, `evaluate` probes the images of another run. All three end
in `probe_images`: linear heads are trained on the images' features in each backbone asked for, and tested. Beside them,
`embed` maps real images with the others' among them, and `align` compares backbones (embedding.py, comparison.py).

>>> run = start(preset("preview", dataset="scenes", backbone="mobilenet_v2"), places())
>>> work(run, places())
'finished'
"""

import logging
import platform
import threading
import time
from collections.abc import Callable
from functools import partial

import torch
from torch import Tensor

from lgm_core.analysis.comparison import align
from lgm_core.analysis.embedding import embed
from lgm_core.analysis.thumbnails import drawing
from lgm_core.analysis.trail import Trail, synthetic_features
from lgm_core.base.device import peak_memory
from lgm_core.base.interfaces import Distiller
from lgm_core.base.names import DISTILLERS, load
from lgm_core.base.places import Places
from lgm_core.datasets import baselines
from lgm_core.evaluation.judge import LiveProbe, evaluation_name, probe_full, probe_images
from lgm_core.runs.heart import Heart, Listener
from lgm_core.runs.recorder import Recorder
from lgm_core.runs.source_runs import images_of, open_source
from lgm_core.runs.start import start
from lgm_core.runs.store import RunFolder
from lgm_core.workbench import Workbench

__all__ = ["baseline", "distill", "evaluate", "images_of", "start", "work"]

log = logging.getLogger("lgm")


def work(
    run: RunFolder,
    places: Places,
    listener: Listener | None = None,
    stop: threading.Event | None = None,
    heart: Heart | None = None,
) -> str:
    """Do, or go on with, a run; return the state it ended in.

    One writer at a time. Safe to kill at any moment; `stop`, once set, ends it at the next safe point. `heart`: a
    worker's, which holds the run since it began to wait for the device.
    """
    config = run.config_to_work_on()
    with Recorder(run, config.record, steps=config.steps, listener=listener, stop=stop, heart=heart) as recorder:
        log.info("run %s on %s", run.id, platform.node())
        bench = Workbench(config, places, recorder)
        log.info("compute: %s", bench.compute.describe())
        recorder.device(bench.compute.title(), partial(peak_memory, bench.compute.device))
        _KINDS[config.kind](bench)
    return recorder.state


def distill(bench: Workbench) -> None:
    """Learn synthetic images, step by step, then probe them."""
    config, recorder = bench.config, bench.recorder
    distiller = load(DISTILLERS, config.method, "method")(bench)
    live, trail = LiveProbe(bench), Trail(bench)
    with drawing(trail.thumbnails, recorder):
        learn(bench, distiller, live, trail)
        with torch.no_grad():
            images = distiller.synthetic.images()
        recorder.result(images, distiller.synthetic.labels, distiller.export())
        _evaluate_on_all(bench, lambda name: probe_images(bench, images, distiller.synthetic.labels, name))


def learn(bench: Workbench, distiller: Distiller, live: LiveProbe, trail: Trail) -> None:
    """The loop: from the checkpoint, or from the first step, to the last."""
    config, recorder = bench.config, bench.recorder
    next_step, state = recorder.restore()
    if state:
        distiller.restore(state)
    next_step = next_step or config.fork_step
    for step in range(next_step, config.steps):
        if recorder.wants_checkpoint() or recorder.asked():
            recorder.checkpoint(step, distiller.state())
        recorder.phase("distilling", step, config.steps)
        began = time.perf_counter()
        result = distiller.step(step)
        seconds = time.perf_counter() - began
        recorder.pace(seconds)
        for note in result.notes:
            recorder.note(note)
        values = {"loss": result.loss, **result.scalars, "step_seconds": seconds}
        if live.due(step):
            values |= live.probe(distiller.synthetic)
        if recorder.wants_metric(step) or live.due(step):
            recorder.metric(step, values)
        if recorder.wants_frame(step):
            with torch.no_grad():
                images = distiller.synthetic.images()
            recorder.frame(step, images)
            recorder.details(step, distiller.details())
            trail.mark(step, images, distiller.synthetic.labels)
    if next_step < config.steps:
        recorder.checkpoint(config.steps, distiller.state())
    recorder.phase("distilling", config.steps, config.steps)


def baseline(bench: Workbench) -> None:
    """Choose real images, then probe them like distilled ones."""
    config, recorder = bench.config, bench.recorder
    choice = config.baseline.choice
    if choice == "full":
        recorder.choice({"choice": "full", "images": len(bench.train)})
        _evaluate_on_all(bench, lambda name: probe_full(bench, name))
        return
    indices = choose(bench)
    labels = torch.as_tensor(bench.train.labels)[indices]
    images = bench.pictures(bench.train, indices, config.data.resize)
    origins = [bench.train.origin(i) for i in indices.tolist()]
    recorder.choice({"choice": choice, "indices": indices.tolist(), "origins": origins})
    recorder.frame(0, images)
    recorder.result(images, labels)
    _evaluate_on_all(bench, lambda name: probe_images(bench, images, labels.to(images.device), name))


def choose(bench: Workbench) -> Tensor:
    """Indices of the training images that a baseline takes, class-major."""
    config, labels = bench.config, torch.as_tensor(bench.train.labels)
    classes, per_class = bench.classes, config.images_per_class
    if config.baseline.choice == "random":
        return baselines.choose_random(labels, classes=classes, per_class=per_class, seed=config.seed)
    backbone = bench.backbone(config.backbone)
    features = bench.clean_bank(bench.train, backbone).features[:, 0]
    if config.baseline.choice == "centroids":
        return baselines.choose_centroids(features, labels, classes=classes, per_class=per_class)
    images, image_labels = images_of(open_source(bench, bench.config.source))
    synthetic = synthetic_features(bench, images, backbone).cpu()
    return baselines.choose_neighbours(synthetic, image_labels, features, labels)


def evaluate(bench: Workbench) -> None:
    """Probe the images of another run in further backbones."""
    images, labels = images_of(open_source(bench, bench.config.source))
    images, labels = images.to(bench.compute.device), labels.to(bench.compute.device)
    _evaluate_on_all(bench, lambda name: probe_images(bench, images, labels, name))


def _evaluate_on_all(bench: Workbench, probe: Callable[[str], dict]) -> None:
    done = {report["backbone"] for report in bench.recorder.run.eval_reports()}
    for name in bench.config.evaluate_on:
        if name not in done:
            bench.recorder.evaluation(evaluation_name(bench, name), probe(name))


_KINDS: dict[str, Callable[[Workbench], None]] = {
    "distill": distill,
    "baseline": baseline,
    "evaluate": evaluate,
    "embed": embed,
    "align": align,
}
