"""Every verb that makes runs, or continues them, can send them to a cluster; no cluster is needed."""

from contextlib import suppress
from dataclasses import replace
from types import SimpleNamespace

import pytest

from lgm_core.base.files import read_json, write_json
from lgm_core.base.places import Places
from lgm_core.cli import compute
from lgm_core.cli.main import VERBS, main
from lgm_core.runs.start import start
from lgm_core.runs.store import RunFolder

WORDS = {  # of each verb, but those in tests/test_cluster.py; NET stands for a backbone
    "baseline": ["random", "digits", "NET"], "evaluate": ["one", "NET"], "import": ["set", "digits"],
    "embed": ["digits", "NET", "--sources", "one"], "align": ["digits", "--evaluate-on", "NET", "resnet18"],
    "disagree": ["digits", "NET", "resnet18"], "layers": ["digits", "NET"], "backbone": ["digits", "NET"],
    "patches": ["one"], "style": ["one", "NET"], "fork": ["one", "3"], "retry": ["one"],
}  # fmt: skip


@pytest.mark.parametrize("verb", WORDS)
def test_every_verb_that_makes_runs_can_send_them(verb: str, store, small_run, here, monkeypatch, capsys):
    sent: list[tuple[str, str]] = []

    def send(runs: list[RunFolder], here: Places, cluster: str) -> list[RunFolder]:
        sent.extend((run.config().kind, cluster) for run in runs)
        return runs

    monkeypatch.setattr("lgm_core.cli.clustering.send", send)
    monkeypatch.setattr("lgm_core.jobs.sending.find_spec", lambda package: True)
    source = start(replace(small_run, name="one"), here)
    write_json(source.status_file, read_json(source.status_file) | {"state": "failed"})
    monkeypatch.setattr("lgm_core.jobs.forking.prepare_forks", lambda *_: [source])
    found = SimpleNamespace(network="conv", preset="rcig_depth_3", steps=3, settings={})
    monkeypatch.setattr(compute, "load", lambda name: lambda *_: found)
    words = [word.replace("NET", small_run.backbone) for word in WORDS[verb]]
    assert main([verb, *words, "--cluster", "h:6379"]) == 0, capsys.readouterr().err
    kinds = {"disagree": "align", "import": "distill", "fork": "distill", "retry": "distill"}
    assert sent == [(kinds.get(verb, verb), "h:6379")] and "sent 1 run to h:6379" in capsys.readouterr().err
    with suppress(SystemExit):
        main([verb, "--help"])
    assert "--cluster" in capsys.readouterr().out


def test_no_verb_that_computes_is_left_out():
    """Whatever takes the settings of a run, and is no answer at once."""
    rooms = {name: verb.__module__.split(".")[-1] for name, verb in VERBS.items()}
    makers = {name for name, room in rooms.items() if room in ("compute", "judging", "instruments", "pairing")}
    assert makers == {*WORDS, "distill", "study", "allegiance", "resume"}


def test_no_run_is_made_that_nothing_could_send(store, small_run, monkeypatch, capsys):
    monkeypatch.setattr("lgm_core.jobs.sending.find_spec", lambda package: None)
    assert main(["baseline", "random", "digits", small_run.backbone, "--cluster", "h:6379"]) == 3
    assert "Ray is not installed: `make cluster`" in capsys.readouterr().err
    assert store.runs() == []
