"""Runs sent to a cluster: what they ask for, what they wait for, how they are told; no cluster is needed."""

import os
import signal
import time
from collections.abc import Callable
from dataclasses import asdict, replace

import pytest

from lgm_core.base.errors import ConfigError, Unavailable, UserError
from lgm_core.base.files import write_json
from lgm_core.base.places import Places
from lgm_core.cli.main import main
from lgm_core.config import RunConfig
from lgm_core.jobs import cluster_work, local, slurm
from lgm_core.jobs.cluster_plan import Node, needs, plan_runs
from lgm_core.jobs.cluster_work import environment_for, work_on
from lgm_core.presets import change
from lgm_core.runs.heart import Stopped
from lgm_core.runs.store import RunFolder, RunStore

BIG, SMALL = Node(id="b", host="big", cpus=32, gpus=4), Node(id="s", host="small", cpus=6, gpus=0)


def _run(here: Places, name: str, **values: object) -> RunFolder:
    return RunStore(here.runs).create(RunConfig(name=name, **values), {})


def _on(device: str, threads: int = 0) -> RunConfig:
    return change(RunConfig(), {"device": {"device": device, "threads": threads}})


@pytest.mark.parametrize(
    ("config", "nodes", "asks"),
    [
        (_on("auto"), [BIG, SMALL], (8, 1)),  # the cores that come with a GPU
        (_on("auto"), [SMALL, replace(SMALL, cpus=2)], (2, 0)),  # any node can do it
        (_on("cpu"), [BIG, SMALL], (6, 0)),
        (_on("cuda", threads=3), [], (3, 1)),  # a node may join later
        (_on("all"), [BIG, replace(BIG, gpus=8)], (32, 8)),
        (_on("auto"), [replace(BIG, cpus=0, gpus=0)], (1, 0)),  # a head that computes nothing
    ],
)
def test_a_run_asks_for_its_share_of_a_node(config, nodes, asks):
    assert needs(config, nodes) == asks


def test_a_device_of_one_machine_is_refused():
    with pytest.raises(ConfigError, match="device.device cuda:1 names a device of one machine"):
        needs(_on("cuda:1"), [BIG])


def test_runs_on_the_same_banks_prefer_the_same_node(here):
    nodes = [replace(SMALL, id=name, host=name) for name in "xyz"]
    runs = [_run(here, f"{bank}{seed}", backbone=bank, evaluate_on=(bank,)) for seed in range(2) for bank in "abcd"]
    homes = {planned.run.id: planned.near for planned in plan_runs(runs, nodes)}
    assert homes == {"a0": "x", "b0": "y", "c0": "z", "d0": "x", "a1": "x", "b1": "y", "c1": "z", "d1": "x"}
    write_json(runs[2].status_file, asdict(replace(runs[2].status(), state="finished", host="y")))
    assert plan_runs(runs, nodes)[6].near == "y"  # where the banks were read before
    assert plan_runs(runs, [])[0].near == ""


def _sent(run: RunFolder, here: Places, beat: float = 0.0) -> None:
    here.clusters.mkdir(parents=True, exist_ok=True)
    file = here.clusters / "ray-1-x.json"
    write_json(file, {"address": "head:6379", "runs": [run.id, "gone"]})
    os.utime(file, (time.time() - beat,) * 2)
    local.mark_queued(run, file.name, "head:6379")


def test_a_run_waits_on_the_cluster_as_long_as_its_planner_lives(here, monkeypatch):
    run, source = _run(here, "looking", kind="evaluate", source="source"), _run(here, "source")
    _sent(run, here)
    assert run.status().state == "queued" and local.queue(here)[0][1] == "the run source"
    write_json(source.status_file, asdict(replace(source.status(), state="finished")))
    assert [(its.id, words) for its, words in local.queue(here)] == [("looking", "a free place on Ray at head:6379")]
    monkeypatch.setattr("lgm_core.runs.status.LOST_AFTER_SECONDS", -1.0)
    _sent(run, here, beat=300)
    assert run.status().state == "lost" and not local.queue(here)


def test_pause_and_resume_of_a_run_that_waits_on_a_cluster(here, monkeypatch):
    run, sent = _run(here, "waits"), []
    _sent(run, here)
    local.pause(run)
    assert run.status().state == "paused" and not local.queue(here)  # at once, and its task will leave it alone
    assert not cluster_work.is_to_do(run, "ray-1-x.json")
    monkeypatch.setattr(local, "hand_over", lambda runs, here, cluster: sent.append((runs[0].id, cluster)))
    local.resume(run, here)
    assert sent == [("waits", "head:6379")]  # where it was


@pytest.fixture
def task(here, monkeypatch) -> Callable[..., str]:
    """Does a run as a task does, with `computing(run, stop)` in place of the engine."""

    def does(run: RunFolder, computing: Callable) -> str:
        monkeypatch.setattr(
            cluster_work, "compute", lambda run, here, slot, heart, listener, stop: computing(run, heart, stop)
        )
        monkeypatch.setattr(cluster_work, "_log_to", lambda run: None)
        return work_on(str(run.path), "ray-1-x.json", environment_for(here) | {"LGM_SENT": "yes"})

    monkeypatch.delenv("LGM_SENT", raising=False)
    yield does
    for name in ("LGM_SENT", "LGM_CACHE", "LGM_WEIGHTS", "LGM_DATASETS"):
        monkeypatch.setenv(name, "")  # and, at the end, back to what it was


def test_a_task_does_the_run_and_tells_how_it_ended(here, task):
    run = _run(here, "one")
    _sent(run, here)

    def finish(run, heart, stop):
        assert os.environ["LGM_SENT"] == "yes" and heart.status.cluster == "head:6379"
        heart.end(None)

    assert task(run, finish) == "finished" == run.status().state
    assert task(run, lambda *given: pytest.fail("it is done")) == "finished"


def test_a_task_of_a_failing_run_fails_nobody_else(here, task, capsys):
    run = _run(here, "one")
    _sent(run, here)

    def fail(run, heart, stop):
        raise UserError("the file x is broken")

    assert task(run, fail) == "failed" and run.status().error == "the file x is broken"
    capsys.readouterr()


def test_a_task_whose_source_is_paused_leaves_its_device(here, task):
    run, source = _run(here, "looking", kind="evaluate", source="source"), _run(here, "source")
    write_json(source.status_file, asdict(replace(source.status(), state="paused")))
    _sent(run, here)
    assert task(run, lambda *given: pytest.fail("its source is paused")) == "queued"


def test_a_task_that_the_cluster_ends_early_waits_again_and_one_that_a_user_stops_does_not(here, task):
    run = _run(here, "one")
    _sent(run, here)

    def preempted(run, heart, stop):
        os.kill(os.getpid(), signal.SIGTERM)
        raise Stopped("stopped" if stop.wait(5) else "no signal came")

    assert task(run, preempted) == "queued" and cluster_work.is_to_do(run, "ray-1-x.json")

    def stopped(run, heart, stop):
        run.ask("stop")
        raise Stopped("stopped")

    assert task(run, stopped) == "stopped" and not cluster_work.is_to_do(run, "ray-1-x.json")


def test_a_task_that_begins_again_waits_for_the_lease_of_the_dead_node(here, task, monkeypatch):
    run, ended = _run(here, "one"), []
    _sent(run, here)
    dead = replace(run.status(), state="running", pid=7, host="dead-node", heartbeat=time.time())
    write_json(run.status_file, asdict(dead))
    monkeypatch.setattr("lgm_core.runs.status.LEASE_SECONDS", 1.0)
    state = task(run, lambda run, heart, stop: ended.append(time.time() - dead.heartbeat) or heart.end(None))
    assert state == "finished" and ended[0] >= 1.0


def test_a_task_leaves_a_run_alone_that_was_sent_elsewhere(here, task):
    run = _run(here, "one")
    local.mark_queued(run, "ray-2-y.json", "other:6379")
    assert task(run, lambda *given: pytest.fail("it is another's")) == "queued"


def test_without_ray_and_slurm_the_commands_say_what_to_do(store, here, monkeypatch, capsys):
    _run(here, "one")
    monkeypatch.setattr("lgm_core.jobs.sending.find_spec", lambda package: None)
    for cluster in ("auto", "slurm"):
        assert main(["submit", cluster, "one"]) == 3
        assert "is not installed: `make cluster`" in capsys.readouterr().err
    assert RunFolder(here.runs / "one").status().state == "queued"


def test_what_a_cluster_refuses_reaches_the_page_as_one_sentence(here, monkeypatch):
    run = _run(here, "one")
    monkeypatch.setenv("PYTHONSTARTUP", "")
    with pytest.raises(UserError, match="^(there is no Ray cluster at nowhere:1|Ray is not installed)"):
        local.hand_over([run], here, "nowhere:1")


def test_the_commands_send_their_runs(store, small_run, monkeypatch, capsys):
    sent = []
    monkeypatch.setattr("lgm_core.cli.clustering.send", lambda runs, here, cluster: sent.append(cluster) or list(runs))
    words = ["digits", small_run.backbone, "--evaluate-on", small_run.backbone, "--name", "one", "--cluster", "h:6379"]
    assert main(["distill", *words]) == 0 and RunFolder(store.root / "one").status().step == 0
    assert "sent 1 run to h:6379; `lgm queue` and the page Runs" in capsys.readouterr().err
    study = ["s", "digits", "--distil-with", small_run.backbone, "--evaluate-on", small_run.backbone, "--seeds", "1"]
    assert main(["study", *study, "--draws", "1", "--cluster", "auto"]) == 0
    assert "sent 5 runs to auto" in capsys.readouterr().err
    assert main(["resume", "one", "--cluster", "slurm"]) == 0 and sent == ["h:6379", "auto", "slurm"]


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")  # submitit leaves its logs open
def test_slurm_jobs_wait_for_those_of_their_sources(here, monkeypatch):
    pytest.importorskip("submitit", reason="submitit is not installed (make cluster)")
    first, then = _run(here, "first"), _run(here, "then", kind="evaluate", source="first")
    monkeypatch.setenv("LGM_SLURM", "partition=gpu, account=vision")
    monkeypatch.setattr(cluster_work, "compute", lambda run, here, slot, heart, listener, stop: heart.end(None))
    monkeypatch.setattr(cluster_work, "_log_to", lambda run: None)
    asked = []
    import submitit

    update = submitit.AutoExecutor.update_parameters
    monkeypatch.setattr(
        submitit.AutoExecutor, "update_parameters", lambda self, **its: asked.append(its) or update(self, **its)
    )
    jobs = slurm.submit_to_slurm([first, then], here, "debug")
    assert [run.status().state for run in (first, then)] == ["queued", "queued"]
    assert [its["slurm_additional_parameters"] for its in asked] == [{}, {"dependency": f"afterany:{jobs[0].job_id}"}]
    assert asked[0]["slurm_partition"] == "gpu" and asked[0]["slurm_account"] == "vision"
    assert [job.result() for job in jobs] == ["finished", "finished"] and not list(here.clusters.glob("*.json"))
    monkeypatch.setenv("LGM_SLURM", "gpu")
    with pytest.raises(UserError, match="LGM_SLURM is a list such as"):
        slurm.submit_to_slurm([_run(here, "more")], here, "debug")


def test_where_there_is_no_slurm_that_is_said(here):
    pytest.importorskip("submitit", reason="submitit is not installed (make cluster)")
    with pytest.raises(Unavailable, match="cannot send jobs to Slurm .*log in to one that has sbatch"):
        slurm.submit_to_slurm([_run(here, "one")], here)
