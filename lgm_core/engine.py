"""READ FIRST. One run, from its config to its results, resumable at any step.

A run is a folder (runs/folder.py) that holds a config (config.py). `work` takes the folder and does what the config
says: `distill` learns images, `baseline` chooses real ones, `evaluate` takes the images of another run. All three end
in `_judge`: each network that was asked for is trained on the images, and tested on real ones. Beside them, `embed`
maps real images with the others' among them, `align` compares backbones, and instruments look at one (analysis/).

>>> run = start(preset("preview", dataset="scenes", backbone="mobilenet_v2"), places())
>>> work(run, places())
'finished'
"""

import logging
import math
import platform
import threading
import time
from collections.abc import Callable
from contextlib import nullcontext
from functools import partial

import torch
from torch import Tensor

from lgm_core.analysis import comparison, embedding
from lgm_core.analysis.catalog import INSTRUMENTS
from lgm_core.analysis.chosen import taken_images
from lgm_core.analysis.thumbnails import Thumbnails, drawing
from lgm_core.analysis.trail import Trail
from lgm_core.backbones.students.student_names import is_student
from lgm_core.base import ranks
from lgm_core.base.device import peak_memory
from lgm_core.base.errors import Unmeasured, UserError
from lgm_core.base.files import read_json
from lgm_core.base.interfaces import Distiller, HardSet
from lgm_core.base.litter import sweep_old
from lgm_core.base.names import load
from lgm_core.base.places import Places
from lgm_core.base.real_settings import NO_CLASS, WITHOUT_IMAGES
from lgm_core.evaluation.catalog import PROTOCOLS
from lgm_core.evaluation.heads import wrongness
from lgm_core.evaluation.judge import Judged, judge
from lgm_core.evaluation.live import LiveJudges
from lgm_core.evaluation.protocol import key_of_report, keys_of, setting_of
from lgm_core.methods.catalog import method_of, own_settings
from lgm_core.runs.heart import Heart, Listener
from lgm_core.runs.recorder import Recorder
from lgm_core.runs.source_runs import images_of, open_source, read_set
from lgm_core.runs.start import start
from lgm_core.runs.store import RunFolder, RunStore
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
    for folder in places.written_by_any:
        sweep_old(folder)
    with Recorder(run, config.record, steps=config.steps, listener=listener, stop=stop, heart=heart) as recorder:
        log.info("run %s on %s", run.id, platform.node())
        bench = Workbench(config, places, recorder)
        log.info("compute: %s", bench.compute.describe())
        recorder.device(bench.compute.title(), partial(peak_memory, bench.compute.device))
        if config.device.device == "all" and ranks.processes() == 1:
            recorder.note("device.device is all: the run has one device here, and is one process")
        _KINDS.get(config.kind, look)(bench)
    return recorder.state


def distill(bench: Workbench) -> None:
    """Learn synthetic images, step by step, then judge them."""
    config, recorder = bench.config, bench.recorder
    _require_classes(bench)
    if ranks.processes() > 1:  # weights are fetched, and the precision measured, by one
        names = (*config.networks(), *(setting_of(config, name) for name in method_of(config).opens))
        list(map(bench.backbone, (name for name in names if not is_student(name))))
    with ranks.together("assemble", bench.compute.chosen, bench.resumes):
        distiller: Distiller = load(method_of(config).assemble)(own_settings(config), config, bench)
    _tell_classes(bench, distiller.export().labels)
    live, trail = LiveJudges(bench, config), Trail(bench, config, recorder, bench.places.thumbs)
    with drawing(trail.thumbnails, recorder, at_once=False):
        learn(bench, distiller, live, trail)
        learned = distiller.export()
        recorder.result(learned)
        _judge(bench, Judged(images=learned, made=config, run=recorder.run.id))


def learn(bench: Workbench, distiller: Distiller, live: LiveJudges, trail: Trail) -> None:
    """The loop: from the checkpoint, or from the first step, to the last."""
    config, recorder = bench.config, bench.recorder
    next_step, state = recorder.restore()
    if state:
        distiller.restore(state)
    elif distiller.first_step:
        next_step = _take_up(recorder, distiller)
    next_step = next_step or config.fork_step
    _hand_on(distiller, at_first=True)
    for step in range(next_step, config.steps):
        if recorder.wants_checkpoint() or recorder.asked() or live.opens(step):
            recorder.checkpoint(step, distiller.state())
            _hand_on(distiller)
        live.open(step)  # may take a while, and end where the run was asked to stop
        recorder.phase("distilling", step, config.steps)
        began = time.perf_counter()
        with ranks.together("step", step):
            result = distiller.step(step)
        seconds = time.perf_counter() - began
        if not math.isfinite(result.loss):
            raise UserError(
                f"the loss became {result.loss} at step {step + 1}; use a lower learning rate or "
                "--device.precision float32 under another --name (damaged weights or images cause this too)"
            )
        recorder.pace(seconds)
        for note in result.notes:
            recorder.note(note)
        values = {"loss": result.loss, **result.scalars, "step_seconds": seconds}
        if live.due(step):
            values |= live.judge(distiller.export(), step)
        if recorder.wants_metric(step) or live.due(step):
            recorder.metric(step, values)
        if recorder.wants_frame(step):
            learned = distiller.export()
            recorder.frame(step, learned.images)
            recorder.details(step, distiller.details())
            trail.mark(step, learned.images, learned.labels)
    if next_step < config.steps:
        recorder.checkpoint(config.steps, distiller.state())
    recorder.phase("distilling", config.steps, config.steps)


def _hand_on(distiller: Distiller, at_first: bool = False) -> None:
    """Give the other processes of the run, where there are any, the state of this one, which is that of the run."""
    if ranks.processes() > 1:
        with ranks.together("take up", {name: tensor.cpu() for name, tensor in distiller.state().items()}, at_first):
            pass


def _take_up(recorder: Recorder, distiller: Distiller) -> int:
    """Record a set that was learned elsewhere as this run's own; returns the step to go on with."""
    step = distiller.first_step
    recorder.frame(step - 1, distiller.export().images)
    recorder.details(step - 1, distiller.details())
    recorder.checkpoint(step, distiller.state())
    return step


def baseline(bench: Workbench) -> None:
    """Choose real images, or take those of a folder or of a published set, then judge them like distilled ones."""
    config, recorder, choice = bench.config, bench.recorder, bench.config.baseline.choice
    recorder.restore()  # it has no checkpoint: what it has logged before it was killed is forgotten, and logged again
    if choice in WITHOUT_IMAGES:
        none = HardSet(torch.zeros(0, 3, 8, 8), torch.zeros(0, dtype=torch.int64))
        recorder.choice({"choice": choice, "images": len(bench.train) if choice == "full" else 0})
        _judge(bench, Judged(images=None if choice == "full" else none, made=config, run=recorder.run.id))
        return
    source = _source(bench, config.source) if choice == "neighbours" else None
    taken, indices, origins = taken_images(bench, config, source)
    numbers = {} if indices is None else {"indices": indices.tolist()}
    recorder.choice({"choice": choice, **numbers, "origins": origins})
    _tell_classes(bench, taken.labels)
    recorder.frame(0, taken.images)
    recorder.result(taken)
    _judge(bench, Judged(images=taken, chosen=indices, made=config, run=recorder.run.id))


def evaluate(bench: Workbench) -> None:
    """Judge the images of another run."""
    source = _source(bench, bench.config.source)
    chosen = read_json(source.choice).get("indices")
    indices = None if chosen is None else torch.tensor(chosen)
    _judge(bench, Judged(images=read_set(source), chosen=indices, made=source.config(), run=source.id))


def embed(bench: Workbench) -> None:
    """Map real images, and place the images of other runs among them."""
    sources = [_source(bench, name) for name in bench.config.sources]
    wrong = partial(wrongness, bench, bench.config)
    embedding.embed(bench, bench.config, bench.recorder, sources, bench.places, wrong)


def align(bench: Workbench) -> None:
    """Compare how backbones see the test images, and where they disagree."""
    comparison.align(bench, bench.config, bench.recorder, bench.places.thumbs)


def look(bench: Workbench) -> None:
    """Look at one backbone, or at one set of images, with an instrument."""
    load(INSTRUMENTS[bench.config.kind])(bench, bench.config, bench.recorder)


def _require_classes(bench: Workbench) -> None:
    """Raise `UserError` for a data set of one class: nothing tells it from another, and each gradient is zero."""
    if bench.classes < 2:
        raise UserError(
            f"{bench.config.dataset} has one class, {bench.train.classes[0]}, but images are learned to tell classes "
            "apart: it needs two classes or more, such as a further folder beside it"
        )


def _tell_classes(bench: Workbench, labels: Tensor) -> None:
    """Record the class of each image, where they are not equally many of each class, class by class."""
    each, left = divmod(len(labels), bench.classes)
    if int(labels.min()) < 0:
        bench.recorder.labels({"labels": [0] * len(labels), "classes": [NO_CLASS]})
    elif left or not torch.equal(labels.cpu(), torch.arange(bench.classes).repeat_interleave(each)):
        bench.recorder.labels({"labels": labels.tolist(), "classes": list(bench.train.classes)})


def _source(bench: Workbench, name: str) -> RunFolder:
    return open_source(RunStore(bench.places.runs), name)


def _judge(bench: Workbench, judged: Judged) -> None:
    """All evaluations that the run asks for and has not done yet."""
    config, run = bench.config, bench.recorder.run
    done = {key_of_report(report, config).digest for report in run.eval_reports()}
    asked, failed = keys_of(config), []
    thumbnails = Thumbnails(bench.test, config.dataset, "test", bench.places.thumbs)  # to see what is mistaken
    with drawing(thumbnails, bench.recorder, at_once=False) if asked else nullcontext():
        for key in (key for key in asked if key.digest not in done):
            bench.recorder.advise(PROTOCOLS[key.protocol].memory_remedy)
            try:
                report = judge(bench, config, judged, key)
            except Unmeasured as error:  # the others may well come to a number
                failed.append(f"{key.column}: {error}")
                continue
            report |= bench.weights_of(key.network) | bench.mark_of(key.dataset)
            bench.recorder.evaluation(key.file_stem, report)
    if failed:
        raise Unmeasured("; ".join(dict.fromkeys(failed)))


_KINDS: dict[str, Callable[[Workbench], None]] = {
    "distill": distill, "baseline": baseline, "evaluate": evaluate, "embed": embed, "align": align
}  # fmt: skip
