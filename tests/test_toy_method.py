"""What adding a method costs: tests/toy_method, one package and its row, put into a copy of the program, is everywhere.

The copy is used as a user would: by its command line and its pages, in processes of their own.
"""

import filecmp
import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from lgm_core.base.files import read_json
from lgm_core.runs.store import RunFolder
from tests.toy_program import CATALOG, COMMANDS, KILLED, PAGES, PARTS, ROOT, STUDY, program_with_toy, python

SETTINGS = [
    "--data.train-per-class", "3", "--data.test-per-class", "3", "--data.resize", "224", "--device.threads", "1",
    "--device.precision", "float32", "--live.times", "2", "--live.test-images", "20", "--live.steps", "5",
    "--probe.views", "2", "--probe.epochs", "5", "--probe.seeds", "2", "--record.frames", "6",
    "--record.checkpoint-seconds", "0", "--record.map-images", "20", "--bank.batch", "10",
    "--scratch.resolution", "8", "--scratch.width", "4", "--scratch.steps", "2", "--scratch.seeds", "1",
]  # fmt: skip

Lgm = Callable[..., list[tuple[int, str, str]]]


@pytest.fixture(scope="module")
def program(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return program_with_toy(tmp_path_factory.mktemp("program"))


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("cache")


@pytest.fixture(scope="module")
def lgm(program: Path, cache: Path) -> Lgm:
    def run(*commands: list[str]) -> list[tuple[int, str, str]]:
        return json.loads(python(program, cache, COMMANDS, json.dumps(commands)).stdout)

    return run


@pytest.fixture(scope="module")
def distilled(quick_network: str) -> list[str]:
    """The settings of the run that all look at."""
    return ["digits", quick_network, "--preset", "toy_first", "--steps", "12", *SETTINGS]


@pytest.fixture(scope="module")
def study(lgm: Lgm, cache: Path, distilled: list[str]) -> RunFolder:
    """The run of a study of one distillation, whose images a further network has judged."""
    dataset, network, *settings = distilled
    made, evaluated = lgm(
        ["study", "demo", dataset, "--distil-with", network, "--no-baselines", "--seeds", "1", *settings],
        ["evaluate", "demo-toy", "conv"],
    )  # fmt: skip
    assert made[0] == 0 and evaluated[0] == 0, (made, evaluated)
    return RunFolder(next((cache / "runs").glob("demo-toy-*")))


def test_nothing_else_is_touched(program: Path):
    differing: list[str] = []

    def compare(found: filecmp.dircmp, below: Path = Path()) -> None:
        differing.extend(str(below / name) for name in (*found.diff_files, *found.funny_files, *found.right_only))
        for name, inner in found.subdirs.items():
            compare(inner, below / name)

    for part in PARTS:
        if (program / part).is_dir():
            compare(filecmp.dircmp(ROOT / part, program / part, ignore=["__pycache__"]), Path(part))
    assert sorted(differing) == [str(CATALOG), str(CATALOG.parent / "toy")]
    assert filecmp.cmp(ROOT / "app.py", program / "app.py", shallow=False)
    before, after = ((folder / CATALOG).read_text().splitlines() for folder in (ROOT, program))
    assert len([line for line in before if line not in after]) == 1  # the table, which names the row


def test_its_settings_are_flags_with_help_and_limits(lgm: Lgm, distilled: list[str]):
    help_, rate, foreign, together, presets = lgm(
        ["distill", "--preset", "toy_first", "--help"], ["distill", *distilled, "--toy.rate", "2"],
        ["distill", *distilled, "--lgm.views", "3"], ["distill", *distilled, "--toy.rate", "0.01"],
        ["list", "presets"],
    )  # fmt: skip
    assert help_[0] == 0 and "--toy.rate" in help_[1] and "share of the way to the mean picture" in help_[1]
    assert rate[0] == 2 and "toy.rate must be between 0.0 and 1.0; 2.0 was given" in rate[2]
    assert foreign[0] == 2 and "--lgm.views belongs to Linear Gradient Matching" in foreign[2]
    assert together[0] == 2 and "goes nowhere in 12 steps" in together[2]
    assert presets[0] == 0 and "toy_first" in presets[1] and "toy.rate = 0.2" in presets[1]


@pytest.mark.slow
def test_killed_it_goes_on_to_the_same_bits(program: Path, study: RunFolder, distilled: list[str], tmp_path: Path):
    python(program, tmp_path, KILLED, "distill", *distilled, "--name", "killed")
    for file in (study.synthetic, study.checkpoint):
        assert file.read_bytes() == (tmp_path / "runs" / "killed" / file.name).read_bytes()


@pytest.mark.slow
def test_an_estimate_comes_from_its_past_or_from_measured_steps(lgm: Lgm, study: RunFolder, distilled: list[str]):
    past, measured = lgm(["estimate", *distilled, "--toy.rate", "0.3"], ["estimate", *distilled, "--toy.side", "16"])
    assert past[0] == 0 and "from 1 runs" in past[1], past
    assert measured[0] == 0 and "from a few steps just measured" in measured[1], measured


@pytest.mark.slow
def test_a_fork_goes_on_from_a_picture_or_from_the_checkpoint(
    program: Path, cache: Path, study: RunFolder, tmp_path: Path
):
    shutil.copytree(cache, tmp_path / "cache")
    settings = ["--toy.rate", "0.5", "--steps", "14", "--live.times", "0"]
    forks = [["fork", study.id, step, *settings, "--name", f"from-{step}"] for step in ("1", "12")]
    done = json.loads(python(program, tmp_path / "cache", COMMANDS, json.dumps(forks)).stdout)
    assert [code for code, _, _ in done] == [0, 0], done
    early, late = (RunFolder(tmp_path / "cache" / "runs" / f"from-{step}") for step in (1, 12))
    assert [read_json(run.config_file)["config"]["study"] for run in (study, early, late)] == ["demo", "", ""]
    last = study.metrics()[-1]["loss"]
    assert early.start.exists() and early.metrics()[0]["step"] == 1 and early.metrics()[0]["loss"] > last
    assert not late.start.exists() and late.metrics()[0]["step"] == 12
    assert late.metrics()[0]["loss"] == pytest.approx(last * 0.8**2)


def test_it_has_its_row_in_tables_and_its_words_in_reports(
    lgm: Lgm, program: Path, cache: Path, study: RunFolder, quick_network: str
):
    ((code, shown, _),) = lgm(["show", "demo"])
    label = f"distilled by the toy with {quick_network} (toy_first)"
    assert code == 0 and "distilled by the toy" in shown.replace("\n", " ")
    cells, of_run, of_study = json.loads(python(program, cache, STUDY).stdout)
    assert cells == {label: {quick_network: "done", "conv": "done"}}
    for html in (of_run, of_study):
        assert "by the toy" in html and "Loss: squared distance from the mean picture" in html


def test_the_pages_offer_and_show_it(program: Path, cache: Path, study: RunFolder, quick_network: str):
    told = python(program, cache, PAGES, str(program / "app.py"), study.id, quick_network).stdout
    found: dict[str, Any] = json.loads(told.splitlines()[-1])
    assert {page: told["wrong"] for page, told in found.items()} == {page: [] for page in found}
    before, after, known = (found[name] for name in ("before", "after", "known"))
    assert before["bars"]["Method"][1] == "lgm" and "Toy" in before["bars"]["Method"][0]
    assert after["bars"]["Method"][1] == "toy" and after["bars"]["Preset"] == [["First"], "toy_first"]
    assert "Toy" in after["tabs"] and "Matching" not in after["tabs"] and after["numbers"]["Rate"] == 0.2
    assert any("--preset toy_first" in words for words in after["words"])
    assert any(words.startswith("Estimated from 1 earlier run") for words in known["words"]), known["words"]
    assert any("--preset toy_first" in words for words in found["watch"]["words"])
