"""Runs as tasks of a Ray cluster, whose nodes see the same folder of runs. Ray schedules; here is what it is told.

A run is a task with the cores and GPUs it needs. It waits for the tasks of its sources, prefers the node that read the
same banks, and begins again elsewhere where its node dies, from its checkpoint. A detached actor, the planner, owns the
tasks: whoever sent them may end. It lives at the head, begins again where its own process dies, and learns from the run
folders what is left.

>>> submit_to_ray(runs, places(), "auto")  # returns when the cluster has them
"""

import os
import socket
import threading
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from lgm_core.base.errors import Unavailable, UserError
from lgm_core.base.files import write_json
from lgm_core.base.places import Places
from lgm_core.jobs.cluster_plan import Node, Planned, plan_runs
from lgm_core.jobs.cluster_work import environment_for, is_to_do, work_on
from lgm_core.jobs.local import has_worker, mark_queued
from lgm_core.jobs.tickets import sources_of, unfinished_sources
from lgm_core.runs.start import is_done
from lgm_core.runs.store import RunFolder

_HEAD = "node:__internal_head__"
_RETRIES = 20  # how often the node or the process of a run may die
_LOOKS_EVERY = 2.0  # seconds
_ANSWERS_WITHIN = 10.0  # seconds until the cluster's head does
_BEGINS_WITHIN = 120.0  # seconds until the planner answers, at most


def submit_to_ray(runs: Sequence[RunFolder], here: Places, address: str) -> list[RunFolder]:
    """Send the runs to the cluster; those that are done, or have a worker, are left as they are. Returns those sent.

    Raises `Unavailable` where there is no cluster at the address ("auto", "HOST:PORT", "ray://...").
    """
    with connected(address) as ray:
        plan_runs(runs, _nodes(ray))  # a wrong device is said before anything is written
        left = [run for run in runs if not is_done(run) and not has_worker(run)]
        if not left:
            return []
        here.clusters.mkdir(parents=True, exist_ok=True)
        file = here.clusters / f"ray-{time.time_ns()}-{left[0].id[:80]}.json"
        write_json(file, {"address": address, "runs": [run.id for run in left]})
        for run in left:
            mark_queued(run, file.name, address)
        planner = ray.remote(Planner).options(
            name=file.stem, lifetime="detached", max_restarts=-1, num_cpus=0, resources=at_head(ray)
        )
        begun = planner.remote(str(file), [str(run.path.absolute()) for run in runs], environment_for(here))
        ray.get(begun.is_there.remote(), timeout=_BEGINS_WITHIN)
    return left


class Planner:
    """The actor: sends each run once its sources are under way or have ended, and ends when there is nothing to do.

    `paths`: also of runs that are done, which tell where banks are. It is begun anew with the same values.
    """

    def __init__(self, file: str, paths: Sequence[str], environment: Mapping[str, str]) -> None:
        os.environ.update(environment)
        self._file, self._environment = Path(file), environment
        self._runs = [RunFolder(Path(path)) for path in paths]
        self._under_way: dict[str, Any] = {}
        self.watching = threading.Thread(target=self._watch, daemon=True)
        self.watching.start()

    def is_there(self) -> bool:
        return True

    def _watch(self) -> None:
        """Until all runs have ended; where this fails itself, they are soon seen to be lost, and can be sent again."""
        ray = _ray()
        try:
            self._send_all(ray)
        finally:
            self._file.unlink(missing_ok=True)
            ray.kill(ray.get_runtime_context().current_actor)

    def _send_all(self, ray: Any) -> None:
        waiting = {planned.run.id: planned for planned in plan_runs(self._runs, _nodes(ray))}
        while waiting or self._under_way:
            self._file.touch()  # a sign of life for the runs that wait
            for name, planned in list(waiting.items()):
                if not is_to_do(planned.run, self._file.name):
                    del waiting[name]
                elif not self._is_blocked(planned.run, waiting):
                    self._under_way[name] = self._send(ray, waiting.pop(name))
            if not self._under_way:
                time.sleep(_LOOKS_EVERY)
                continue
            ended, _ = ray.wait(list(self._under_way.values()), timeout=_LOOKS_EVERY)
            for name in [name for name, task in self._under_way.items() if task in ended]:
                if _result(ray, self._under_way.pop(name)) == "queued":  # a source is paused, or is worked on elsewhere
                    again = [run for run in self._runs if run.id == name]
                    waiting |= {planned.run.id: planned for planned in plan_runs(again, _nodes(ray))}

    def _is_blocked(self, run: RunFolder, waiting: Iterable[str]) -> bool:
        """Is there a source that is unfinished elsewhere, or that was not sent yet? Tasks are waited for by Ray."""
        return bool({*unfinished_sources(run)} - {*self._under_way} or {*sources_of(run)} & {*waiting})

    def _send(self, ray: Any, planned: Planned) -> Any:
        near = {"scheduling_strategy": _near(planned.near)} if planned.near else {}
        task = ray.remote(max_calls=1)(work_on).options(  # each run in a process of its own
            name=planned.run.id, num_cpus=planned.cpus, num_gpus=planned.gpus, max_retries=_RETRIES, **near
        )
        after = [self._under_way[name] for name in sources_of(planned.run) if name in self._under_way]
        return task.remote(str(planned.run.path), self._file.name, self._environment, *after)


@contextmanager
def connected(address: str) -> Iterator[Any]:
    """Ray, connected to the cluster at the address. Raises `Unavailable`."""
    ray = _ray()
    try:
        _knock(address)  # Ray itself would try for minutes, and then end the process
        ray.init(address=address, namespace="lgm", log_to_driver=False, logging_level="ERROR")
    except (OSError, RuntimeError, ValueError, ImportError, AssertionError) as error:
        why = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
        raise Unavailable(
            f"there is no Ray cluster at {address} that this machine is part of ({why}); start one with "
            "`ray start --head`, join one with `ray start --address HOST:6379`, or give another address"
        ) from None
    try:
        yield ray
    except ray.exceptions.RayError as error:
        raise UserError(f"the Ray cluster at {address} did not take the runs: {error}") from None
    finally:
        ray.shutdown()


def _knock(address: str) -> None:
    """Raise `OSError` or `ValueError` where nobody answers at the address."""
    from ray._private.services import canonicalize_bootstrap_address_or_die  # pyright: ignore[reportMissingImports]

    plain = address.removeprefix("ray://")
    host, _, port = (canonicalize_bootstrap_address_or_die(plain) if plain == address else plain).rpartition(":")
    if not port.isdigit():
        raise ValueError("it is neither auto nor HOST:PORT")
    socket.create_connection((host, int(port)), timeout=_ANSWERS_WITHIN).close()


def _ray() -> Any:
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")  # nothing is reported to anybody
    import ray  # pyright: ignore[reportMissingImports]

    return ray


def _nodes(ray: Any) -> list[Node]:
    found = []
    for node in ray.nodes():
        if node["Alive"]:
            cpus, gpus = (int(node["Resources"].get(kind, 0)) for kind in ("CPU", "GPU"))
            found.append(Node(id=node["NodeID"], host=node["NodeManagerHostname"], cpus=cpus, gpus=gpus))
    return found


def _near(node: str) -> Any:
    """On this node; elsewhere where it is gone, or has no room now."""
    from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy  # pyright: ignore[reportMissingImports]

    return NodeAffinitySchedulingStrategy(node, soft=True, _spill_on_unavailable=True)


def at_head(ray: Any) -> dict[str, float]:
    """A little of what only the head has, without which the cluster is nothing either.

    An affinity that is soft would not do: Ray passes an actor on from there, and where the owner of tasks dies, Ray
    kills those of them that are well on other nodes.
    """
    return {_HEAD: 0.001} if _HEAD in ray.cluster_resources() else {}


def _result(ray: Any, task: Any) -> str:
    """The state that a run ended in; "lost" where its node or process has died too often."""
    with suppress(ray.exceptions.RayError):
        return ray.get(task)
    return "lost"
