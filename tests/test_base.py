"""What everything stands on: locks that die with their owner."""

import subprocess
import sys

from lgm_core.base.locks import is_held, take

_HOLDER = """
import sys, time
from pathlib import Path
from lgm_core.base.locks import take
lock = take(Path(sys.argv[1]))
print("held", flush=True)
time.sleep(60)
"""


def test_a_lock_is_freed_by_the_death_of_its_owner(tmp_path):
    path = tmp_path / "writer.lock"
    assert not is_held(path) and not path.exists()  # to ask makes no file
    with subprocess.Popen([sys.executable, "-c", _HOLDER, str(path)], stdout=subprocess.PIPE, text=True) as owner:
        assert owner.stdout is not None and owner.stdout.readline() == "held\n"
        assert is_held(path) and take(path) is None
        owner.kill()
    assert not is_held(path) and path.exists()
    with take(path) as lock:  # type: ignore[union-attr]
        assert not lock.closed and is_held(path)
    assert not is_held(path)


def test_a_lock_survives_a_rename_and_those_that_ask(tmp_path):
    first, second = tmp_path / ".new", tmp_path / "ticket"
    with take(first) as lock:  # type: ignore[union-attr]
        lock.write("cpu-0")
        lock.flush()
        first.rename(second)
        assert is_held(second) and is_held(second) and second.read_text() == "cpu-0"
    with second.open("r") as one, second.open("r") as other:
        assert not is_held(second) and not one.closed and not other.closed


def test_a_child_that_inherits_a_lock_holds_it_to_its_end(tmp_path):
    path = tmp_path / "fetch.lock"
    with take(path) as lock:  # type: ignore[union-attr]
        wait = [sys.executable, "-c", "input()"]
        child = subprocess.Popen(wait, stdin=subprocess.PIPE, pass_fds=[lock.fileno()])
    assert is_held(path) and take(path) is None
    child.communicate(b"\n")
    assert not is_held(path)
