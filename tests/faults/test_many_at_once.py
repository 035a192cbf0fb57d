"""Many submit to one store at the same time, some the same run: each is there once, and waits in the queue once."""

import json
import subprocess
import sys
from collections import Counter

import pytest

from lgm_core.base.knobs import to_dict
from lgm_core.base.places import Places, worker_environment
from lgm_core.config import RunConfig
from lgm_core.jobs.tickets import waiting_tickets
from lgm_core.presets import change
from lgm_core.runs.store import RunStore

_SUBMIT = """
import json, sys
from concurrent.futures import ThreadPoolExecutor
from lgm_core.base.knobs import from_dict
from lgm_core.base.places import places
from lgm_core.config import RunConfig
from lgm_core.jobs import local
local.attend = lambda here: None  # nobody begins one meanwhile
values, names = json.loads(sys.argv[1]), json.loads(sys.argv[2])
configs = [from_dict(RunConfig, values | {"name": name}) for name in names]
print("ready", flush=True)
sys.stdin.readline()
with ThreadPoolExecutor(10) as threads:
    for run in threads.map(lambda config: local.submit(config, places()), configs):
        print(run.id, flush=True)
"""


@pytest.mark.slow
def test_two_hundred_submits_at_once_make_each_run_once_and_queue_it_once(small_run: RunConfig, here: Places):
    """Two processes with ten threads each: 50 names of their own, and 50 that both have."""
    values = to_dict(change(small_run, {"device": {"device": "cpu", "threads": 1}}))
    common = [f"common-{number}" for number in range(50)]
    names = [[name for number in range(50) for name in (common[number], f"own-{who}-{number}")] for who in range(2)]
    command, environment = [sys.executable, "-c", _SUBMIT, json.dumps(values)], worker_environment(here)
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    them = [subprocess.Popen([*command, json.dumps(own)], env=environment, **pipes) for own in names]
    for one in them:
        assert one.stdout and one.stdout.readline() == "ready\n", one.communicate()[1]
    for one in them:
        assert one.stdin
        one.stdin.write("\n")
        one.stdin.flush()
    for one, own in zip(them, names, strict=True):
        said, wrong = one.communicate(timeout=300)
        assert one.returncode == 0 and said.split() == own, wrong[-2000:]
    wanted = dict.fromkeys((name for own in names for name in own), 1)
    assert Counter(run.id for run in RunStore(here.runs).runs()) == wanted
    assert Counter(ticket.run.id for ticket in waiting_tickets(here.queue)) == wanted
    assert {run.status().state for run in RunStore(here.runs).runs()} == {"queued"}
    assert [path for path in here.runs.iterdir() if path.name.startswith(".")] == []
