"""The command line as a user meets it: exit codes, teaching errors, the same command twice, signals, tables."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from lgm_core.cli.flags import parse_config
from lgm_core.cli.main import _OF_WORKERS, VERBS, main
from lgm_core.presets import preset
from lgm_core.runs.start import start
from lgm_core.runs.store import RunStore
from tests.fake_runs import fake_distill

ROOT = Path(__file__).parent.parent
SMALL = """
--data.train-per-class 3 --data.test-per-class 3 --data.resize 224 --synthetic.resolution 32 --pyramid.grow-every 3
--lgm.views 2 --bank.views 2 --live.times 2 --live.steps 10 --probe.views 3 --probe.epochs 20 --probe.seeds 2
--probe.full-views 2 --probe.full-epochs 2
""".split()  # noqa: SIM905


@pytest.fixture(autouse=True)
def _cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LGM_CACHE", str(tmp_path))
    monkeypatch.setenv("COLUMNS", "200")
    monkeypatch.delenv("LGM_DATASETS", raising=False)


def lgm(*words: str) -> int:
    try:
        return main(words)
    except SystemExit as end:
        return int(end.code or 0)


@pytest.mark.parametrize(
    ("words", "code", "text"),
    [
        (["distill", "digits", "conv", "--preset", "rcig_digits", "--lgm.views", "3"], 2, "--lgm.views belongs to"),
        (["distil"], 2, "unknown verb 'distil'; did you mean 'distill'"),
        (["distill", "cifra10", "mobilenet_v2", "--preset", "preview"], 2, "did you mean 'cifar10'"),
        (["distill", "digits", "mobilnet_v2", "--preset", "preview"], 2, "did you mean 'mobilenet_v2'"),
        (["distill", "digits", "mobilnet_v2", "--preset", "preview"], 2, "'? beyond the catalogue: timm:name"),
        (["distill", "digits", "mobilenet_v2", "--preset", "papr"], 2, "did you mean 'paper'"),
        (
            ["distill", "digits", "mobilenet_v2", "--lgm.views", "0"],
            2,
            "lgm.views must be between 1 and 1000; 0 was given",
        ),
        (["distill", "digits", "mobilenet_v2", "--lgm.vews", "3"], 2, "--lgm.views"),
        (["distill", "digits", "mobilenet_v2", "--steps", "4"], 2, "raise steps above"),
        (["distill", "imagenet-100", "mobilenet_v2"], 3, "register"),
        (["distill", "digits", "mobilenet_v2", "--device.device", "cuda:9"], 2, "this machine has 0 CUDA devices"),
        (
            ["baseline", "medoid", "digits", "mobilenet_v2"],
            2,
            "random, centroids, neighbours, herding, k-centres, best-random, greedy, full, given, imported, "
            "high-loss, indices, none; 'medoid' was given",
        ),
        (["evaluate", "nothing", "mobilenet_v2"], 2, "there are no runs in"),
        (["show", "nothing"], 2, "there are no runs in"),
        (["list", "backbone"], 2, "backbones, datasets, runs, presets; 'backbone' was given"),
        (["fetch", "mobilenet_v4"], 2, "did you mean 'mobilenet_v2'"),
        (["study", "", "digits"], 2, "a study needs a name"),
        (["distill", "digits", "mobilenet_v2", "--name", "a/b"], 2, "that of a folder: 'a/b' contains"),
    ],
    ids=lambda value: " ".join(value)[:40] if isinstance(value, list) else None,
)
def test_mistakes_are_answered_in_plain_words(words, code, text, capfd):
    assert lgm(*words) == code
    out = "".join(capfd.readouterr())
    assert text.lower() in " ".join(out.lower().split()) and "Traceback" not in out


def test_help_lists_every_verb_and_every_verbs_help_works(capfd):
    assert lgm() == 0
    text = capfd.readouterr().out
    assert all(f"  {verb} " in text for verb in set(VERBS) - {*_OF_WORKERS})
    for verb in VERBS:
        assert lgm(verb, "--help") == 0, verb
        assert f"lgm {verb}" in capfd.readouterr().out


@pytest.mark.parametrize("words", [[], ["one"], ["one", "mobilenet_v2"], ["RUN"], ["folder:x", "mobilenet_v2"]])
def test_what_can_be_set_when_a_set_is_judged_is_listed(words: list[str], here, capfd):
    fake_distill(RunStore(here.runs), name="one", probe={"views": 77})
    assert lgm("evaluate", *words, "--help") == lgm("evaluate", *words, "-h") == 0
    said = capfd.readouterr().out
    for flag in ("--protocol", "--dataset", "--probe.views", "--scratch.steps", "--like OTHER", "--cluster", "RUN"):
        assert flag in said, flag
    assert ("(default: 77)" in said) == ("one" in words) == ("Shown defaults are those of one" in said)


def test_a_reader_that_has_seen_enough_ends_a_verb_without_a_word():
    command = [sys.executable, "-m", "lgm_core", "distill", "--help"]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as verb:
        verb.stdout.close()  # as `head` does
        assert verb.stderr.read() == b"" and verb.wait() == 1


def test_what_cannot_be_paused_is_said(here, small_run, capfd):
    run = start(small_run, here)
    assert lgm("pause", run.id) == 0
    assert f"{run.id} is paused now" in capfd.readouterr().err
    assert lgm("stop", run.id) == 0
    assert f"{run.id} is paused: it does not run; `lgm resume {run.id}` goes on" in capfd.readouterr().err


def test_flags_come_from_the_config_and_presets_lie_under_them():
    config = parse_config(
        ["digits", "mobilenet_v2", "--preset", "paper", "--lgm.views", "4", "--synthetic.no-decorrelate-colour"],
        prog="lgm distill",
        positional=("dataset", "backbone"),
    )
    assert config.dataset == "digits" and config.lgm.views == 4 and not config.synthetic.decorrelate_colour
    assert config.steps == preset("paper").steps and config.preset == "paper"


def test_positional_words_come_in_the_order_that_the_help_says():
    config = parse_config(["mine", "digits"], prog="lgm study", positional=("name", "dataset"))
    assert (config.name, config.dataset) == ("mine", "digits")


def test_lists_name_what_is_there(capfd):
    assert [lgm("list", what) for what in ("backbones", "datasets", "runs", "presets")] == [0, 0, 0, 0]
    text = capfd.readouterr().out
    assert "dinov2_vits14" in text and "gated" in text and "waterbirds" in text and "file:PATH" in text


def test_distil_evaluate_show_and_the_same_command_twice(small_weights, capfd):
    words = ["distill", "digits", small_weights, "--steps", "18", "--name", "one", *SMALL]
    assert lgm(*words) == 0
    assert "one: finished" in capfd.readouterr().err
    assert lgm(*words) == 0
    assert "already finished" in capfd.readouterr().err
    assert lgm(*words, "--seed", "3") == 2
    assert "exists with other settings" in capfd.readouterr().err
    assert lgm("evaluate", "one", small_weights) == 0
    assert lgm("show", "one") == 0
    out = capfd.readouterr().out
    assert "distilled with" in out and "±" in out


@pytest.mark.slow
def test_study_fills_one_table_with_all_baselines(small_weights, capfd):
    words = ["study", "all", "digits", "--distil-with", small_weights, "--steps", "18", "--draws", "2", *SMALL]
    assert lgm(*words) == 0
    out = capfd.readouterr().out
    for label in ("distilled with", "random real images", "centroids of", "neighbours of the distilled", "all real"):
        assert label in out
    assert len(out.split("±")) == 5  # the title; distilled, random and neighbours have several runs
    assert lgm("evaluate", "all-full", small_weights) != 0
    assert "the run 'all-full' has no images of its own; name one that" in capfd.readouterr().err


def test_sigterm_checkpoints_exits_143_and_resume_goes_on(quick_network, tmp_path, capfd):
    words = ["distill", "digits", quick_network, "--steps", "30000", "--name", "long", *SMALL]
    worker = subprocess.Popen(
        [sys.executable, "-m", "lgm_core", *words], cwd=ROOT, stderr=subprocess.DEVNULL, env=os.environ
    )
    metrics = tmp_path / "runs" / "long" / "metrics.jsonl"
    while (not metrics.exists() or len(metrics.read_text().splitlines()) < 2) and worker.poll() is None:
        time.sleep(0.1)
    worker.send_signal(signal.SIGTERM)
    assert worker.wait(180) == 143
    assert (tmp_path / "runs" / "long" / "checkpoint.safetensors").exists()
    assert '"stopped"' in (tmp_path / "runs" / "long" / "status.json").read_text()
    assert lgm("show", "long") == 0
    assert "long: stopped" in capfd.readouterr().out
