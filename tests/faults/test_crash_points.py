"""A few crash points of a distillation, and that the program which tries them all would see what is wrong."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.faults import strace_points
from tests.faults.crash_points import FAULTS
from tests.faults.strace_points import Point, points_of

ROOT = Path(__file__).parents[2]
LOG = """\
7 openat(AT_FDCWD</w>, "/c/a", O_RDONLY|O_CLOEXEC) = 3</c/a>
7 openat(AT_FDCWD</w>, "/c/a", O_WRONLY|O_CREAT|O_CLOEXEC, 0666) = 3</c/a>
7 write(3</c/a>, "x", 1) = 1
8 write(4</elsewhere>, "x", 1) = 1
7 write(3</c/a>, "y", 1 <unfinished ...>
8 fsync(5</c>) = 0
7 <... write resumed>) = 1
7 rename("/c/a", "/c/b") = 0
7 unlink("/c/a") = -1 ENOENT (No such file or directory)
"""


def tried(folder: Path, *options: str, **environment: str) -> subprocess.CompletedProcess:
    command = [sys.executable, "-m", "tests.faults.crash_points", "--folder", str(folder), *options]
    threads = {"OMP_NUM_THREADS": "1"}
    return subprocess.run(
        command, cwd=ROOT, env=os.environ | threads | environment, capture_output=True, text=True, timeout=600
    )


@pytest.mark.skipif(not strace_points.is_here(), reason=strace_points.WITHOUT)
@pytest.mark.parametrize(
    ("kind", "most"),
    [("distil", 1), *(pytest.param(k, 6, marks=pytest.mark.slow) for k in ("rarely", "embed", "rcig"))],
)
def test_a_run_that_is_killed_or_refused_at_a_system_call_is_mended_by_the_same_command(kind, most, tmp_path):
    done = tried(tmp_path, "--kinds", kind, "--faults", "KILL", "ENOSPC", "--most", str(most))
    assert done.returncode == 0, done.stdout + done.stderr[-2000:]
    assert done.stdout.splitlines()[-1].split()[:2] == ["all", str(2 * most)]


def test_without_strace_it_says_so(tmp_path):
    done = tried(tmp_path, PATH="/nowhere")
    assert done.returncode == 0 and "strace is not installed" in done.stdout


def test_the_points_are_the_changes_below_the_folder(tmp_path):
    log = tmp_path / "log"
    log.write_text(LOG.replace("/c", str(tmp_path / "c")))
    a = str(tmp_path / "c" / "a")
    changes = [Point("write", a, 1, "KILL"), Point("write", a, 2, "KILL"), Point("rename", a, 1, "KILL")]
    assert points_of(log, tmp_path / "c", "KILL") == changes
    refused = points_of(log, tmp_path / "c", "EIO")
    assert refused[0] == Point("openat", a, 2, "EIO") and len(refused) == 4 and set(FAULTS) > {"EIO"}


def test_what_differs_from_the_undisturbed_run_is_named(tmp_path):
    from tests.faults.crash_runs import differences

    wanted, cache = tmp_path / "wanted", tmp_path / "cache"
    (wanted / "runs").mkdir(parents=True)
    (wanted / "runs" / "metrics.jsonl").write_text('{"step": 0, "step_seconds": 2}\n')
    (wanted / "runs" / "synthetic.safetensors").write_bytes(b"1")
    shutil.copytree(wanted, cache)
    (cache / "runs" / "metrics.jsonl").write_text('{"step": 0, "step_seconds": 3}\n')
    assert differences(cache, wanted) == []
    (cache / "runs" / "metrics.jsonl").write_text('{"step": 0}\n{"step": 0}\n')
    (cache / "runs" / "synthetic.safetensors").unlink()
    (cache / "runs" / ".a.new").touch()
    said = ["litter: runs/.a.new", "lacks runs/synthetic.safetensors", "runs/metrics.jsonl differs"]
    assert differences(cache, wanted) == said
