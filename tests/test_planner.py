"""The planner of a Ray cluster, with Ray played by a few lines: what it sends, in which order, after what."""

import os
from collections.abc import Sequence
from dataclasses import asdict, replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from lgm_core.base.files import write_json
from lgm_core.base.places import Places
from lgm_core.config import RunConfig
from lgm_core.jobs import local, ray_cluster
from lgm_core.jobs.ray_cluster import Planner
from lgm_core.runs.store import RunFolder, RunStore


class FakeRay:
    """Tasks end in the order in which they were sent; `ends` says as what, "finished" otherwise."""

    exceptions = SimpleNamespace(RayError=ConnectionError)

    def __init__(self, ends: dict[str, Any]) -> None:
        self.sent: list[tuple[str, tuple[str, ...]]] = []
        self.options: list[dict[str, Any]] = []
        self.ends, self.killed = ends, 0

    def nodes(self) -> list[dict[str, Any]]:
        return [{"Alive": True, "Resources": {"CPU": 2.0}, "NodeID": "ab" * 28, "NodeManagerHostname": "x"}]

    def remote(self, **fixed: Any) -> Any:
        return lambda function: SimpleNamespace(options=lambda **its: self._task(fixed | its))

    def _task(self, options: dict[str, Any]) -> Any:
        def send(path: str, ticket: str, environment: object, *after: str) -> str:
            self.options.append(options)
            self.sent.append((options["name"], after))
            return path

        return SimpleNamespace(remote=send)

    def wait(self, tasks: Sequence[str], timeout: float) -> tuple[list[str], list[str]]:
        return [tasks[0]], list(tasks[1:])

    def get(self, path: str) -> str:
        run = RunFolder(Path(path))
        end = self.ends.pop(run.id, "finished")
        if isinstance(end, Exception):
            raise end
        if end != "queued":
            write_json(run.status_file, asdict(replace(run.status(), state=end)))
        return end

    def get_runtime_context(self) -> Any:
        return SimpleNamespace(current_actor="me")

    def kill(self, actor: str) -> None:
        self.killed += 1


@pytest.fixture
def plan(here: Places, monkeypatch: pytest.MonkeyPatch):
    """Sends the runs `names` ("b:a" looks at a) that are queued, or in the state given, and returns what Ray saw."""
    pytest.importorskip("ray", reason="Ray is not installed (make cluster)")
    monkeypatch.setattr(ray_cluster, "_LOOKS_EVERY", 0.01)
    for name in ("LGM_CACHE", "LGM_WEIGHTS", "LGM_DATASETS"):
        monkeypatch.setenv(name, os.environ.get(name, ""))

    def does(names: Sequence[str], states: dict[str, str], **ends: Any) -> FakeRay:
        runs, ray = [], FakeRay(ends)
        file = here.clusters / "ray-1-x.json"
        file.parent.mkdir(parents=True, exist_ok=True)
        write_json(file, {"address": "auto", "runs": []})
        for name, _, source in (its.partition(":") for its in names):
            kind = {"kind": "evaluate", "source": source} if source else {}
            runs.append(RunStore(here.runs).create(RunConfig(name=name, **kind), {}))
            local.mark_queued(runs[-1], file.name, "auto")
            if name in states:
                write_json(runs[-1].status_file, asdict(replace(runs[-1].status(), state=states[name])))
        monkeypatch.setattr(ray_cluster, "_ray", lambda: ray)
        planner = Planner(str(file), [str(run.path) for run in runs], {})
        planner.watching.join(timeout=60)
        assert not planner.watching.is_alive() and ray.killed == 1 and not file.exists()
        return ray

    return does


def _path(here: Places, name: str) -> str:
    return str(here.runs / name)


def test_a_run_is_sent_after_the_tasks_of_its_sources(plan, here):
    ray = plan(["a", "b:a", "c:b", "d"], {})
    assert ray.sent == [("a", ()), ("b", (_path(here, "a"),)), ("c", (_path(here, "b"),)), ("d", ())]
    its = ray.options[0]
    assert (its["num_cpus"], its["num_gpus"], its["max_retries"], its["max_calls"]) == (2, 0, 20, 1)
    assert its["scheduling_strategy"].soft and its["scheduling_strategy"].node_id == "ab" * 28


def test_a_run_that_is_given_before_its_source_is_sent_after_it(plan):
    assert [name for name, _ in plan(["b:a", "a", "c:b", "d"], {}).sent] == ["a", "d", "b", "c"]


def test_a_planner_that_begins_again_does_what_is_left_and_waits_for_lost_sources(plan, here):
    ray = plan(["done", "a", "b:a", "off"], {"done": "finished", "a": "lost", "off": "paused"})
    assert ray.sent == [("a", ()), ("b", (_path(here, "a"),))]


def test_a_lost_source_that_is_given_later_is_sent_first_all_the_same(plan):
    assert [name for name, _ in plan(["b:a", "a"], {"a": "lost"}).sent] == ["a", "b"]


def test_a_run_whose_source_is_paused_is_sent_once_that_has_ended(plan, here, monkeypatch):
    source = RunStore(here.runs).create(RunConfig(name="elsewhere"), {})
    write_json(source.status_file, asdict(replace(source.status(), state="paused")))
    looks = iter(range(100))

    def sleep(seconds: float) -> None:
        if next(looks) == 3:
            write_json(source.status_file, asdict(replace(source.status(), state="finished")))

    monkeypatch.setattr(ray_cluster.time, "sleep", sleep)
    assert plan(["b:elsewhere", "a"], {}).sent == [("a", ()), ("b", ())] and next(looks) == 4


def test_a_task_that_came_too_early_is_sent_again_and_one_that_died_too_often_is_not(plan):
    assert plan(["a"], {}, a="queued").sent == [("a", ()), ("a", ())]


def test_a_node_that_dies_too_often_leaves_the_run_lost(plan, here):
    ray = plan(["a", "b"], {}, a=ConnectionError("the node died"))
    assert ray.sent == [("a", ()), ("b", ())]


def test_where_the_planner_fails_itself_it_ends(plan, monkeypatch):
    monkeypatch.setattr(ray_cluster, "plan_runs", lambda runs, nodes: 1 / 0)
    monkeypatch.setattr(ray_cluster.threading, "excepthook", lambda found: None)
    assert plan(["a"], {}).sent == []
