"""`lgm doctor`: what is wrong is named with what to do; being offline is no mistake; told to be, it asks nobody."""

from pathlib import Path

import pytest
from huggingface_hub import constants

from lgm_core.base.places import PROJECT
from lgm_core.cli import doctor
from lgm_core.cli.main import main
from lgm_core.runs.store import RunStore
from tests.fake_runs import fake_distill


@pytest.fixture(autouse=True)
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> RunStore:
    for name in ("LGM_WEIGHTS", "LGM_DATASETS"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("LGM_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    monkeypatch.setattr(doctor, "packages", lambda required: iter(()))  # what is installed here is told below
    return RunStore(tmp_path / "cache" / "runs")


packages = doctor.packages


def test_where_all_is_well_nobody_is_asked(store: RunStore, monkeypatch, capsys):
    monkeypatch.setattr(doctor.urllib.request, "urlopen", None)
    fake_distill(store, name="one")
    assert main(["doctor"]) == 0
    said = capsys.readouterr().out
    assert "nothing is wrong" in said and "not asked: HF_HUB_OFFLINE is set" in said and "1 by version 0.1.0" in said


def test_a_hub_out_of_reach_is_a_note(monkeypatch, capsys):
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
    monkeypatch.setattr(constants, "ENDPOINT", "http://127.0.0.1:9")
    assert main(["doctor"]) == 0
    assert "note   model hub       http://127.0.0.1:9: not reachable" in capsys.readouterr().out


def test_lost_and_damaged_runs_are_counted_with_what_to_do(store: RunStore, capsys):
    fake_distill(store, "lost", name="gone")
    fake_distill(store, name="torn").map_file.write_text("{")
    (store.root / "none").mkdir()
    (store.root / "none" / "config.json").write_text("{")
    assert main(["doctor"]) == 1
    said = capsys.readouterr().out
    for line in ("1 lost their worker: gone", "lgm retry", "1 have damaged files: torn", "lgm show", "3 are wrong"):
        assert line in said, line


def test_of_many_runs_the_newest_are_read_and_the_others_counted(store: RunStore, monkeypatch, capsys):
    monkeypatch.setattr(doctor, "_NEWEST", 1)
    fake_distill(store, name="torn").map_file.write_text("{")
    fake_distill(store, name="whole")
    assert main(["doctor"]) == 0
    assert "the 1 oldest were not read for damage" in capsys.readouterr().out
    assert main(["doctor", "--all"]) == 1
    said = capsys.readouterr().out
    assert "1 have damaged files: torn" in said and "not read" not in said


def test_folders_that_are_not_there_or_not_writable_are_named(tmp_path: Path, monkeypatch, capsys):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("LGM_CACHE", str(tmp_path / "file"))
    monkeypatch.setenv("LGM_WEIGHTS", str(tmp_path / "no weights"))
    assert main(["doctor"]) == 1
    said = capsys.readouterr().out
    assert "no weights does not exist" in said and "remove it from LGM_WEIGHTS" in said
    assert "file cannot be written to" in said and "another folder: LGM_CACHE" in said


def test_a_full_disk_is_wrong(monkeypatch, capsys):
    monkeypatch.setattr(doctor, "_LITTLE", 1 << 60)
    assert main(["doctor"]) == 1
    assert "`lgm cache` shows what can be dropped" in capsys.readouterr().out


def test_packages_are_held_against_what_is_pinned(monkeypatch):
    installed = {"torch": "2.15.0+cu132", "timm": "1.0.1"}
    monkeypatch.setattr(doctor, "_version", lambda name: installed.get(name, ""))
    lines = ["# engine", "torch==2.15.0", "timm==1.0.31", "", "# development", "ruff==0.1.0"]
    found = {one.what: one for one in packages(lines)}
    assert "torch" not in found and found["packages"].found.startswith("1 as requirements.txt")
    assert found["timm"].wrong and found["timm"].found == "1.0.1; requirements.txt asks for 1.0.31"
    assert "pip install -r" in found["timm"].remedy
    assert not found["ruff"].wrong and "not installed" in str(found["ruff"])


def test_what_only_a_cluster_needs_is_a_note(monkeypatch):
    """By the project's own requirements.txt, as `make setup` leaves a machine."""
    lines = (PROJECT / "requirements.txt").read_text().splitlines()
    pinned = dict(line.split("==") for line in lines if "==" in line and not line.startswith("#"))
    monkeypatch.setattr(doctor, "_version", lambda name: pinned.get(name, ""))
    noted = {one.what: one for one in packages(lines)}
    assert not [one for one in noted.values() if one.wrong]
    assert set(noted) == {"python", "ray", "submitit", "packages"}
    assert str(noted["ray"]).startswith("note   ray             not installed; requirements.txt asks for ")
    assert "`make cluster`" in noted["ray"].remedy
    monkeypatch.setattr(doctor, "_version", lambda name: "0.1" if name == "ray" else pinned.get(name, ""))
    assert [one.found[:5] for one in packages(lines) if one.what == "ray"] == ["0.1; "]
