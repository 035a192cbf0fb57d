"""Runs submitted, paused, resumed, stopped, forked, killed, damaged, put away and brought back, in any order.

Whatever the order: only sentences are raised, each run is in the state that the last to touch it left it in, the queue
holds the runs that wait, no line is there twice, and what ends has the bits of a run that nothing happened to.
A stub of a few milliseconds does the steps.
"""

import os
import shutil
import tempfile
import time
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any
from unittest.mock import patch

import pytest
import torch
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from lgm_core.base.errors import UserError
from lgm_core.base.files import write_json
from lgm_core.base.interfaces import HardSet
from lgm_core.base.places import Places
from lgm_core.base.tensor_files import load_tensors
from lgm_core.config import RunConfig
from lgm_core.jobs import local
from lgm_core.jobs.tickets import waiting_tickets
from lgm_core.presets import change
from lgm_core.runs.folder import RunFolder
from lgm_core.runs.heart import Heart
from lgm_core.runs.recorder import Recorder, Stopped
from lgm_core.runs.store import RunStore
from lgm_core.runs.trash import Trash
from tests.faults.examples import IS_LONG, many

STEPS, NOBODY = 6, 2**22 - 1  # a process number that nobody has
NAMES = st.sampled_from(("a", "b", "c"))
GOES_ON = {"queued", "paused", "stopped", "failed", "lost"}
RECORDS = ("status.json", "control.json", "notes.json", "metrics.jsonl", "frames/index.jsonl", "checkpoint.safetensors")
JUNK = st.sampled_from((b"", b"{", b"\xff\xfe", b"[1]", b'{"state": 3, "step": "x"}\n'))


def config_of(name: str) -> RunConfig:
    quick = {
        "synthetic": {"resolution": 8},
        "record": {"frames": 3, "map_images": 0, "thumbnails": False},
        "device": {"device": "cpu"},
    }
    return change(RunConfig(dataset="digits", backbone="mobilenet_v2", steps=STEPS, evaluate_on=(), name=name), quick)


def learned(step: int) -> torch.Tensor:
    """The images after so many steps; each depends on all before."""
    images = torch.zeros(10, 3, 8, 8)
    for number in range(step):
        images = (images * 0.7 + number / 10).sin().abs()
    return images


class Store(RuleBasedStateMachine):
    """`expected`: the state of each run; a run that is put away is not in it."""

    def __init__(self) -> None:
        super().__init__()
        self.folder = Path(tempfile.mkdtemp())
        self.here = Places(cache=self.folder, weights=(self.folder,), datasets=(self.folder,))
        self.store, self.expected = RunStore(self.here.runs), dict[str, str]()
        self.trash, self.away = Trash(self.store), dict[str, str]()
        self.waiting: set[str] = set()  # also a run whose damaged status says that it is lost
        self.patch = patch.object(local, "attend", lambda here: None)
        self.patch.start()

    def teardown(self) -> None:
        self.patch.stop()
        shutil.rmtree(self.folder)

    def run(self, name: str) -> RunFolder:
        return RunFolder(self.here.runs / name)

    @rule(name=NAMES)
    def submit(self, name: str) -> None:
        assert local.submit(config_of(name), self.here).id == name
        if self.expected.get(name, "lost") in GOES_ON:
            self._queued(name)

    def _queued(self, name: str) -> None:
        self.expected[name] = "queued"
        self.waiting.add(name)

    @rule(name=NAMES, wish=st.sampled_from((local.pause, local.stop)))
    def ask(self, name: str, wish: Any) -> None:
        if name in self.expected:
            wish(self.run(name))
            self.waiting.discard(name)
            if self.expected[name] in ("queued", "lost"):
                self.expected[name] = "paused" if wish is local.pause else "stopped"

    @rule(name=NAMES, again=st.sampled_from((local.resume, local.retry)))
    def go_on(self, name: str, again: Any) -> None:
        if name not in self.expected:
            return
        badly = self.expected[name] in ("failed", "lost")
        if self.expected[name] == "finished" or again is local.retry and not badly:
            with pytest.raises(UserError):
                again(self.run(name), self.here)
        else:
            again(self.run(name), self.here)
            self._queued(name)

    @rule(steps=st.integers(1, STEPS), end=st.sampled_from(("pause", "kill", "fail", "finish", "finish")))
    @precondition(lambda self: self.waiting)
    def work(self, steps: int, end: str) -> None:
        """The next run of the queue, some steps far, or to its end."""
        ticket = waiting_tickets(self.here.queue)[0]
        run, config = ticket.run, ticket.run.config_to_work_on()
        heart = Heart(run, state="queued", heed=True)
        heart.__enter__()
        ticket.file.unlink()
        self.waiting.discard(run.id)
        recorder = Recorder(run, config.record, steps=config.steps, heart=heart)
        recorder.__enter__()
        first, state = recorder.restore()
        assert not first or torch.equal(state["images"], learned(first))
        last = config.steps if end == "finish" else min(first + steps, config.steps)
        for step in range(first, last):
            recorder.phase("distilling", step, config.steps)
            recorder.metric(step, {"loss": 1.0})
            if recorder.wants_frame(step):
                recorder.frame(step, learned(step))
            recorder.checkpoint(step + 1, {"images": learned(step + 1), "synthetic.x": learned(step + 1)})
        error = {"pause": Stopped("paused"), "fail": UserError("it failed"), "finish": None}.get(end)
        if end == "kill":
            self._kill(heart, recorder)
        else:
            if end == "finish":
                recorder.result(HardSet(learned(config.steps), torch.arange(10)))
            recorder.__exit__(type(error) if error else None, error, None)
            heart.__exit__(None, None, None)
        states = {"pause": "paused", "kill": "lost", "fail": "failed", "finish": "finished"}
        self.expected[run.id] = states[end]

    def _kill(self, heart: Heart, recorder: Recorder) -> None:
        """The process is gone: no last word, its lock is free."""
        recorder._drawing.close()
        heart._over.set()
        heart._thread.join()
        write_json(heart.run.status_file, asdict(replace(heart.status, pid=NOBODY, heartbeat=time.time() - 60)))
        heart._lock.close()
        recorder._opened.close()  # the log

    @rule(name=NAMES, file=st.sampled_from(RECORDS), junk=JUNK)
    def damage(self, name: str, file: str, junk: bytes) -> None:
        """A damaged status says nothing: the run is lost, whatever it was."""
        path = self.run(name).path / file
        if name in self.expected and path.exists():
            path.write_bytes(junk)
            os.utime(path, ns=(time.time_ns(), time.time_ns()))
            if file == "status.json":
                self.expected[name] = "lost"
            if file == "checkpoint.safetensors" and self.expected[name] != "finished":
                assert any("checkpoint.safetensors is damaged" in words for words in self.run(name).problems())

    @rule(name=NAMES)
    def put_away(self, name: str) -> None:
        if name not in self.expected or name in self.away:
            return
        forks = [run.id for run in self.store.runs() if run.config().source == name]
        if "queued" in [self.expected[run] for run in (name, *forks)]:
            with pytest.raises(UserError, match="stop it first|still unfinished"):
                self.trash.put(name)
        else:
            self.trash.put(name)
            self.away[name] = self.expected.pop(name)
            self.waiting.discard(name)

    @rule(name=NAMES)
    def bring_back(self, name: str) -> None:
        if name in self.away and name not in self.expected:
            self.trash.restore(name)
            self.expected[name] = self.away.pop(name)

    @rule(name=NAMES, steps=st.integers(STEPS, STEPS + 2))
    @precondition(lambda self: len(self.expected) < 8)
    def fork(self, name: str, steps: int) -> None:
        """From the checkpoint, to another number of steps; refused in a sentence where there is none."""
        if name not in self.expected or name in self.away:
            return
        try:
            made = local.fork(self.run(name), STEPS - 1, {"steps": steps + 1}, self.here)
        except UserError:
            return
        if self.expected.get(made.id, "lost") in GOES_ON:
            self._queued(made.id)

    @invariant()
    def states_are_as_they_were_left(self) -> None:
        assert {run.id: run.status().state for run in self.store.runs()} == self.expected
        waiting = [ticket.run.id for ticket in waiting_tickets(self.here.queue)]
        assert len(waiting) == len(set(waiting)) and set(waiting) == self.waiting
        assert self.store.unreadable() == []

    @invariant()
    def what_has_ended_is_as_if_nothing_had_happened(self) -> None:
        for name, state in self.expected.items():
            run = self.run(name)
            steps = [line["step"] for line in run.metrics()]
            assert steps == sorted(set(steps)), (name, steps)
            if state == "finished":
                assert torch.equal(load_tensors(run.synthetic)["images"], learned(run.config().steps))


TestAnyOrder = pytest.mark.examples(Store.TestCase)
TestAnyOrder.settings = settings(many(400, short=8), stateful_step_count=40 if IS_LONG else 20)
