"""What everything stands on: locks that die with their owner, files that are replaced as a whole."""

import fcntl
import subprocess
import sys
import threading

import pytest

from lgm_core.base.errors import DamagedFile, UnknownName, UserError, result_or_why
from lgm_core.base.files import read_json, readable_lines, replacing, write_json
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


def test_those_who_ask_whether_a_lock_is_held_are_waited_for_and_its_owner_is_not(tmp_path, monkeypatch):
    path, waits = tmp_path / "writer.lock", []
    path.touch()
    asking = path.open("r")
    fcntl.flock(asking, fcntl.LOCK_SH)
    monkeypatch.setattr("lgm_core.base.locks.time.sleep", lambda seconds: (waits.append(seconds), asking.close()))
    with take(path) as lock:  # type: ignore[union-attr]
        assert lock is not None and len(waits) == 1 and is_held(path)
        assert take(path) is None and len(waits) == 1


def test_a_child_that_inherits_a_lock_holds_it_to_its_end(tmp_path):
    path = tmp_path / "fetch.lock"
    with take(path) as lock:  # type: ignore[union-attr]
        wait = [sys.executable, "-c", "input()"]
        child = subprocess.Popen(wait, stdin=subprocess.PIPE, pass_fds=[lock.fileno()])
    assert is_held(path) and take(path) is None
    child.communicate(b"\n")
    assert not is_held(path)


def test_a_file_is_replaced_as_a_whole_or_not_at_all(tmp_path):
    path = tmp_path / "page.json"
    tmp_path.chmod(0o750)
    with replacing(path) as new:
        new.write_text("first")
        new.chmod(0o600)
        assert not path.exists() and not list(tmp_path.glob("*.json"))
    assert path.read_text() == "first" and path.stat().st_mode & 0o777 == 0o640
    with pytest.raises(ZeroDivisionError), replacing(path) as new:
        new.write_text("half")
        _ = 1 // 0
    assert path.read_text() == "first" and list(tmp_path.iterdir()) == [path]
    with replacing(path, keep_suffix=True) as new:
        assert new.suffix == ".json" and new.parent == tmp_path
        new.write_text("second")
    assert path.read_text() == "second"


def test_two_threads_do_not_write_to_one_temporary_file(tmp_path):
    names = []

    def enter() -> None:
        with replacing(tmp_path / "index.json") as new:
            names.append(new)
            new.write_text("{}")
            both.wait()

    both = threading.Barrier(2, timeout=20)
    threads = [threading.Thread(target=enter) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(set(names)) == 2 and [path.name for path in tmp_path.iterdir()] == ["index.json"]


@pytest.mark.parametrize(
    ("text", "why"),
    [
        (b'{"a": 1%s}' % (b"0" * 400), "401 digits"),
        (b'{"a": [-9223372036854775809]}', "19 digits"),
        (b'{"a": "\\ud800x"}', "half a letter"),
        (b'{"\\uDFFF": 1}', "half a letter"),
        (b'{"a": %s1%s}' % (b"[" * 64, b"]" * 64), "64 deep"),
        (b'{"a": %s1%s}' % (b'{"b":' * 700, b"}" * 700), "64 deep"),
        (b'{"a": %s1%s}' % (b"[" * 100_000, b"]" * 100_000), "not JSON"),
    ],
)
def test_json_that_nobody_could_count_with_print_or_walk_is_damage(text, why, tmp_path):
    (tmp_path / "x.json").write_bytes(text)
    with pytest.raises(DamagedFile, match=why):
        read_json(tmp_path / "x.json")
    (tmp_path / "x.jsonl").write_bytes(b'{"step": 1}\n{"step": 2, %s\n' % text[1:])
    assert readable_lines(tmp_path / "x.jsonl") == ([{"step": 1}], (tmp_path / "x.jsonl").stat().st_size, 1)


def test_whole_json_is_read_as_it_is_and_what_is_written_can_be_read(tmp_path):
    whole = {"a": 2**63 - 1, "b": -(2**63), "c": "😀 [{\\ud800", "d": [[i] for i in range(500)], "0" * 30: "9" * 30}
    write_json(tmp_path / "x.json", whole, sealed=True)
    assert read_json(tmp_path / "x.json") == whole
    deep = 1
    for _ in range(63):
        deep = [deep]
    write_json(tmp_path / "x.json", {"file": "\udcff.png", "deep": deep}, sealed=True)
    assert read_json(tmp_path / "x.json") == {"file": "?.png", "deep": deep}


def test_a_result_or_the_reason_why_there_is_none():
    def refuse() -> int:
        raise UserError("no such thing")

    assert result_or_why(lambda: 3) == (3, "") and result_or_why(refuse) == (None, "no such thing")
    with pytest.raises(UserError):
        result_or_why(refuse, but=UnknownName)
    with pytest.raises(ZeroDivisionError):
        result_or_why(lambda: 1 // 0)
