"""A set that is there already is judged further, and never made again: by runs of their own, each found again."""

import pytest

from lgm_core.base.places import Places
from lgm_core.config import RunConfig
from lgm_core.engine import work
from lgm_core.jobs.forking import prepare_forks
from lgm_core.presets import change
from lgm_core.runs.start import is_done, start, start_all
from lgm_core.runs.store import RunFolder, RunStore


def _finish(run: RunFolder, here: Places) -> RunFolder:
    assert work(run, here) == "finished", run.log_tail()
    return run


def test_a_further_judge_never_distils_again(small_run: RunConfig, here: Places):
    first = _finish(start(small_run, here), here)
    before = first.synthetic.stat().st_mtime_ns
    assert [run.id for run in start_all(small_run, here)] == [first.id]
    more = change(small_run, {"evaluate_on": (*small_run.evaluate_on, "conv"), "scratch": {"steps": 5, "seeds": 1}})
    again, further = start_all(more, here)
    assert start_all(more, here)[1].id == further.id  # not begun, or interrupted: the same command goes on with it
    assert again.id == first.id and further.config().kind == "evaluate" and further.config().evaluate_on == ("conv",)
    report = _finish(further, here).eval_reports()[0]
    assert (report["backbone"], report["protocol"], report["steps"]) == ("conv", "scratch", 5)
    assert first.synthetic.stat().st_mtime_ns == before
    assert [run.id for run in start_all(more, here)] == [first.id]  # all that it asks for is done
    other = start_all(change(small_run, {"probe": {"views": 2}}), here)  # other settings of judging: the same set
    assert other[0].id == first.id and other[1].config().probe.views == 2
    assert len(RunStore(here.runs).evaluations(first.id)) == 2


def test_all_real_images_are_judged_further_by_a_run_of_their_own(small_run: RunConfig, here: Places):
    full = change(small_run, {"kind": "baseline", "baseline": {"choice": "full"}, "name": "all"})
    start(full, here)
    first, further = start_all(change(full, {"evaluate_on": (*full.evaluate_on, "conv")}), here)
    assert (first.id, further.id, further.config().kind) == ("all", "all-conv", "baseline")


def test_all_real_images_judged_with_other_settings_are_other_runs(small_run: RunConfig, here: Places):
    full = {"kind": "baseline", "baseline": {"choice": "full"}, "name": "all"}
    named = change(small_run, {**full, "protocol": ["paper"]})
    found = [start_all(change(named, {"probe": {"full_epochs": epochs}}), here)[-1] for epochs in (10, 20, 30, 20)]
    assert [run.config().probe.full_epochs for run in found] == [10, 20, 30, 20]
    assert len({run.id for run in found}) == 3 and found[1].id == found[3].id


@pytest.mark.slow
def test_a_fork_that_is_to_be_judged_otherwise_is_judged_further(small_run: RunConfig, here: Places):
    run = _finish(start(small_run, here), here)
    step = run.frame_list()[1]["step"]
    (made,) = prepare_forks(run, step, {}, here)
    _finish(made, here)
    again, further = prepare_forks(run, step, {"probe": {"views": 2}}, here)
    assert again.id == made.id and (further.config().source, further.config().probe.views) == (made.id, 2)


@pytest.mark.slow
def test_a_report_that_was_moved_away_is_made_again(small_run: RunConfig, here: Places):
    first = _finish(start(small_run, here), here)
    more = change(small_run, {"probe": {"views": 2}})
    further = _finish(start_all(more, here)[1], here)
    for run in (first, further):
        assert is_done(run)
        next(run.evals.iterdir()).unlink()
    asked = [start_all(config, here)[1] for config in (small_run, more)]
    assert first.id not in {run.id for run in asked} and asked[1].id == further.id and not is_done(further)
    assert all(len(_finish(run, here).eval_reports()) == 1 and is_done(run) for run in asked)
