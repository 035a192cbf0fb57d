"""The only writer of a run directory: status with heartbeat, metrics, frames, checkpoints, results.

>>> with Recorder(run, config.record, steps=500) as recorder:
...     recorder.metric(0, {"loss": 0.97})
...     recorder.frame(0, images)
...     recorder.checkpoint(1, distiller.state())
"""

import logging
import math
import threading
import time
import traceback
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from jaxtyping import Float
from torch import Tensor

from lgm_core.base.errors import UserError
from lgm_core.base.files import append_line, forget_from, to_disk, write_json
from lgm_core.base.interfaces import LearnedSet, State
from lgm_core.base.machine import idle_cores
from lgm_core.base.regular_files import require_regular
from lgm_core.base.settings import RecordConfig
from lgm_core.base.tensor_files import save_tensors
from lgm_core.runs.checkpoints import read_checkpoint, write_checkpoint
from lgm_core.runs.damage import set_aside_broken, set_aside_unusable
from lgm_core.runs.drawing import Drawing
from lgm_core.runs.frames import frame_steps
from lgm_core.runs.heart import STATE_OF_WISH, Heart, Listener, Stopped
from lgm_core.runs.logged import logged_into
from lgm_core.runs.source_runs import tensors_of
from lgm_core.runs.store import RunFolder

__all__ = ["Recorder", "Stopped"]


class Recorder:
    """Writes one run. As a context it holds the writer's lock, beats the heart and records how the run ended."""

    def __init__(
        self, run: RunFolder, config: RecordConfig, *, steps: int, listener: Listener | None = None,
        stop: threading.Event | None = None, heart: Heart | None = None,
    ) -> None:  # fmt: skip
        """`listener(phase, done, total, values)` is told of all progress, for a progress bar; `stop`, set by a
        signal's handler, ends the run as soon as its state is safe; `heart`: one that beats already, while queued.
        """
        self.run, self.config, self.steps, self.state = run, config, steps, "running"
        self._heart, self._is_own_heart = heart or Heart(run, state="running"), heart is None
        self._stop = stop or threading.Event()
        self._listener = listener or (lambda phase, done, total, values: None)
        self._values: dict[str, Any] = {}
        self._memory: Callable[[], int] = int
        self._drawing = Drawing(run.frame_index)
        self._last_checkpoint = time.monotonic()
        self._frame_steps = frame_steps(steps, config.frames)
        self._log_every = max(math.ceil(steps / config.log_lines), 1)

    def __enter__(self) -> "Recorder":
        require_regular(self.run.log_file)
        with ExitStack() as opened:
            if self._is_own_heart:
                opened.enter_context(self._heart)
            opened.enter_context(logged_into(self.run.log_file))
            self._heart.change(state="running", started=time.time())
            self._opened = opened.pop_all()
        return self

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> bool:
        self._drawing.close()
        self.state = self._heart.end(error)
        if error is not None and self.state == "failed":
            logging.getLogger("lgm").error("".join(traceback.format_exception(error)))
        self._opened.close()
        return isinstance(error, Stopped)

    def advise(self, memory_remedy: str) -> str:
        """What to do where the device runs out of memory from here on; returns what it was before."""
        before, self._heart.memory_remedy = self._heart.memory_remedy, memory_remedy
        return before

    def phase(self, name: str, done: int = 0, total: int = 0) -> None:
        """Say what is going on, such as "distilling", and how far it is; written with the next beat.

        Raises `Stopped` if the run was asked to pause or stop: call it only where nothing is lost by that.
        """
        changed = name != self._heart.status.phase
        self._heart.set(phase=name, phase_done=done, phase_total=total, device_memory=self._memory())
        if name == "distilling":
            self._heart.set(step=done, steps=total)
        if changed:
            self._heart.change()
        self._listener(name, done, total, self._values)
        if wish := self.asked():
            raise Stopped(STATE_OF_WISH[wish])

    def asked(self) -> str:
        """What a user or a signal asks of the run: "pause", "stop" or ""."""
        return "stop" if self._stop.is_set() else self._heart.asked()

    def threads(self, asked: int) -> int:
        """CPU threads: as many as asked for, else as the run began with, else as cores are idle now, from then on."""
        threads = asked or self._heart.status.threads or idle_cores()
        self._heart.change(threads=threads)
        return threads

    def device(self, name: str, memory: Callable[[], int]) -> None:
        """Say on what the run computes; `memory()` is the peak so far, in bytes."""
        self._memory = memory
        self._heart.change(device=name)

    def pace(self, seconds: float) -> None:
        """Say how long the last step took; the status shows a running mean over some twenty steps."""
        before = self._heart.status.seconds_per_step
        self._heart.set(seconds_per_step=before + 0.05 * (seconds - before) if before else seconds)

    def note(self, text: str) -> None:
        """Something that the user should see, in the status and in the log; "" for nothing."""
        if text:
            logging.getLogger("lgm").warning(text)
            self._heart.change(notes=(*self._heart.status.notes, text))

    def wants_metric(self, step: int) -> bool:
        return step % self._log_every == 0 or step == self.steps - 1

    def wants_frame(self, step: int) -> bool:
        return step in self._frame_steps

    def wants_checkpoint(self) -> bool:
        return time.monotonic() - self._last_checkpoint >= self.config.checkpoint_seconds

    def metric(self, step: int, values: Mapping[str, Any]) -> None:
        """Append one line of metrics."""
        self._values = dict(values)
        self._append(self.run.metrics_file, step, values)

    def frame(self, step: int, images: Float[Tensor, "n 3 r r"]) -> None:
        """Draw the set, images in [0, 1], as one atlas, beside the next step; raises what the one before met."""
        self._heart.hold()
        pixels = (images.detach() * 255).round().byte().permute(0, 2, 3, 1).cpu().numpy()
        self._drawing.add(pixels, step)

    def checkpoint(self, next_step: int, state: State) -> None:
        """Replace the checkpoint by all that step `next_step` depends on; what was recorded before comes first."""
        self._settle()
        write_checkpoint(self.run, next_step, state)
        self._last_checkpoint = time.monotonic()

    def restore(self) -> tuple[int, State]:
        """Next step and state of the checkpoint, (0, {}) without one; forgets what was logged after it."""
        next_step, state, notes = read_checkpoint(self.run)
        for note in (*notes, *(forget_from(path, next_step) for path in self.run.line_files())):
            self.note(note)
        return next_step, state

    def result(self, learned: LearnedSet) -> None:
        """The set: images in [0, 1], labels, and what else the method has learned. A damaged one is set aside."""
        self._settle()
        self.note(set_aside_broken(self.run.synthetic))
        save_tensors(tensors_of(learned), self.run.synthetic)
        self.run.checkpoint_before.unlink(missing_ok=True)

    def choice(self, values: dict[str, Any]) -> None:
        """Which real images a baseline chose."""
        self._replace(self.run.choice, values)

    def labels(self, values: dict[str, Any]) -> None:
        """The class of each image."""
        self._replace(self.run.labels_file, values, indent=None)

    def weights(self, network: str, values: dict[str, Any]) -> None:
        """Which weights the run works with; says so where they are not those that it began with.

        Raises `UserError` where images that are half learned would go on with them.
        """
        known = self.run.weights()
        before = known.get(network, values)
        if before.get("sha256") != values["sha256"]:
            self._changed(
                f"the weights of {network} have changed since the run began: {values['file']} ({values['source']}) "
                f"instead of {before.get('file')} ({before.get('source')})",
                learned_with=network in self.run.config().networks(),
            )
        if known.get(network) != values:
            self._replace(self.run.weights_file, known | {network: values})

    def data(self, values: dict[str, Any]) -> None:
        """Which images the run reads; says so where they are not those that it began with, as far as both are known."""
        known = self.run.data()
        both = [(known[one], values[one]) for one in ("fingerprints", "contents") if one in known and one in values]
        if any(before != now for before, now in both):
            self._changed(
                "the images have changed since the run began: earlier results are of the old ones", learned_with=True
            )
        if known != values:
            self._replace(self.run.data_file, values)

    def _changed(self, words: str, *, learned_with: bool) -> None:
        """Note that something is not as it was; end the run where its checkpoint was `learned_with` it."""
        if learned_with and self.run.checkpoint.exists() and not self.run.synthetic.exists():
            raise UserError(f"{words}; restore it, or start the run again under another --name")
        self.note(words)

    def map(self, values: dict[str, Any], axes: State) -> None:
        """The real images' places on the run's map, and the tensors with which new images are placed on it."""
        if axes:
            save_tensors(axes, self.run.map_axes)
        self._replace(self.run.map_file, values, indent=None)

    def trail(self, step: int, values: dict[str, Any]) -> None:
        """Where the synthetic images lie on the map at a frame."""
        self._append(self.run.trail_file, step, values)

    def details(self, step: int, values: dict[str, Any]) -> None:
        """What else of a step is worth watching; nothing is written for {}."""
        if values:
            self._append(self.run.details_file, step, values)

    def alignment(self, values: dict[str, Any]) -> None:
        """What is known so far of how alike backbones are."""
        self._replace(self.run.alignment_file, values, indent=None)

    def findings(self, values: dict[str, Any]) -> None:
        """What an instrument has found so far."""
        self._replace(self.run.findings_file, values, indent=None)

    def evaluation(self, name: str, report: dict[str, Any]) -> None:
        """The report of one probe, under a name that tells its backbone and data set."""
        self.run.evals.mkdir(exist_ok=True)
        self._replace(self.run.evals / f"{name}.json", report)

    def _settle(self) -> None:
        """All frames and lines are on the disk: a checkpoint or result must not be ahead of them."""
        self._drawing.wait()
        self._heart.hold()
        for path in filter(Path.exists, (*self.run.line_files(), self.run.frames)):
            to_disk(path)

    def _replace(self, path: Path, values: dict[str, Any], indent: int | None = 1) -> None:
        """Replace a JSON file; a damaged one is set aside."""
        self._heart.hold()
        self.note(set_aside_unusable(path))
        write_json(path, values, indent, sealed=True)

    def _append(self, path: Path, step: int, values: Mapping[str, Any]) -> None:
        self._heart.hold()
        append_line(path, {"step": step, **values})
