"""Limits on runs, on the queue, on the disk and on uploads: said before the work, and nothing is made."""

import tomllib
from collections import namedtuple
from dataclasses import replace
from pathlib import Path

import pytest

from lgm_core.base.errors import UserError
from lgm_core.config import RunConfig
from lgm_core.jobs import local
from lgm_core.runs import limits
from lgm_core.runs.start import start
from lgm_core.runs.store import RunStore
from pages.parts.server.routes import ROUTES
from tests.browser import ROOT
from tests.fake_runs import fake_distill

DIGITS = replace(RunConfig(kind="baseline"), dataset="digits", backbone="conv")


def test_a_folder_holds_so_many_runs(here, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(limits, "MOST_RUNS", 2)
    for name in ("a", "b"):
        start(replace(DIGITS, name=name), here)
    (here.runs / ".trash").mkdir()
    assert start(replace(DIGITS, name="a"), here).id == "a"  # what is there already is no new run
    with pytest.raises(UserError, match="holds 2 runs, and the limit is 2: delete some"):
        start(replace(DIGITS, name="c"), here)
    assert not (here.runs / "c").exists()


def test_a_full_disk_is_said_before_the_work(here, monkeypatch: pytest.MonkeyPatch):
    here.runs.mkdir(parents=True)
    usage = namedtuple("usage", "total used free")
    monkeypatch.setattr(limits.shutil, "disk_usage", lambda path: usage(2**40, 2**40 - 2**29, 2**29))
    with pytest.raises(UserError, match="has 0.50 GB left, and a new run needs at least 1 GB"):
        start(replace(DIGITS, name="a"), here)
    assert not (here.runs / "a").exists()


def test_so_many_runs_wait(here, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(limits, "MOST_WAITING", 3)
    monkeypatch.setattr(local, "attend", lambda here: None)
    monkeypatch.setenv("LGM_CACHE", str(here.cache))
    runs = [fake_distill(RunStore(here.runs), "paused", name=name, steps=4) for name in "abcd"]
    for run in runs[:3]:
        local.resume(run, here)
    with pytest.raises(UserError, match="3 runs are waiting already, and the limit is 3"):
        local.resume(runs[3], here)
    assert runs[3].status().state == "paused" and len(list(here.queue.glob("*.json"))) == 3


def test_nothing_is_uploaded():
    """One megabyte is the least that Streamlit can be told; no address of ours takes a body."""
    settings = tomllib.loads((ROOT / ".streamlit" / "config.toml").read_text())
    assert settings["server"]["maxUploadSize"] == 1
    assert all(route.methods == {"GET", "HEAD"} for route in ROUTES)
    for page in Path(ROOT / "pages").rglob("*.py"):
        assert "file_uploader" not in page.read_text(), page
