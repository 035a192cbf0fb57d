"""Run folders of other versions, and folders that are no runs: shown or left out, never in the way of a new run."""

import json
from dataclasses import dataclass, replace

import pytest

from lgm_core import config
from lgm_core.base.align_settings import AlignConfig
from lgm_core.base.errors import ConfigError, UserError
from lgm_core.base.files import read_json, write_json
from lgm_core.base.knobs import from_dict, knob, read_dict
from lgm_core.base.places import Places
from lgm_core.cli.listing import list_runs
from lgm_core.cli.look import show_run
from lgm_core.config import RunConfig, renamed
from lgm_core.engine import work
from lgm_core.jobs import local
from lgm_core.methods.lgm.config import LGMConfig
from lgm_core.presets import change
from lgm_core.reports.page import run_report
from lgm_core.runs import index, start
from lgm_core.runs.identity import identity
from lgm_core.runs.old_configs import read_config
from lgm_core.runs.store import RunFolder, RunStore
from tests.fake_runs import fake_distill


@pytest.fixture
def here(tmp_path, monkeypatch) -> Places:
    monkeypatch.setenv("LGM_CACHE", str(tmp_path))
    monkeypatch.setattr(start, "require_here", lambda config, places: None)
    return Places(cache=tmp_path, weights=(tmp_path / "weights",), datasets=(tmp_path / "datasets",))


@pytest.fixture
def store(here) -> RunStore:
    return RunStore(here.runs)


def _edited(run: RunFolder, **changes: object) -> RunFolder:
    """The run, with settings as another version wrote them: name = value, or a group's values."""
    found = read_json(run.config_file)
    for name, value in changes.items():
        inner = found["config"].get(name)
        found["config"][name] = inner | value if isinstance(inner, dict) and isinstance(value, dict) else value
    found["environment"]["lgm_core"] = "9.1"
    write_json(run.config_file, found)
    return run


@pytest.fixture
def newer(store) -> RunFolder:
    """A run of a later version, which had a setting more and another value for one."""
    run = store.create(RunConfig(name="newer", study="s"), {"torch": "0"})
    return _edited(run, lgm={"sharpness": 2, "target": "median"})


def test_what_a_user_gives_is_checked_and_what_a_disk_holds_is_read():
    values = {"lgm": {"sharpness": 2, "views": "many"}, "steps": 7, "future": {"x": 1}, "probe": 3}
    with pytest.raises(ConfigError, match="sharpness"):
        from_dict(RunConfig, values)
    config, notes = read_dict(RunConfig, values)
    judged = {"protocol": ("paper", "scratch")}  # as versions without that setting did
    compared = AlignConfig(permutations=0, groups=0, maps=False)
    matched = LGMConfig(objective="cosine", whiten="none", clusters=False)
    assert config == RunConfig(steps=7, align=compared, lgm=matched, **judged)
    assert set(notes) == {"lgm.sharpness", "lgm.views", "future", "probe"}
    assert notes["lgm.sharpness"] == "lgm.sharpness = 2 is not a setting of this version: ignored"
    assert notes["lgm.views"] == "lgm.views must be a whole number; 'many' was given: using 5"


def test_a_better_default_changes_no_old_run():
    @dataclass(frozen=True, kw_only=True)
    class Sound:
        volume: int = knob(11, "loudness", before=3)
        name: str = knob("drum", "what")

    assert read_dict(Sound, {})[0] == Sound(volume=3) and Sound().volume == 11
    assert from_dict(Sound, {}) == Sound(volume=11), "a user who says nothing wants today's default"
    assert read_dict(Sound, {"volume": 7}) == (Sound(volume=7), {})


def test_a_renamed_setting_is_found_under_its_new_name(monkeypatch):
    monkeypatch.setitem(config.RENAMED, "rcig.loudness", "lgm.views")
    monkeypatch.setitem(config.RENAMED, "pace", "steps")
    old = {"rcig": {"loudness": 9}, "pace": 12}
    found, notes = read_config(old)
    assert (found.lgm.views, found.steps, notes) == (9, 12, {})
    assert old == {"rcig": {"loudness": 9}, "pace": 12}
    assert renamed({"lgm": {"views": 2}, "rcig": {"loudness": 9}})["lgm"] == {"views": 2}, "the new name counts"
    assert renamed({"lgm": 3, "steps": 1}) == {"lgm": 3, "steps": 1}


def test_a_run_of_another_version_is_shown_and_not_gone_on_with(newer, here, capsys):
    assert newer.config() == RunConfig(name="newer", study="s") and len(newer.notes()) == 2
    why = newer.why_not_resumed()
    assert "9.1" in why and "lgm.sharpness, lgm.target" in why and "start it again" in why
    for act in (
        lambda: local.resume(newer, here),
        lambda: work(newer, here),
        lambda: start.start(newer.config(), here),
    ):
        with pytest.raises(UserError, match="lgm.sharpness"):
            act()
    assert show_run("newer") == 0
    shown = capsys.readouterr().out
    assert "lgm.sharpness = 2 is not a setting" in shown and "start it again" in shown


def test_what_only_writes_or_judges_is_in_nobody_s_way(store):
    run = store.create(RunConfig(name="one"), {})
    _edited(run, record={"films": 3}, live={"times": -1}, probe={"sieve": 1}, scratch={"x": 1}, study=4)
    assert run.why_not_resumed() == "" and len(run.notes()) == 5


@pytest.mark.parametrize("names", [["later"], ["later", "converged"], []])
def test_a_way_to_judge_of_another_version_is_named_and_the_run_is_shown(names, store, here, capsys):
    run = _edited(fake_distill(store, name="judged", steps=20), protocol=names)
    assert show_run("judged") == 0 and ("protocol = later is not" in capsys.readouterr().out) == ("later" in names)
    assert ("later" in run_report(run)) == ("later" in names)
    assert "converged" in run.config().protocol if "converged" in names else run.config().protocol
    assert start.start(run.config(), here).id == run.id


def test_an_unknown_setting_of_judging_is_in_the_way_where_judging_is_the_result(store):
    for kind, choice, free in (
        ("evaluate", "random", False), ("baseline", "full", False), ("baseline", "random", True),
    ):  # fmt: skip
        config = RunConfig(name=f"{kind}-{choice}", kind=kind, source="x", evaluate_on=("mobilenet_v2",))
        run = _edited(store.create(change(config, {"baseline": {"choice": choice}}), {}), probe={"sieve": 1})
        assert (run.why_not_resumed() == "") == free, run.id


def test_a_config_that_could_not_be_read_once_is_tried_again(store, monkeypatch):
    run = store.create(RunConfig(name="one"), {})
    with monkeypatch.context() as broken:
        broken.setattr(index, "open_config", lambda path: (_ for _ in ()).throw(UserError("too many open files")))
        assert store.runs() == [] and store.unreadable() == ["too many open files"]
    assert [found.id for found in store.runs()] == [run.id] and store.unreadable() == []


@pytest.mark.parametrize("text", [b"{", b"", b"[1]", b"\xff\xfe", b'{"environment": {}}', b'{"config": 3}',
                                  b'{"config": {"kind": "dream"}}'])  # fmt: skip
def test_one_bad_folder_is_named_and_blocks_nothing(text, store, here, newer, capsys):
    good = store.create(RunConfig(steps=9, study="s"), {})
    bad = RunFolder(store.root / "bad")
    bad.path.mkdir()
    bad.config_file.write_bytes(text)
    assert [run.id for run in store.runs()] == [newer.id, good.id]
    assert [run.id for run in store.study("s")] == [newer.id, good.id]
    assert start.start(RunConfig(steps=9), here).id == good.id
    assert start.start(RunConfig(steps=8), here).id not in (good.id, newer.id)
    (problem,) = store.unreadable()
    assert str(bad.config_file) in problem
    assert list_runs(here)[1][-1][:2] == ["unreadable", problem]
    with pytest.raises(UserError, match="config"):
        show_run("bad")


def test_an_unnamed_run_of_another_version_is_not_taken_for_the_same(store, here):
    run = store.create(RunConfig(steps=9), {})
    assert store.same(RunConfig(steps=9)).id == run.id
    _edited(run, lgm={"sharpness": 2})
    assert store.same(RunConfig(steps=9)) is None


def test_the_index_is_made_from_the_folders_and_may_go(store, monkeypatch):
    first = store.create(RunConfig(name="a", dataset="digits", evaluate_on=("x",), study="s"), {})
    store.create(replace(RunConfig(kind="baseline", name="b"), baseline=replace(RunConfig().baseline)), {})
    file = store.root.parent / "index" / "runs.json"
    entries = store.listed()
    assert [(run.id, facts.kind, facts.choice) for run, facts in entries] == [
        ("a", "distill", ""), ("b", "baseline", "random"),
    ]  # fmt: skip
    assert entries[0][1].evaluate_on == ("x",) and store.facts("a").dataset == "digits"
    written = json.loads(file.read_text())
    index._MEMORY.clear()
    monkeypatch.setattr(index, "open_config", None)  # nothing is read again
    assert RunStore(store.root).listed()[0][1] == entries[0][1]
    monkeypatch.undo()
    for text in ("{", json.dumps(written | {"made_by": "another version"}), '{"runs": 3}'):
        file.write_text(text)
        index._MEMORY.clear()
        assert [facts for _, facts in RunStore(store.root).listed()] == [facts for _, facts in entries]
    file.unlink()
    assert len(store.listed()) == 2 and not file.exists(), "written only where something has changed"
    _edited(first, study="another")
    assert store.facts("a").study == "s" and store.study("another")[0].id == "a" and file.exists()


def test_a_folder_that_cannot_be_written_to_is_listed_from_memory(store, monkeypatch):
    store.create(RunConfig(name="a"), {})

    def refuse(*_: object, **__: object) -> None:
        raise PermissionError(13, "read-only")

    monkeypatch.setattr(index, "write_json", refuse)
    assert [run.id for run in store.runs()] == ["a"]


def test_the_index_is_another_for_another_schema(monkeypatch):
    before = index.fingerprint(identity)
    assert before == index.fingerprint(identity)
    monkeypatch.setitem(config.RENAMED, "pace", "steps")
    assert index.fingerprint(identity) != before
    monkeypatch.undo()
    assert index.fingerprint(lambda config: {"steps": config.steps}) != before


def test_a_run_of_a_method_of_another_version_is_shown_and_reported(store, here):
    run = _edited(store.create(RunConfig(name="later", study="s"), {}), method="krr_st")
    assert [found.id for found in store.study("s")] == ["later"] and run.notes() == [
        "method = 'krr_st' is not a method of this version"
    ]
    assert "method" in run.why_not_resumed()
    assert show_run("later") == 0 and "krr_st" in run_report(run)
    with pytest.raises(UserError, match="method"):
        local.resume(run, here)
