"""Sentences of the engine that a reader stumbled over, held as they read now."""

from pathlib import Path

import pytest

from lgm_core.base.errors import UserError
from lgm_core.base.places import Places
from lgm_core.cli.grouping import _numbers_in
from lgm_core.jobs.study import StudyFlags
from lgm_core.runs.heart import LOWER_BATCH, plain
from lgm_core.runs.store import RunStore
from tests.fake_runs import fake_distill


def test_a_system_without_threads_left_says_so():
    assert plain(RuntimeError("can't start new thread")) == (
        "The system could not start another thread: it ran out of memory, or reached its limit of threads. "
        + LOWER_BATCH
    )


def test_damaged_findings_are_got_again(here: Places):
    run = fake_distill(RunStore(here.runs), name="one")
    run.findings_file.write_text("{")
    assert any("start the run again to get its findings" in problem for problem in run.problems())


def test_a_file_without_numbers_is_named(tmp_path: Path):
    file = tmp_path / "picked.txt"
    file.write_text("1\ntwo\n")
    with pytest.raises(UserError, match="picked.txt does not hold the numbers of images, such as one per line: "):
        _numbers_in(file)


def test_who_chooses_the_rivals_is_said():
    helps = StudyFlags.__dataclass_fields__["rivals"].metadata["help"]
    assert helps.endswith("herding and k-centres, by the backbones that distil")
