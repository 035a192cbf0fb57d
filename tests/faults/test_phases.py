"""Signals in the middle of the phases of short runs, and that the program which sends them all sees what is wrong."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from lgm_core.runs.heart import Heart
from tests.faults.phases import KINDS, listing

ROOT = Path(__file__).parents[2]
SLOW = pytest.mark.slow


@pytest.mark.parametrize(("kind", "most"), [("baseline", 2), *(pytest.param(kind, 0, marks=SLOW) for kind in KINDS)])
def test_a_run_that_is_signalled_in_a_phase_is_mended_by_the_same_command(kind: str, most: int, tmp_path: Path):
    """In the ordinary suite, two phases get a signal each; in `make proofs`, each phase one of the three."""
    options = [
        "--signals",
        "TERM",
        "KILL",
        "INT",
        "--kinds",
        kind,
        "--folder",
        str(tmp_path),
        "--most",
        str(most),
        "--in-turn",
    ]
    done = subprocess.run(
        [sys.executable, "-m", "tests.faults.phases", *options],
        cwd=ROOT, env=os.environ | {"OMP_NUM_THREADS": "1"}, capture_output=True, text=True, timeout=600,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr[-2000:]
    _, signals, *_ = done.stdout.splitlines()[-1].split()
    assert int(signals) == 2 if most else int(signals) >= 5, done.stdout


def test_phases_are_listed_as_the_status_is_told_them(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    for name in ("set", "change"):
        monkeypatch.setattr(Heart, name, lambda self, **values: None)
    listing(tmp_path / "phases.txt")()
    heart = Heart.__new__(Heart)
    heart.set(phase="distilling", phase_done=1), heart.change(device="CPU"), heart.change(phase="starting")
    assert (tmp_path / "phases.txt").read_text() == "distilling\nstarting\n"
