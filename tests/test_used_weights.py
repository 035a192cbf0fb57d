"""Which weights a run worked with: recorded, shown, marked where they stand in for the published ones, and replaced."""

import json
from dataclasses import replace

import pytest
import timm
import torch
from safetensors.torch import save_file

from lgm_core.backbones import weights
from lgm_core.backbones.catalog import find_row, find_weights, title_here
from lgm_core.backbones.weights import fetch_weights, record_of, weights_hash
from lgm_core.base.errors import Unavailable
from lgm_core.cli.listing import fetch_one, list_backbones
from lgm_core.cli.main import main
from lgm_core.config import RunConfig
from lgm_core.engine import work
from lgm_core.reports.card import card
from lgm_core.reports.page import run_report
from lgm_core.reports.summary import column_note, result_table
from lgm_core.runs.start import start
from lgm_core.runs.store import RunStore
from tests.app import open_page
from tests.fake_runs import fake_distill
from tests.test_hub import ADDRESS, SOURCE, client, hub  # noqa: F401 (a fixture)
from tests.test_weights import TOY, published, toy_row

STAND_IN = "int8, de-quantised"
WEIGHTS = {"file": "small_int8.safetensors", "sha256": "ab" * 32, "source": "local file", "stand_in": STAND_IN}


@pytest.fixture
def row(here):
    """A row whose stand-in lies in the folder of weights."""
    torch.manual_seed(0)
    here.weights[0].mkdir()
    save_file(timm.create_model(TOY).state_dict(), here.weights[0] / "small_int8.safetensors")
    return toy_row(SOURCE, stand_in="small_int8.safetensors", stand_in_note=STAND_IN)


def test_a_stand_in_is_named_in_lists_and_replaced_by_fetching(row, here, client, monkeypatch, tmp_path):  # noqa: F811
    assert title_here(row, here) == f"Toy ({STAND_IN})"
    stand_in = fetch_weights(row, here)  # what a worker does: it takes what is there
    assert record_of(row, stand_in).stand_in == STAND_IN and record_of(row, stand_in).source == "local file"
    monkeypatch.setattr("lgm_core.backbones.catalog.find_row", lambda name: row)
    client("http://127.0.0.1:9")
    with pytest.raises(Unavailable, match=r"Until then its stand-in is used \(int8, de-quantised\)"):
        fetch_one("toy", here, lambda *_: None)
    content = published(timm.create_model(TOY).state_dict(), tmp_path / "hub")
    with hub({ADDRESS: content}) as running:
        client(running.url)
        path = fetch_one("toy", here, lambda *_: None)
    assert path == find_weights(row, here) == here.weights[-1] / "toy.safetensors"
    record = record_of(row, path)
    assert record.stand_in == "" and record.source == f"hub: model.safetensors of someone/toy, revision {'a' * 40}"
    assert title_here(row, here) == "Toy"


def test_the_list_of_backbones_says_that_clips_weights_here_are_a_stand_in(here):
    clip = find_row("clip_vitb16")
    (here.weights[0]).mkdir()
    (here.weights[0] / clip.stand_in).touch()
    shown = {line[0]: line[1] for line in list_backbones(here)[1]}
    assert shown["clip_vitb16"] == f"CLIP ViT-B/16 ({STAND_IN})" and "int8" not in shown["clip_vitb32"]


def test_launch_says_that_weights_are_a_stand_in_and_offers_to_fetch_the_published_ones(here, monkeypatch):
    for name, value in (("LGM_CACHE", str(here.cache)), ("LGM_WEIGHTS", ""), ("LGM_DATASETS", "")):
        monkeypatch.setenv(name, value)
    here.weights[0].mkdir()
    (here.weights[0] / find_row("clip_vitb16").stand_in).touch()
    test = open_page("launch", dataset="scenes", backbones="clip_vitb16", preset="preview")
    assert not test.exception
    text = "\n".join(element.value for element in test.markdown).replace("\\", "")
    assert (
        f"CLIP ViT-B/16 ({STAND_IN})" in text
        and "stand in for the published ones; Fetch downloads the published ones" in text
    )
    assert "Fetch (599 MB)" in [button.label for button in test.button]


def test_the_hash_is_kept_until_the_file_changes(tmp_path, monkeypatch):
    path, read = tmp_path / "weights.bin", []
    path.write_bytes(b"one")
    real = weights.file_sha256
    monkeypatch.setattr(weights, "file_sha256", lambda path: read.append(path) or real(path))
    first = weights_hash(path, tmp_path / "index")
    assert weights_hash(path, tmp_path / "index") == first and len(read) == 1
    new = tmp_path / "new"
    new.write_bytes(b"two")  # of the same size
    new.replace(path)
    assert weights_hash(path, tmp_path / "index") == real(path) != first and len(read) == 2
    for note in (tmp_path / "index").glob("weights-*.json"):
        note.write_text("{")  # a damaged note is made anew
    assert {weights_hash(path, tmp_path / "index") for _ in range(2)} == {real(path)}


@pytest.fixture
def small_run(small_run: RunConfig, small_weights: str) -> RunConfig:
    return replace(small_run, backbone=small_weights, evaluate_on=(small_weights,))


def test_a_run_records_its_weights_and_its_reports_those_of_their_judge(small_run, here, capsys, monkeypatch):
    monkeypatch.setenv("LGM_CACHE", str(here.cache))
    run = start(replace(small_run, name="one"), here)
    assert work(run, here) == "finished"
    (facts,) = run.weights().values()
    path = small_run.backbone.removeprefix("file:").partition("?")[0]
    assert facts["sha256"] == weights_hash(here.cache / path) and facts["precision"] == "float32"
    assert facts["file"] == "small.safetensors" and facts["source"] == "local file"
    assert [report["weights"] for report in run.eval_reports()] == [facts]
    assert main(["show", "one"]) == 0
    assert (
        f"small.safetensors, SHA-256 {facts['sha256'][:12]}…, local file; computed in float32"
        in capsys.readouterr().out
    )
    assert facts["sha256"][:12] in card(run) and facts["sha256"][:12] in run_report(run)


@pytest.mark.slow
def test_a_run_that_goes_on_with_other_weights_says_so(small_run, here):
    run = start(replace(small_run, name="one"), here)
    known = {small_run.backbone: WEIGHTS}
    run.weights_file.write_text(json.dumps(known))
    work(run, here)
    assert any("have changed since the run began: " in note for note in run.status().notes)


def test_what_stood_in_for_a_judge_is_said_wherever_its_accuracy_is_shown(here):
    run = fake_distill(RunStore(here.runs), name="one", backbone="clip_vitb16", evaluate_on=["clip_vitb16"])
    assert "int8" not in card(run) + run_report(run) and run.weights() == {}  # of an earlier version: as before
    (path,) = run.evals.iterdir()
    path.write_text(json.dumps(json.loads(path.read_text()) | {"weights": WEIGHTS}))
    run.weights_file.write_text(json.dumps({"clip_vitb16": WEIGHTS}))
    table = result_table([run])
    assert column_note(table.rows, "clip_vitb16") == STAND_IN
    mixed = [
        *table.rows,
        replace(table.rows[0], cells={"clip_vitb16": replace(table.rows[0].cells["clip_vitb16"], stand_in="")}),
    ]
    assert column_note(mixed, "clip_vitb16") == f"partly {STAND_IN}"
    assert f"clip_vitb16 ({STAND_IN})" in card(run) and f"clip_vitb16 ({STAND_IN})" in run_report(run)
    assert f"small_int8.safetensors ({STAND_IN})" in card(run)
