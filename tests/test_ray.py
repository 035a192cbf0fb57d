"""A real Ray cluster of several nodes on this machine: nodes and drivers die, the study ends with the same bits."""

import os
import subprocess
import sys
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import replace
from typing import Any

import psutil
import pytest
import torch

from lgm_core.base.places import Places, worker_environment
from lgm_core.config import RunConfig
from lgm_core.engine import work
from lgm_core.jobs import local, slurm
from lgm_core.jobs.ray_cluster import at_head, connected
from lgm_core.jobs.study import StudyFlags, plan_study
from lgm_core.presets import change
from lgm_core.runs.source_runs import images_of
from lgm_core.runs.start import start
from lgm_core.runs.store import RunFolder, RunStore

pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("ignore")]  # the warnings are Ray's own
MARK = "LGM_TEST_CLUSTER"
NODE = {"num_cpus": 1, "object_store_memory": 80 * 2**20}
KILLS_EVERY, KILLS = 20.0, 4  # seconds; a task spends most of its time on imports, and must get further than these
STEPS = 600  # of runs that are killed in the middle of them: longer than it takes to kill the node of another
SEND_AND_STAY = """
import sys, time, ray
from lgm_core.base.places import places
from lgm_core.jobs.ray_cluster import submit_to_ray
from lgm_core.runs.store import RunStore
ray.shutdown = lambda: print("sent", flush=True) or time.sleep(1000)
submit_to_ray(RunStore(places().runs).runs(), places(), sys.argv[1])
"""


@pytest.fixture
def cluster(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """A head that computes nothing, and two nodes of one core. Nothing of it is left behind, also after a failure."""
    utils = pytest.importorskip("ray.cluster_utils", reason="Ray is not installed (make cluster)")
    mark = uuid.uuid4().hex
    monkeypatch.setenv(MARK, mark)
    monkeypatch.setenv("RAY_USAGE_STATS_ENABLED", "0")
    head = {"num_cpus": 0, "object_store_memory": 80 * 2**20, "include_dashboard": False}
    made = utils.Cluster()
    try:
        made.add_node(**head)
        for _ in range(2):
            made.add_node(**NODE)
        yield made
    finally:
        try:
            made.shutdown()
        finally:
            left = [process for process in psutil.process_iter() if _is_marked(process, mark)]
            for process in left:
                process.kill()
            psutil.wait_procs(left, timeout=20)


def _is_marked(process: psutil.Process, mark: str) -> bool:
    try:
        return process.pid != os.getpid() and process.environ().get(MARK) == mark
    except psutil.Error:
        return False


def _until(condition: Callable[[], bool], runs: list[RunFolder], each: Callable[[], None] = lambda: None) -> None:
    end = time.monotonic() + 400
    while not condition():
        each()
        states = [(run.id, run.status().state, run.status().phase) for run in runs]
        assert all(state != "failed" for _, state, _ in states), f"{states}\n{runs[0].log_tail()}"
        assert time.monotonic() < end, f"{states}\n{runs[0].log_tail()}"
        time.sleep(0.2)


def _study(base: RunConfig) -> list[RunConfig]:
    changes = {"steps": 60, "device": {"threads": 1}, "probe": {"seeds": 1}, "record": {"map_images": 0}}
    return plan_study(replace(change(base, changes), name="s"), StudyFlags(seeds=3, draws=4))


def _results(run: RunFolder) -> dict[str, Any]:
    """All that a run has found, without times."""
    found: dict[str, Any] = {"losses": [(line["step"], line["loss"]) for line in run.metrics()]}
    found["reports"] = [(its["top1"], its["per_class"], its["confusion"]) for its in run.eval_reports()]
    if run.has_images():
        found["images"] = [tensor.numpy().tobytes() for tensor in images_of(run)]
    return found


def test_a_study_with_nodes_that_die_equals_an_undisturbed_one(cluster, small_run, tmp_path, monkeypatch):
    calm, here = (
        Places(cache=tmp_path / name, weights=(tmp_path / "weights",), datasets=(tmp_path / "datasets",))
        for name in ("calm", "stormy")
    )
    plan = _study(small_run)
    assert len(plan) == 12
    runs = [start(config, here) for config in plan]
    driver = subprocess.Popen(
        [sys.executable, "-W", "ignore", "-c", SEND_AND_STAY, cluster.address],
        env=worker_environment(here) | {"OMP_NUM_THREADS": "1"}, stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    assert driver.stdout and driver.stdout.readline() == "sent\n"
    driver.kill()
    driver.wait()
    driver.stdout.close()
    assert all(run.status().cluster == cluster.address for run in runs)
    local.pause(runs[-1])  # the last in line
    last_kill, killed, nodes = time.monotonic(), 0, list(cluster.worker_nodes)

    def storm() -> None:
        nonlocal last_kill, killed  # the oldest node dies, the second time the planner
        if time.monotonic() - last_kill > KILLS_EVERY and killed < KILLS:
            if killed == 1:
                _planner(cluster).kill()
            else:
                cluster.remove_node(nodes.pop(0), allow_graceful=False)
                nodes.append(cluster.add_node(**NODE))
            last_kill, killed = time.monotonic(), killed + 1

    _until(lambda: all(run.status().state == "finished" for run in runs[:-1]), runs, storm)
    assert killed >= 2 and runs[-1].status().state == "paused" and not local.queue(here)
    local.resume(runs[-1], here)  # to the cluster again, by a process of its own
    _until(lambda: runs[-1].status().state == "finished", runs)
    _until(lambda: not list(here.clusters.glob("*.json")), runs)  # the planners have ended

    threads = torch.get_num_threads()
    for config, stormy in zip(plan, runs, strict=True):
        run = start(config, calm)
        assert work(run, calm) == "finished"
        assert _results(run) == _results(stormy), run.id
    torch.set_num_threads(threads)
    restarts = sum(stormy.log_tail(1000).count("run s-") - 1 for stormy in runs)
    print(f"{killed} nodes and planners killed, {restarts} runs begun again")


def _planner(cluster: Any) -> psutil.Process:
    """Its process, which is one of the head's: no other node that dies takes the runs of all with it."""
    raylet = psutil.Process(cluster.head_node.all_processes["raylet"][0].process.pid)
    (planner,) = (process for process in raylet.children() if "Planner" in process.name() + str(process.cmdline()))
    return planner


def test_what_is_asked_to_live_at_the_head_lives_there(cluster):
    with connected(cluster.address) as ray:

        class Somewhere:
            def node(self) -> str:
                return ray.get_runtime_context().get_node_id()

        living = [ray.remote(Somewhere).options(num_cpus=0, resources=at_head(ray)).remote() for _ in range(4)]
        assert {ray.get(one.node.remote()) for one in living} == {cluster.head_node.node_id}


def _in_its_steps(run: RunFolder) -> bool:
    its = run.status()
    return its.active and its.phase == "distilling" and its.step > 5 and run.checkpoint.exists()


def _kill_node_of(run: RunFolder, cluster: Any) -> None:
    """As where a machine goes: the node and all of its processes at once, without a word; another node joins."""
    worker = psutil.Process(run.status().pid)
    (node,) = (one for one in cluster.worker_nodes if one.all_processes["raylet"][0].process.pid == worker.ppid())
    theirs = psutil.Process(worker.ppid()).children(recursive=True)
    cluster.remove_node(node, allow_graceful=False)
    for process in theirs:
        with suppress(psutil.NoSuchProcess):
            process.kill()
    cluster.add_node(**NODE)


def test_runs_whose_nodes_die_in_the_middle_of_their_steps_have_the_bits_of_undisturbed_ones(
    cluster, small_run, tmp_path
):
    calm, here = (
        Places(cache=tmp_path / name, weights=(tmp_path / "weights",), datasets=(tmp_path / "datasets",))
        for name in ("calm", "stormy")
    )
    changes = {"steps": STEPS, "device": {"threads": 1}, "probe": {"seeds": 1}, "record": {"map_images": 0}}
    plan = [replace(change(small_run, changes), name=f"run-{seed}", seed=seed) for seed in range(2)]
    runs = [start(config, here) for config in plan]
    words = [sys.executable, "-W", "ignore", "-m", "lgm_core", "submit", cluster.address, *(run.id for run in runs)]
    subprocess.run(words, env=worker_environment(here) | {"OMP_NUM_THREADS": "1"}, check=True)
    assert _planner(cluster).is_running()  # at the head
    left: dict[str, tuple[int, list[dict[str, Any]]]] = {}  # of each run, when its node died: step and metrics

    def storm() -> None:
        for run in runs:
            if run.id not in left and _in_its_steps(run):
                _kill_node_of(run, cluster)
                left[run.id] = run.status().step, run.metrics()

    _until(lambda: all(run.status().state == "finished" for run in runs), runs, storm)
    threads = torch.get_num_threads()
    for config, stormy in zip(plan, runs, strict=True):
        step, known = left[stormy.id]
        assert 5 < step < STEPS and stormy.metrics()[0] == known[0]  # went on, as the first step's time is the same
        assert stormy.log_tail(1000).count(f"run {stormy.id} on ") == 2, stormy.log_tail(1000)
        run = start(config, calm)
        assert work(run, calm) == "finished" and _results(run) == _results(stormy), run.id
    torch.set_num_threads(threads)


def test_a_run_as_a_job_of_its_own_process(here, small_run, monkeypatch):
    """submitit's local executor, in place of Slurm."""
    pytest.importorskip("submitit", reason="submitit is not installed (make cluster)")
    config = change(small_run, {"kind": "baseline", "baseline": {"choice": "random"}, "device": {"device": "cpu"}})
    run = start(config, here)
    (job,) = slurm.submit_to_slurm([run], here, "local")
    assert job.result() == "finished" == RunStore(here.runs).open(run.id).status().state
    assert "run " in run.log_tail() and not list(here.clusters.glob("*.json"))
